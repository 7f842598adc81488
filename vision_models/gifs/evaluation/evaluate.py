"""How well the scorers find what a user likes, on real clips of topics, places and users that training never saw.

A target video is twelve real clips of five seconds, two of the topic that the user likes; the history are other clips
of that topic, filmed elsewhere. The control that matters is another user's history: with it, the gain has to be gone.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from vision_models.errors import DataError
from vision_models.gifs.config import SEGMENT_S
from vision_models.gifs.evaluation.metrics import FRAMES, Quality, break_ties, mean_quality, measure
from vision_models.gifs.predictor import HighlightPredictor
from vision_models.gifs.scorers import Comparison, Scorer, Vectors
from vision_models.gifs.training.data import Clip, read_clips, read_fights
from vision_models.media.bars import without_bars
from vision_models.media.videos import probe, read_frames

LOG = logging.getLogger(__name__)

HISTORY_LENGTHS = (0, 1, 2, 5, 10)
SEGMENTS = 12
LIKED = 2
CASES = 60  # of each topic
FIGHT_CASES = 500
SKATE_NOTE = (
    "The clips of skateboarding, those of the test among them, are cut out of six videos, so that history and segments "
    "may show the same person in the same place. That is easier than what the other topics ask."
)
HISTOGRAM_BINS = 8  # of each of red, green and blue


@dataclass(frozen=True, eq=False)
class Case:
    """A video made of clips, and whose history it is ranked with. All numbers are positions in the list of clips."""

    segments: NDArray[np.int64]  # (12,)
    truth: NDArray[np.bool_]  # (12,)
    history: NDArray[np.int64]  # (10,) the first n are a history of n
    wrong: NDArray[np.int64]  # (10,) of a user who likes another topic


def cases(clips: Sequence[Clip], seed: int = 0, per_topic: int = CASES) -> Iterator[Case]:
    """Draw cases for every topic, reproducibly."""
    rng = np.random.default_rng(seed)
    topics = np.array([clip.topic for clip in clips])
    groups = np.array([clip.group for clip in clips])
    everything = np.arange(len(clips))
    names = sorted(set(topics))
    longest = max(HISTORY_LENGTHS)
    for topic in names:
        own, others = everything[topics == topic], everything[topics != topic]
        for _ in range(per_topic):
            liked = rng.choice(own, LIKED, replace=False)
            filler = rng.choice(others, SEGMENTS - LIKED, replace=False)
            stranger = rng.choice([name for name in names if name != topic])
            elsewhere = own[~np.isin(groups[own], groups[liked])]
            theirs = everything[topics == stranger]
            theirs = theirs[~np.isin(theirs, filler)]
            order = rng.permutation(SEGMENTS)
            yield Case(
                np.concatenate([liked, filler])[order],
                (np.arange(SEGMENTS) < LIKED)[order],
                rng.choice(elsewhere, longest, replace=len(elsewhere) < longest),
                rng.choice(theirs, longest, replace=len(theirs) < longest),
            )


def measure_segments(scores: NDArray[np.float32], truth: NDArray[np.bool_], seed: int) -> Quality:
    """Measure a ranking of segments of equal length, each of which is a GIF or is not."""
    of_frame = np.repeat(np.arange(len(scores)), int(SEGMENT_S * FRAMES))
    gifs = of_frame == np.flatnonzero(truth)[:, None]
    return measure(break_ties(scores, seed), of_frame, gifs)


def evaluate(data: Path, predictor: HighlightPredictor) -> str:
    """Run the comparison on the test clips below `data` (see `data.py`).

    Returns:
        Markdown tables.

    Raises:
        DataError: there are no test clips.
    """
    clips = [clip for clip in read_clips(data) if clip.is_test]
    if len({clip.topic for clip in clips}) < 2:
        raise DataError(f"There are no test clips of two topics or more in {data}: it should hold ucf101 and skate.")
    vectors, histograms, _ = _describe(clips, predictor)
    comparison = Comparison(predictor.network)

    def random(segments: Vectors, history: Vectors) -> NDArray[np.float32]:  # noqa: ARG001
        return np.zeros(len(segments), np.float32)  # the noise that breaks ties decides

    rows: dict[str, tuple[Scorer, Vectors]] = {
        "Random": (random, vectors),
        "Colour histogram, nearest": (comparison.maximal_similarity, histograms),
    } | {name: (scorer, vectors) for name, scorer in comparison.scorers.items()}
    drawn = list(cases(clips))
    columns = [(str(n), n, False) for n in HISTORY_LENGTHS] + [(f"{n}, another user's", n, True) for n in (1, 5)]
    results: dict[str, list[Quality]] = {}
    per_topic: dict[str, list[float]] = defaultdict(list)
    for name, (scorer, described) in rows.items():
        results[name] = []
        for label, length, is_wrong in columns:
            if name.startswith("Colour") and not length:
                results[name].append(results["Random"][0])
                continue
            qualities = []
            for number, case in enumerate(drawn):
                history = (case.wrong if is_wrong else case.history)[:length]
                quality = measure_segments(scorer(described[case.segments], described[history]), case.truth, number)
                qualities.append(quality)
                if name == "PHD-CA + SVM-D" and label == "1":
                    per_topic[clips[case.segments[case.truth][0]].topic].append(quality.ap)
            results[name].append(mean_quality(qualities))
        LOG.info(f"{name} done")
    lines = [f"{len(clips)} clips, {len(drawn)} users; the history has so many GIFs:", ""]
    for title, part in (("mAP, %", "ap"), ("nMSD, % (lower is better)", "nmsd"), ("Recall@5, %", "recall")):
        lines += _table(
            title, [label for label, _, _ in columns], {n: [getattr(q, part) for q in r] for n, r in results.items()}
        )
    lines += _table(
        "mAP of PHD-CA + SVM-D with one GIF, %",
        sorted(per_topic),
        {"": [float(np.mean(per_topic[t])) for t in sorted(per_topic)]},
    )
    if "Skateboarding" in per_topic:
        lines += [SKATE_NOTE, ""]
    return "\n".join(lines)


def evaluate_fights(data: Path, predictor: HighlightPredictor) -> str:
    """Rank fights among calm scenes of the same kind, without any history: what the generic ranker knows by itself."""
    clips = read_fights(data)
    if not clips:
        raise DataError(f"There are no clips in {data / 'fight'}.")
    vectors, _, change = _describe(clips, predictor)
    comparison = Comparison(predictor.network)
    nobody = vectors[:0]
    said = {
        "Random": np.zeros(len(clips), np.float32),
        "Mean motion": change,
        "Video2GIF (generic)": comparison.generic(vectors, nobody),
        "Highlight SVM": comparison.highlight_svm(vectors, nobody),
    }
    rng = np.random.default_rng(0)
    is_fight = np.array([clip.topic == "fight" for clip in clips])
    results = defaultdict(list)
    for number in range(FIGHT_CASES):
        chosen = np.concatenate(
            [
                rng.choice(np.flatnonzero(is_fight), LIKED, replace=False),
                rng.choice(np.flatnonzero(~is_fight), SEGMENTS - LIKED, replace=False),
            ]
        )
        for name, scores in said.items():
            results[name].append(measure_segments(scores[chosen], is_fight[chosen], number))
    means = {name: mean_quality(qualities) for name, qualities in results.items()}
    columns = ["mAP, %", "nMSD, %", "Recall@5, %"]
    return "\n".join(_table("Two fights among ten calm scenes, no history", columns, means))


def _describe(clips: Sequence[Clip], predictor: HighlightPredictor) -> tuple[Vectors, Vectors, NDArray[np.float32]]:
    """Of the first five seconds of every clip: vectors (N, D), colour histograms (N, 512), mean motion (N,)."""
    vectors, histograms, change = [], [], []
    for number, clip in enumerate(clips):
        video = without_bars(probe(clip.path))
        vectors.append(predictor.remember(video, 0.0, SEGMENT_S))
        frames = [p for _, p in read_frames(video, fps=predictor.encoder.fps, size=(64, 64), end_s=SEGMENT_S)]
        bins = [HISTOGRAM_BINS] * 3
        counts = cv2.calcHist(frames, [0, 1, 2], None, bins, [0, 256] * 3).ravel()
        histograms.append(counts / np.linalg.norm(counts))
        greys = [cv2.cvtColor(p, cv2.COLOR_RGB2GRAY).astype(np.float32) for p in frames]
        pairs = [np.abs(b - a).mean() for a, b in pairwise(greys)]
        change.append(np.mean(pairs) if pairs else 0.0)
        if number % 50 == 0:
            LOG.info(f"{number:>5} of {len(clips)} clips seen")
    return np.stack(vectors), np.stack(histograms).astype(np.float32), np.array(change, np.float32)


def _table(title: str, columns: Sequence[str], rows: Mapping[str, Sequence[float]]) -> list[str]:
    lines = [f"| {title} | {' | '.join(columns)} |", "|---" * (len(columns) + 1) + "|"]
    lines += [f"| {name} | {' | '.join(f'{value:.1f}' for value in values)} |" for name, values in rows.items()]
    return [*lines, ""]
