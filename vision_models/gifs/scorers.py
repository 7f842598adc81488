"""Every method of the paper's comparison, behind one interface.

The vectors of a video's segments and of a history go in, a score per segment comes out.

Garcia del Molino & Gygli, "PHD-GIFs", ACM Multimedia 2018, arXiv 1804.06604.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from vision_models.gifs.network import PHDGIFs

Vectors = NDArray[np.float32]  # (N, D), rows of unit length
Scores = NDArray[np.float32]  # (S,), higher is better; only their order within a video means something
Scorer = Callable[[Vectors, Vectors], Scores]  # (segments (S, D), history (H, D)) -> scores

RESIDUAL_STEPS = 60
RESIDUAL_REGULARISATION = 0.01


class Comparison:
    """The scorers of one checkpoint. Those that need a history give the generic ranker's scores when it is empty."""

    def __init__(self, network: PHDGIFs) -> None:
        self.network = network

    @property
    def scorers(self) -> dict[str, Scorer]:
        """The methods by name, in the order of the article's table."""
        return {
            "Video2GIF (generic)": self.generic,
            "Highlight SVM": self.highlight_svm,
            "Maximal similarity": self.maximal_similarity,
            "Video-MMR": self.video_mmr,
            "Residual model": self.residual,
            "SVM-D": self.svm_d,
            "PHD-CA": self.phd_ca,
            "PHD-CA + SVM-D": self.fusion,
        }

    def generic(self, segments: Vectors, history: Vectors) -> Scores:  # noqa: ARG002 - it does not ask who is asking
        """Video2GIF: a feed-forward network that sees the segment alone; lively ones gain by being so."""
        return self._ask(self.network.for_everyone, segments)

    def highlight_svm(self, segments: Vectors, history: Vectors) -> Scores:  # noqa: ARG002
        """A linear ranking SVM that sees the segment alone."""
        return self._ask(lambda x: self.network.svm(x)[:, 0], segments)

    def maximal_similarity(self, segments: Vectors, history: Vectors) -> Scores:
        """The cosine with the most similar history element."""
        return (segments @ history.T).max(axis=1) if len(history) else self.generic(segments, history)

    def video_mmr(self, segments: Vectors, history: Vectors) -> Scores:
        """The mean cosine with the history."""
        return (segments @ history.T).mean(axis=1) if len(history) else self.generic(segments, history)

    def residual(self, segments: Vectors, history: Vectors) -> Scores:
        """A ranking SVM of this user's own on [generic score ; segment].

        It learns to put the history above segments that nobody asked for, which travel in the checkpoint.
        """
        if not len(history):
            return self.generic(segments, history)
        liked, others, asked = (
            np.column_stack([self.generic(x, history), x])
            for x in (history, self.network.background.numpy(force=True), segments)
        )
        weights = _ranking_svm(liked, others)
        return asked @ weights

    def svm_d(self, segments: Vectors, history: Vectors) -> Scores:
        """SVM-D: a linear ranking SVM on the similarities to the nearest history elements."""
        if not len(history):
            return self.generic(segments, history)
        return self.closeness(segments, history)

    def phd_ca(self, segments: Vectors, history: Vectors) -> Scores:
        """PHD-CA: a feed-forward network that sees the segment beside the mean of the history."""
        if not len(history):
            return self.generic(segments, history)
        return self._ask(self.network.h_fnn, segments, history)

    def fusion(self, segments: Vectors, history: Vectors, disliked: Vectors | None = None) -> Scores:
        """PHD-GIFs: h = h_FNN + w * h_SVM, late fusion of PHD-CA and SVM-D.

        What is near to `disliked` (K, D) loses what it would gain from being near to the history; the paper has no such
        thing.
        """
        scores = self._ask(self.network, segments, history, segments @ history.T)
        if disliked is not None and len(disliked):
            scores = scores - self.network.fusion_weight.item() * self.closeness(segments, disliked)
        return scores

    def closeness(self, segments: Vectors, examples: Vectors) -> Scores:
        """What SVM-D says of segments beside one or more examples."""
        return self._ask(self.network.h_svm, segments @ examples.T)

    def _ask(self, network: Callable[..., Tensor], *vectors: Vectors) -> Scores:
        device = self.network.fusion_weight.device
        with torch.inference_mode():
            return network(
                *(torch.from_numpy(np.ascontiguousarray(some, np.float32)).to(device) for some in vectors)
            ).numpy(force=True)


def _ranking_svm(liked: Vectors, others: Vectors) -> NDArray[np.float32]:
    """Fit w so that w @ liked exceeds w @ others by 1: squared hinge over all pairs, L2 regularised.

    Nesterov's accelerated gradient from zero; deterministic.
    """
    pairs = (liked[:, None] - others[None]).reshape(-1, liked.shape[1])
    w = np.zeros(liked.shape[1], np.float32)
    before = w
    rate = 0.5 / (np.linalg.norm(pairs, axis=1).max() ** 2 + RESIDUAL_REGULARISATION)
    for step in range(RESIDUAL_STEPS):
        ahead = w + step / (step + 3) * (w - before)
        slack = (1 - pairs @ ahead).clip(0)
        gradient = RESIDUAL_REGULARISATION * ahead - pairs.T @ slack / len(pairs)
        before, w = w, ahead - rate * 2 * gradient
    return w
