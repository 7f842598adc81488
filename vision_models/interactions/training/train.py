"""Training of InteractNet in the paper's size: the detector and both other branches together (section 4).

Objects of the photos are labelled by NanoDet-Plus; the verbs of people come from the topics of the photos (see
`subjects.py`). `train_branches.py` trains the compact size.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.utils.data import IterableDataset

from vision_models.devices import choose_device
from vision_models.distributed import average_gradients, here, own_chance
from vision_models.interactions.config import InteractNetConfig
from vision_models.interactions.network import InteractionNetwork, InteractNet
from vision_models.interactions.training.data import (
    Sample,
    is_development,
    read_samples,
    repeats,
    verb_counts,
    view,
)
from vision_models.interactions.training.initialise import load_torchvision_detector
from vision_models.interactions.training.losses import Labels, losses
from vision_models.interactions.vocabulary import VERB_NAMES
from vision_models.training import (
    CHECKPOINT,
    Logbook,
    Stateful,
    TrainingRun,
    follow,
    learning_rate,
    loader,
    own_numbers,
)
from vision_models.weights.checkpoint import compressed, load_tensors, save_tensors

# How often photos of a set are shown: those with a known actor and with real boxes more, the noisy set less.
SHARES = {
    "stanford40": 3.0,
    "willow7": 3.0,
    "har15": 1.3,
    "sports22": 0.5,
    "coco128": 6.0,
    "voc2007": 3.0,
    "houses": 1.5,
}

WEIGHTS = "interactions.safetensors"  # in the folder of a run
LOSSES = ("objectness", "proposal", "class", "box", "action", "interaction", "target")


@dataclass(frozen=True)
class Recipe:
    """All that a training run depends on, besides its photos. Kept with the weights."""

    config: InteractNetConfig
    samples: int  # views of photos
    batch: int
    learning_rate: float  # of the branches
    backbone_rate: float  # of that, for the backbone
    shapes: tuple[tuple[int, int], ...]  # (height, width) of views of upright, square and wide photos
    weight_decay: float = 1e-4
    warm_up: float = 0.02  # share of the run
    weights: Mapping[str, float] = field(default_factory=lambda: {"action": 2.0})  # of losses; 1 where not named
    clip: float = 20.0  # longest gradient
    ema_decay: float = 0.998
    seed: int = 0


PAPER_RECIPE = Recipe(  # trainable, never trained: the network is the paper's (section 3), rates and lengths are ours
    config=InteractNetConfig(),
    samples=160_000,
    batch=8,
    learning_rate=1e-4,
    backbone_rate=0.1,
    shapes=((1088, 800), (928, 928), (800, 1088)),
)


class Views(IterableDataset[tuple[Tensor, list[Labels]]]):
    """A reproducible stream of batches: number n depends on nothing but the seed and n. A batch has one shape.

    Of several processes that train together, each makes all of a batch, as chance runs through it, and yields its part.
    """

    def __init__(self, samples: Sequence[Sample], recipe: Recipe, start: int, stop: int) -> None:
        self.samples, self.recipe, self.start, self.stop = samples, recipe, start, stop
        self.part = here()

    def __iter__(self) -> Iterator[tuple[Tensor, list[Labels]]]:
        by_shape = [self._cumulative(shape) for shape in range(len(self.recipe.shapes))]
        totals = np.array([shares[-1] if len(shares) else 0.0 for _, shares in by_shape])
        for number in own_numbers(self.start, self.stop):
            rng = np.random.default_rng([self.recipe.seed, number])
            shape = rng.choice(len(self.recipe.shapes), p=totals / totals.sum())
            rows, shares = by_shape[shape]
            views: list[tuple[NDArray[np.uint8], Labels]] = []
            while len(views) < self.recipe.batch:
                row = rows[np.searchsorted(shares, rng.random() * shares[-1])]
                try:
                    views.append(view(self.samples[row], rng, self.recipe.shapes[shape]))
                except OSError:  # a broken photo is not worth stopping for
                    continue
            views = self.part.share(views)
            yield torch.from_numpy(np.stack([picture for picture, _ in views])), [labels for _, labels in views]

    def _cumulative(self, shape: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        share = repeats(self.samples) * [SHARES.get(sample.source, 1.0) for sample in self.samples]
        rows = np.flatnonzero([sample.shape == shape for sample in self.samples])
        return rows, np.cumsum(share[rows])


@dataclass
class Run(TrainingRun):
    """A training run's state: everything that a checkpoint keeps."""

    recipe: Recipe
    device: torch.device
    seen: int = 0
    seconds: float = 0.0
    network: InteractNet = field(init=False)
    average: InteractNet = field(init=False)  # EMA of the weights, which is what ships
    optimiser: torch.optim.AdamW = field(init=False)

    def __post_init__(self) -> None:
        torch.manual_seed(self.recipe.seed)
        self.network, self.average = self._made(), self._made()
        self.average.load_state_dict(self.network.state_dict())
        self.network.train()
        self.network.relations.requires_grad_(requires_grad=False)
        for part in (self.network.backbone.body.conv1, self.network.backbone.body.layer1):  # edges and textures
            part.requires_grad_(requires_grad=False)
        backbone = [weight for weight in self.network.backbone.parameters() if weight.requires_grad]
        branches = [*self.network.rpn.parameters(), *self.network.heads.parameters()]
        self.trained = backbone + branches
        self.optimiser = torch.optim.AdamW(
            [{"params": backbone, "factor": self.recipe.backbone_rate}, {"params": branches, "factor": 1.0}],
            weight_decay=self.recipe.weight_decay,
        )

    def _made(self) -> InteractNet:
        return InteractNet(self.recipe.config).to(self.device).to(memory_format=torch.channels_last)

    def parts(self) -> Mapping[str, Stateful]:
        """Name what changes in the course of the run."""
        return {"network": self.network, "average": self.average, "optimiser": self.optimiser}

    def begin(self, verb_photos: Sequence[int]) -> None:
        """Let the average begin where the network does, once that has its first weights."""
        self.network.verb_photos.copy_(torch.tensor(verb_photos))
        self.average.load_state_dict(self.network.state_dict())

    def step(self, pictures: Tensor, labels: Sequence[Labels]) -> dict[str, Tensor]:
        """Learn from one batch: (B, h, w, 3) uint8 and what is on them. Returns the losses.

        Of several processes that train together, each is given its part of the batch.
        """
        recipe = self.recipe
        for group in self.optimiser.param_groups:
            group["lr"] = learning_rate(recipe, self.seen) * group["factor"]
        shown = pictures.to(self.device).permute(0, 3, 1, 2).float() / 255  # channels last in memory
        known = [Labels(*(part.to(self.device) for part in one)) for one in labels]
        parts = losses(self.network, shown, known)
        total = torch.stack([loss * recipe.weights.get(name, 1.0) for name, loss in parts.items()]).sum()
        self.optimiser.zero_grad(set_to_none=True)
        total.backward()
        average_gradients(self.optimiser)
        nn.utils.clip_grad_norm_(self.trained, recipe.clip)
        self.optimiser.step()
        follow(self.average, self.network, recipe.ema_decay)
        self.seen += len(pictures) * here().size
        return {name: parts.get(name, shown.new_zeros(())).detach() for name in LOSSES}


def train(
    data: Path,
    out: Path,
    recipe: Recipe,
    *,
    detector: Path | None = None,
    device: str | None = None,
    workers: int = 1,
) -> Path:
    """Train on photo sets below `data` (see `data.py`); the same call again resumes.

    Args:
        data: Folder of photo sets and labels.
        out: Folder for `checkpoint.pt`, `log.jsonl`, `recipe.json` and `interactions.safetensors`.
        recipe: Sizes, lengths, rates, seed.
        detector: torchvision's fasterrcnn_resnet50_fpn as .safetensors, to begin with; else it begins at random.
        device: "cpu" or "cuda"; the GPU when there is one.
        workers: Processes that prepare views.

    Returns:
        The path of the weights.

    Raises:
        DataError: there are no labelled photos.
    """
    torch.set_flush_denormal(True)
    out.mkdir(parents=True, exist_ok=True)
    samples = [sample for sample in read_samples(data) if not is_development(sample)]
    counts = verb_counts(samples)
    run = Run(recipe, choose_device(device))
    if not run.resume(out / CHECKPOINT):
        if detector is not None:
            load_torchvision_detector(run.network, load_tensors(detector)[0])
        run.begin([counts[verb][0] for verb in VERB_NAMES])
    here().of(recipe.batch)  # or an error
    views = Views(samples, recipe, run.seen // recipe.batch, -(-recipe.samples // recipe.batch))
    own_chance()
    logbook = Logbook(run, recipe.samples, out)
    for pictures, labels in loader(views, None, workers):
        logbook.note(run.step(pictures, labels))
    logbook.close()
    if here().rank:
        return out / WEIGHTS
    network = run.average.eval()
    done = {"seconds": round(run.seconds), "device": run.device.type, "labelled_photos": len(samples), "verbs": counts}
    (out / "recipe.json").write_text(json.dumps(asdict(recipe) | done, indent=2) + "\n")
    return save_network(network, out)


def save_network(network: InteractionNetwork, out: Path) -> Path:
    """Write the weights that a run leaves in its folder, and return their file."""
    weights = out / WEIGHTS
    state = network.state_dict()
    state["verb_photos"] = state["verb_photos"].round().int()
    save_tensors(weights, compressed(state), asdict(network.config))
    return weights
