"""Training of InteractNet: the detector, all branches together (section 4), the other two branches once more.

The compact network begins with the pyramid of NanoDet-Plus, which also labelled the photos' objects, and with the
network that describes pictures for PHD-GIFs; the verbs of people come from the topics of the photos (see `topics.py`).
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

from vision_models.backbones.efficientnet import EfficientNetLite0
from vision_models.devices import choose_device
from vision_models.gifs.config import WEIGHTS as PHD_GIFS
from vision_models.interactions.config import COMPACT, InteractNetConfig
from vision_models.interactions.network import InteractNet, Labels
from vision_models.interactions.relations import Relations
from vision_models.interactions.training.data import (
    FULL_SHAPES,
    SHAPES,
    Sample,
    is_development,
    read_samples,
    repeats,
    verb_counts,
    view,
)
from vision_models.interactions.training.teacher import Teacher
from vision_models.interactions.training.train_heads import HeadsRecipe, collect, fit_heads
from vision_models.interactions.training.train_relations import train_relations
from vision_models.interactions.vocabulary import VERB_NAMES
from vision_models.training import Logbook, Stateful, TrainingRun, follow, learning_rate, loader, own_numbers
from vision_models.weights.checkpoint import compressed, load_strictly, load_tensors, save_tensors

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


LOSSES = ("objectness", "proposal", "class", "box", "action", "interaction", "target")


@dataclass(frozen=True)
class Recipe:
    """All that a training run depends on, besides its photos. Kept with the weights."""

    config: InteractNetConfig = field(default_factory=lambda: COMPACT)
    samples: int = 28_000  # views of photos
    detector_samples: int = 1_600  # of them, the first ones, for the detector alone
    batch: int = 8
    learning_rate: float = 6e-4  # of the branches
    pyramid_rate: float = 0.1  # of that, for the pyramid
    frozen_stages: int = 2  # of the pyramid's body, besides its stem
    frozen_blocks: int = 11  # of the scene's network, besides its stem
    weight_decay: float = 1e-4
    warm_up: float = 0.02  # share of the run
    weights: Mapping[str, float] = field(default_factory=lambda: {"action": 2.0})  # of losses; 1 where not named
    clip: float = 20.0  # longest gradient
    ema_decay: float = 0.998
    heads: HeadsRecipe = field(default_factory=HeadsRecipe)  # of the last stage
    seed: int = 0


class Views(IterableDataset[tuple[Tensor, list[Labels]]]):
    """A reproducible stream of batches: number n depends on nothing but the seed and n. A batch has one shape."""

    def __init__(
        self,
        samples: Sequence[Sample],
        recipe: Recipe,
        start: int,
        stop: int,
        shapes: Sequence[tuple[int, int]] = SHAPES,
    ) -> None:
        self.samples, self.recipe, self.start, self.stop, self.shapes = samples, recipe, start, stop, shapes

    def __iter__(self) -> Iterator[tuple[Tensor, list[Labels]]]:
        by_shape = [self._cumulative(shape) for shape in range(len(SHAPES))]
        totals = np.array([shares[-1] if len(shares) else 0.0 for _, shares in by_shape])
        for number in own_numbers(self.start, self.stop):
            rng = np.random.default_rng([self.recipe.seed, number])
            shape = rng.choice(len(SHAPES), p=totals / totals.sum())
            rows, shares = by_shape[shape]
            views: list[tuple[NDArray[np.uint8], Labels]] = []
            while len(views) < self.recipe.batch:
                row = rows[np.searchsorted(shares, rng.random() * shares[-1])]
                try:
                    views.append(view(self.samples[row], rng, self.shapes[shape]))
                except OSError:  # a broken photo is not worth stopping for
                    continue
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
    average: InteractNet = field(init=False)  # the exponential average of the weights, which is what ships
    origin: InteractNet = field(init=False)  # where it began, whose knowledge of classes is to be kept
    optimiser: torch.optim.AdamW = field(init=False)

    def __post_init__(self) -> None:
        torch.manual_seed(self.recipe.seed)
        self.network, self.average, self.origin = (
            InteractNet(self.recipe.config).to(self.device).to(memory_format=torch.channels_last) for _ in range(3)
        )
        self.network.train()
        self.origin.eval().requires_grad_(requires_grad=False)
        self.network.relations.requires_grad_(requires_grad=False)
        body, scene = self.network.backbone.pyramid.body, self.network.backbone.scene
        frozen = [body.stem, *body.stages[: self.recipe.frozen_stages]]
        for part in [*frozen, scene.stem, *scene.blocks[: self.recipe.frozen_blocks]]:
            part.requires_grad_(requires_grad=False)
        pyramid = [weight for weight in self.network.backbone.parameters() if weight.requires_grad]
        branches = [*self.network.rpn.parameters(), *self.network.heads.parameters()]
        self.trained = pyramid + branches
        self.optimiser = torch.optim.AdamW(
            [{"params": pyramid, "factor": self.recipe.pyramid_rate}, {"params": branches, "factor": 1.0}],
            weight_decay=self.recipe.weight_decay,
        )

    def parts(self) -> Mapping[str, Stateful]:
        """Name what changes in the course of the run."""
        return {
            "network": self.network,
            "average": self.average,
            "origin": self.origin,
            "optimiser": self.optimiser,
        }

    def begin(self, teacher: Teacher, relations: Relations, verb_photos: Sequence[int]) -> None:
        """Give all three networks their first weights."""
        self.network.begin_with(teacher, scene_network())
        self.network.relations.load_state_dict(relations.state_dict())
        self.network.verb_photos.copy_(torch.tensor(verb_photos))
        for other in (self.average, self.origin):
            other.load_state_dict(self.network.state_dict())

    def step(self, pictures: Tensor, labels: Sequence[Labels]) -> dict[str, Tensor]:
        """Learn from one batch: (B, h, w, 3) uint8 and what is on them. Returns the losses."""
        recipe = self.recipe
        for group in self.optimiser.param_groups:
            group["lr"] = learning_rate(recipe, self.seen) * group["factor"]
        shown = pictures.to(self.device).permute(0, 3, 1, 2).float() / 255  # channels last in memory
        known = [Labels(*(part.to(self.device) for part in one)) for one in labels]
        losses = self.network.losses(shown, known, self.origin, heads=self.seen >= recipe.detector_samples)
        total = torch.stack([loss * recipe.weights.get(name, 1.0) for name, loss in losses.items()]).sum()
        self.optimiser.zero_grad(set_to_none=True)
        total.backward()
        nn.utils.clip_grad_norm_(self.trained, recipe.clip)
        self.optimiser.step()
        follow(self.average, self.network, recipe.ema_decay)
        self.seen += len(pictures)
        return {name: losses.get(name, shown.new_zeros(())).detach() for name in LOSSES}


def scene_network() -> EfficientNetLite0:
    """Return the network that describes pictures for PHD-GIFs, whose weights come with this package."""
    tensors, _ = load_tensors(PHD_GIFS.bundled_path)
    start = "encoder.backbone."
    network = EfficientNetLite0()
    load_strictly(network, {name.removeprefix(start): part for name, part in tensors.items() if name.startswith(start)})
    return network


def train(
    data: Path,
    out: Path,
    recipe: Recipe,
    *,
    teacher: Path,
    device: str | None = None,
    workers: int = 1,
) -> Path:
    """Train on photo sets below `data` (see `data.py`); the same call again resumes.

    Args:
        data: Folder of photo sets and labels.
        out: Folder for `interactnet.pt`, `interactnet.jsonl`, `interactnet.json` and `interactnet.safetensors`.
        recipe: Sizes, lengths, rates, seed.
        teacher: NanoDet-Plus's weights, where the compact pyramid begins.
        device: "cpu" or "cuda"; the GPU when there is one.
        workers: Processes that prepare views.

    Returns:
        The path of the weights.

    Raises:
        ValueError: there are no labelled photos, or no teacher in the file.
    """
    torch.set_flush_denormal(True)
    out.mkdir(parents=True, exist_ok=True)
    samples = [sample for sample in read_samples(data) if not is_development(sample)]
    counts = verb_counts(samples)
    run = Run(recipe, choose_device(device))
    checkpoint = out / "interactnet.pt"
    if not run.resume(checkpoint):
        relations = train_relations(data / "vcoco")
        run.begin(Teacher(teacher), relations, [counts[verb][0] for verb in VERB_NAMES])
    views = Views(samples, recipe, run.seen // recipe.batch, -(-recipe.samples // recipe.batch))
    logbook = Logbook(run, recipe.samples, checkpoint, out / "interactnet.jsonl")
    for pictures, labels in loader(views, None, workers):
        logbook.note(run.step(pictures, labels))
    logbook.close()
    network = run.average.eval()
    labelled = [sample for sample in samples if sample.doings]
    batches = recipe.heads.samples // recipe.batch
    seen = recipe.samples // recipe.batch  # these views are others than those before
    features = collect(
        network,
        lambda first, last: Views(labelled, recipe, seen + first, seen + last, FULL_SHAPES),
        batches,
        out / "features",
        workers,
    )
    fit_heads(network, features, recipe.heads)
    done = {"seconds": round(run.seconds), "device": run.device.type, "labelled_photos": len(samples), "verbs": counts}
    (out / "interactnet.json").write_text(json.dumps(asdict(recipe) | done, indent=2) + "\n")
    weights = out / "interactnet.safetensors"
    state = network.state_dict()
    state["verb_photos"] = state["verb_photos"].round().int()
    save_tensors(weights, compressed(state), asdict(recipe.config))
    return weights
