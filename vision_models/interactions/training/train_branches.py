"""Training of the one-stage network: its branches, on photos whose people are labelled one by one.

Detector and scene stay as they were published, so that what they make of a photo is computed once and kept. Appearance
of objects and of pairs, from some thousand photos, was learned by heart and made the pair branch worse; it looks at
people, at classes, and at places.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import chain
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional
from torchvision.ops import box_iou

from vision_models.devices import choose_device
from vision_models.errors import DataError
from vision_models.interactions.boxes import encode
from vision_models.interactions.config import ONE_STAGE, InteractNetConfig
from vision_models.interactions.evaluation.vcoco import SPLITS, read_photo_index
from vision_models.interactions.evaluation.vcoco_metrics import TruePeople
from vision_models.interactions.network import MEAN, STD, OneStageInteractNet, geometry
from vision_models.interactions.training.teacher import Teacher
from vision_models.interactions.training.train import save_network
from vision_models.interactions.training.train_relations import train_relations
from vision_models.interactions.vocabulary import PERSON, VERB_NAMES, VERB_OF_ACTION
from vision_models.media.photos import read_photo
from vision_models.weights.checkpoint import load_tensors, save_tensors

LOG = logging.getLogger(__name__)

CHUNK = 100  # photos in a file of features
MATCH = 0.5  # IoU from which a detection is an annotated box
CORNER = np.array([0, 0, 1, 1])  # what V-COCO takes from a box, whose corners are pixels of it
MOST_OBJECTS = 40  # of a photo that the pair branch learns from


@dataclass(frozen=True)
class BranchesRecipe:
    """All that this training depends on, besides its photos."""

    config: InteractNetConfig = ONE_STAGE
    splits: tuple[str, ...] = SPLITS  # of V-COCO
    epochs: int = 30
    batch: int = 16  # photos
    learning_rate: float = 1e-3
    weight_decay: float = 1e-2
    warm_up: int = 50  # steps
    input_dropout: float = 0.4
    dropout: float = 0.5  # of the human-centric branch's last layer
    pair_dropout: float = 0.3
    hidden: float = 0.05  # how often the pair branch does not see the places, and how often not the things
    action_weight: float = 5.0  # of the losses that are means over the verbs
    target_weight: float = 0.5
    # Taken from the logits of what is out of sight: V-COCO also leaves out targets that are in view but have no box.
    overstated: float = 0.7
    seed: int = 0


@dataclass(frozen=True, eq=False)
class PhotoFeatures:
    """What the published networks make of a photo, and what is known of its people."""

    size: Tensor  # (2,) height and width
    people: Tensor  # (P, 4) people who are annotated, as they were found and as they are
    features: Tensor  # (P, ...) float16, see `OneStageInteractNet.of_people`
    verbs: Tensor  # (P, 26)
    away: Tensor  # (P, 25) does it, but with nothing whose box is known
    targets: Tensor  # (P, 25, 4) where the targets are, as `boxes.encode` writes places; NaN: nobody knows
    boxes: Tensor  # (N, 4) of what was found
    labels: Tensor  # (N,)
    scores: Tensor  # (N,)
    things: Tensor  # (N, ...) float16, see `OneStageInteractNet.of_objects`
    pairs: Tensor  # (P, N, 25) whether the box is the person's target


@torch.inference_mode()
def look(network: OneStageInteractNet, path: Path, true: TruePeople) -> PhotoFeatures:
    """Look once at a photo with annotated people."""
    device = network.verb_photos.device
    picture = torch.from_numpy(read_photo(path)).to(device).permute(2, 0, 1).float() / 255
    size = picture.shape[-2:]
    boxes, labels, scores = (part[:MOST_OBJECTS] for part in network.detect(picture))
    scene = network.look_at(picture)
    annotated = torch.from_numpy(true.people + CORNER).float().to(device)
    found = boxes[labels == PERSON]
    overlap, row = box_iou(found, annotated).max(dim=1)
    is_known = overlap >= MATCH
    people = torch.cat([found[is_known], annotated])
    rows = torch.cat([row[is_known], torch.arange(len(annotated), device=device)]).cpu().numpy()
    verbs, roles = true.verbs[rows], true.roles[rows] + CORNER
    targets = encode(roles.astype(np.float32), people.cpu().numpy()[:, None])
    wanted = torch.from_numpy(roles).float().to(device)
    pairs = torch.stack([box_iou(boxes, one.nan_to_num(-1)) >= MATCH for one in wanted])
    away = verbs[:, list(VERB_OF_ACTION)] * np.isnan(roles[..., 0])
    return PhotoFeatures(
        torch.tensor(size),
        people.cpu(),
        network.of_people(picture, scene, people).half().cpu(),
        torch.from_numpy(verbs).float(),
        torch.from_numpy(away).float(),
        torch.from_numpy(targets),
        boxes.cpu(),
        labels.cpu(),
        scores.cpu(),
        network.of_objects(scene, boxes, size).half().cpu(),
        pairs.float().cpu(),
    )


def collect(
    network: OneStageInteractNet, photos: Sequence[tuple[Path, TruePeople]], folder: Path
) -> list[PhotoFeatures]:
    """Look at all photos, and keep what was seen in a folder; what is there is not looked at again."""
    kept: list[PhotoFeatures] = []
    for first in range(0, len(photos), CHUNK):
        file = folder / f"{first}.safetensors"
        if not file.exists():
            seen = [look(network, *photo) for photo in photos[first : first + CHUNK]]
            tensors = {f"{row}.{name}": part for row, one in enumerate(seen) for name, part in vars(one).items()}
            save_tensors(file, tensors, {"photos": len(seen)})
            LOG.info(f"{first + len(seen):>7} of {len(photos)} photos looked at")
        tensors, config = load_tensors(file)
        for row in range(config["photos"]):
            parts = {name: tensors[f"{row}.{name}"] for name in PhotoFeatures.__dataclass_fields__}
            kept.append(PhotoFeatures(**parts))
    return kept


def train_branches(  # noqa: PLR0917 - five sources, in the order of the command's options
    index: Path,
    photos: Path,
    vcoco: Path,
    teacher: Path,
    scene: Path,
    out: Path,
    recipe: BranchesRecipe,
    *,
    device: str | None = None,
) -> Path:
    """Train on the photos of an index (see `evaluation.vcoco.read_photo_index`).

    Args:
        index: names the photos and what people do in them.
        photos: folder of the photos.
        vcoco: folder of V-COCO's labels, whose boxes tell where targets are.
        teacher: NanoDet-Plus-m-1.5x, .npz.
        scene: EfficientNet-Lite3, .npz.
        out: folder for features, `recipe.json` and `interactions.safetensors`.
        recipe: sizes, rates, seed.
        device: "cpu" or "cuda"; the GPU when there is one.

    Returns:
        The path of the weights.

    Raises:
        DataError: none of the photos is there, or a file does not hold what it should.
    """
    torch.set_flush_denormal(True)
    torch.manual_seed(recipe.seed)
    known = {
        split: [
            (photos / name, true)
            for name, true in read_photo_index(index, split, complete=False).items()
            if (photos / name).exists()
        ]
        for split in recipe.splits
    }
    verbs = [true.verbs.any(axis=0) for some in known.values() for _, true in some]
    if not verbs:
        raise DataError(f"None of the photos that {index.name} names is in {photos}.")
    network = OneStageInteractNet(recipe.config).eval()
    begin_with(network, teacher, scene)
    network.relations.load_state_dict(train_relations(vcoco).state_dict())
    network.verb_photos.copy_(torch.from_numpy(np.sum(verbs, axis=0)))
    network.to(choose_device(device))
    seen = [
        collect(network, [(path, true) for path, true in some if len(true.people)], out / "features" / split)
        for split, some in known.items()
    ]
    fit(network, list(chain(*seen)), recipe)
    out.mkdir(parents=True, exist_ok=True)
    (out / "recipe.json").write_text(json.dumps(asdict(recipe) | {"photos": len(verbs)}, indent=2) + "\n")
    return save_network(network.cpu(), out)


def begin_with(network: OneStageInteractNet, teacher: Path, scene: Path) -> None:
    """Load both published networks.

    Raises:
        DataError: a file does not hold what it should.
    """
    network.detector.load_state_dict(Teacher(teacher).state_dict())
    try:
        with np.load(scene, allow_pickle=False) as stored:
            tensors = {name: torch.from_numpy(stored[name]).float() for name in network.scene.state_dict()}
        network.scene.load_state_dict(tensors)
    except (KeyError, RuntimeError, OSError, ValueError) as error:
        raise DataError(f"{scene} does not hold the weights of EfficientNet-Lite3: {error}") from error
    network.scene.expect(MEAN, STD)


def fit(network: OneStageInteractNet, photos: Sequence[PhotoFeatures], recipe: BranchesRecipe) -> None:
    """Train the branches of a network in place."""
    device = network.verb_photos.device
    trained = [part for branch in (network.human, network.object, network.pairs) for part in branch.parameters()]
    optimiser = torch.optim.AdamW(trained, lr=recipe.learning_rate, weight_decay=recipe.weight_decay)
    steps = recipe.epochs * (len(photos) // recipe.batch or 1)

    def rate(step: int) -> float:
        return float((1 + np.cos(np.pi * step / steps)) / 2 * min(1, (step + 1) / recipe.warm_up))

    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, rate)
    for epoch in range(recipe.epochs):
        totals = torch.zeros(5)
        batches = torch.randperm(len(photos)).split(recipe.batch)
        for batch in batches[: max(len(photos) // recipe.batch, 1)]:
            losses = _losses(network, [photos[row] for row in batch.tolist()], recipe, device)
            optimiser.zero_grad(set_to_none=True)
            losses.sum().backward()
            optimiser.step()
            schedule.step()
            totals += losses.detach().cpu() / len(batches)
        names = ("verbs", "away", "pairs", "objects", "places")
        said = "   ".join(f"{name} {loss:.3f}" for name, loss in zip(names, totals.tolist(), strict=True))
        LOG.info(f"epoch {epoch + 1:>3}   {said}")
    with torch.no_grad():
        network.pairs.absent.bias.sub_(recipe.overstated)


def _losses(
    network: OneStageInteractNet, photos: Sequence[PhotoFeatures], recipe: BranchesRecipe, device: torch.device
) -> Tensor:
    """Return the losses of a batch: verbs, targets out of sight, pairs, verbs of pairs, and places."""
    dropout = functional.dropout
    human = network.human
    x = dropout(torch.cat([one.features for one in photos]).float().to(device), recipe.input_dropout)
    people = functional.relu(human.head.fc7(functional.relu(human.head.fc6(x))))
    verbs, offsets = human.tell(dropout(people, recipe.dropout))
    away = network.pairs.absent(dropout(people, recipe.dropout))
    true = torch.cat([one.verbs for one in photos]).to(device)
    counts = [len(one.people) for one in photos]
    verb_of_action = torch.eye(len(VERB_NAMES), device=device)[list(VERB_OF_ACTION)]  # (25, 26)
    pair_losses, thing_losses, place_losses, pairs_seen = [], [], [], torch.zeros((), device=device)
    parts = zip(photos, people.split(counts), verbs.split(counts), offsets.split(counts), strict=True)
    for photo, ours, logits, shifts in parts:
        size = photo.size.tolist()
        expected = network.relations.targets(photo.people.to(device), (size[1], size[0])) + shifts
        is_placed = ~photo.targets[..., 0].isnan()
        place_losses.append(
            functional.smooth_l1_loss(
                expected[is_placed], photo.targets.to(device)[is_placed], reduction="sum", beta=0.3
            )
            / max(int(is_placed.sum()), 1)
        )
        if not len(photo.boxes):
            continue
        see = [(torch.rand(len(ours), 1, 1, device=device) >= recipe.hidden).float() for _ in range(2)]
        told = network.pairs(
            dropout(ours, recipe.dropout),
            logits,
            (photo.labels.to(device), photo.scores.to(device)),
            geometry(photo.people, photo.boxes, size).to(device),
            see=(see[0], see[1]),
            dropout=recipe.pair_dropout,
        )
        wanted = photo.pairs.to(device)
        pair_losses.append(functional.binary_cross_entropy_with_logits(told, wanted, reduction="sum"))
        pairs_seen += wanted.sum()
        row, thing = wanted.any(dim=-1).nonzero(as_tuple=True)
        if len(row):
            done = (wanted[row, thing] @ verb_of_action).clamp_max(1)
            things = network.object(dropout(photo.things.float().to(device), recipe.input_dropout))
            thing_losses.append(functional.binary_cross_entropy_with_logits(logits[row].detach() + things[thing], done))
    none = verbs.sum() * 0
    binary = functional.binary_cross_entropy_with_logits
    return torch.stack(
        [
            recipe.action_weight * binary(verbs, true),
            recipe.action_weight * binary(away, torch.cat([one.away for one in photos]).to(device)),
            torch.stack(pair_losses).sum() / pairs_seen.clamp_min(10) if pair_losses else none,
            torch.stack(thing_losses).mean() if thing_losses else none,
            recipe.target_weight * torch.stack(place_losses).mean(),
        ]
    )
