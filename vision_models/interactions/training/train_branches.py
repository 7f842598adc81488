"""Training of the compact network: its branches, on photos whose people are labelled one by one.

Detector and scene stay as they were published, so that what they make of a photo is computed once and kept. Appearance
of objects and of pairs, from some thousand photos, was learned by heart and made the pair branch worse; it looks at
people, at classes, and at places. People of whom some verbs are known, from captions and topics, teach verbs as well.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from vision_models.devices import choose_device
from vision_models.distributed import here
from vision_models.errors import DataError
from vision_models.interactions.config import COMPACT, InteractNetConfig
from vision_models.interactions.evaluation.vcoco import SPLITS, read_photo_index
from vision_models.interactions.evaluation.vcoco_metrics import TruePeople
from vision_models.interactions.network import MEAN, STD, CompactInteractNet, geometry
from vision_models.interactions.relations import Prominence
from vision_models.interactions.training.features import PhotoFeatures, collect, look_at_person, look_at_photo
from vision_models.interactions.training.teacher import Teacher
from vision_models.interactions.training.train import WEIGHTS, save_network
from vision_models.interactions.training.train_relations import train_relations
from vision_models.interactions.training.weak_people import WeakPerson, read_actors, read_captions
from vision_models.interactions.vocabulary import PERSON, VERB_NAMES, VERB_OF_ACTION

LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class BranchesRecipe:
    """All that this training depends on, besides its photos."""

    config: InteractNetConfig = COMPACT
    splits: tuple[str, ...] = SPLITS  # of V-COCO
    epochs: int = 24
    batch: int = 16  # photos
    prominence_steps: int = 600  # each over all people
    prominence_rate: float = 5e-3
    weak_batch: int = 48  # people of each kind of whom only something is known, beside each batch of photos
    weak_weight: float = 0.7  # of the loss of each kind
    learning_rate: float = 1e-3
    weight_decay: float = 0.05
    warm_up: int = 50  # steps
    input_dropout: float = 0.5
    dropout: float = 0.5  # of the human-centric branch's last layer
    pair_dropout: float = 0.3
    hidden: float = 0.05  # how often the pair branch does not see the places, and how often not the things
    action_weight: float = 5.0  # of the losses that are means over the verbs
    target_weight: float = 0.5
    # Taken from the logits of what is out of sight: V-COCO also leaves out targets that are in view but have no box.
    overstated: float = 0.7
    seed: int = 0


@dataclass(frozen=True)
class Sources:
    """Files and folders that this training reads."""

    index: Path  # names the photos and what people do in them, see `evaluation.vcoco.read_photo_index`
    photos: Path  # folder of these photos
    vcoco: Path  # folder of V-COCO's labels, whose boxes tell where targets are
    teacher: Path  # NanoDet-Plus-m-1.5x, .npz
    scene: Path  # EfficientNet-Lite3, .npz
    captions: Path | None = None  # index of captioned photos, see `weak_people.read_captions`
    caption_photos: Path | None = None  # folder of these photos
    data: Path | None = None  # folder of photo sets, see `data.py`, of which the marked actors are looked at


def train_branches(
    sources: Sources, out: Path, recipe: BranchesRecipe, *, device: str | None = None, workers: int = 0
) -> Path:
    """Train on the photos of an index, and the people of other photos.

    Args:
        sources: what is read.
        out: folder for features, `recipe.json` and `interactions.safetensors`.
        recipe: sizes, rates, seed.
        device: "cpu" or "cuda"; the GPU when there is one.
        workers: processes that look at photos, on a CPU.

    Returns:
        The path of the weights.

    Raises:
        DataError: none of the photos is there, or a file does not hold what it should.
    """
    torch.set_flush_denormal(True)
    torch.manual_seed(recipe.seed)
    known = {split: known_photos(sources, split) for split in recipe.splits}
    verbs = [true.verbs.any(axis=0) for some in known.values() for _, true in some]
    if not verbs:
        raise DataError(f"None of the photos that {sources.index.name} names is in {sources.photos}.")
    network = CompactInteractNet(recipe.config).eval()
    begin_with(network, sources.teacher, sources.scene)
    network.relations.load_state_dict(train_relations(sources.vcoco).state_dict())
    network.verb_photos.copy_(torch.from_numpy(np.sum(verbs, axis=0)))
    network.to(choose_device(device)).to(memory_format=torch.channels_last)
    processes = 0 if network.verb_photos.is_cuda else workers
    photos = [
        PhotoFeatures(**one)
        for split, some in known.items()
        for one in collect(network, look_at_photo, some, out / "features" / split, processes)
    ]
    people = {
        name: collect(network, look_at_person, some, out / "features" / name, processes)
        for name, some in weak_people(sources).items()
    }
    if here().rank:
        return out / WEIGHTS  # the branches take minutes: the first process trains them
    fit_prominence(network.prominence, photos, recipe)
    fit(network, photos, people, recipe)
    out.mkdir(parents=True, exist_ok=True)
    done = {
        "photos": len(verbs),
        "people": sum(len(one.people) for one in photos),
        "weak_people": sum(map(len, people.values())),
    }
    (out / "recipe.json").write_text(json.dumps(asdict(recipe) | done, indent=2) + "\n")
    return save_network(network.cpu(), out)


def known_photos(sources: Sources, split: str) -> list[tuple[Path, TruePeople]]:
    """List the photos of a split that are there, with what is known of their people."""
    index = read_photo_index(sources.index, split, complete=False)
    known = ((sources.photos / name, true) for name, true in index.items())
    return [(path, true) for path, true in known if len(true.people) and path.exists()]


def weak_people(sources: Sources) -> dict[str, list[WeakPerson]]:
    """List the people of whom some verbs are known, by where that comes from."""
    people = {}
    if sources.captions and sources.caption_photos:
        people["captions"] = read_captions(sources.captions, sources.caption_photos)
    if sources.data:
        people["actors"] = read_actors(sources.data)
    return people


def begin_with(network: CompactInteractNet, teacher: Path, scene: Path) -> None:
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


def fit_prominence(prominence: Prominence, photos: Sequence[PhotoFeatures], recipe: BranchesRecipe) -> None:
    """Learn in place whom annotators said something about, of all people that were found."""
    told, known = [], []
    for photo in photos:
        is_person = photo.labels == PERSON
        height, width = photo.size.tolist()
        told.append(prominence.told(photo.boxes[is_person], photo.scores[is_person], (width, height)))
        known.append(photo.known[is_person])
    inputs, wanted = torch.cat(told), torch.cat(known)
    if len(inputs) > 1:
        prominence.mean.copy_(inputs.mean(dim=0))
        prominence.deviation.copy_(inputs.std(dim=0).clamp_min(1e-3))
    optimiser = torch.optim.AdamW(prominence.parameters(), lr=recipe.prominence_rate, weight_decay=recipe.weight_decay)
    inputs, wanted = inputs.to(prominence.mean), wanted.to(prominence.mean)
    for _ in range(recipe.prominence_steps):
        loss = functional.binary_cross_entropy_with_logits(prominence.judge(inputs), wanted)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
    LOG.info(f"prominence {float(loss.detach()):.3f}")


def fit(
    network: CompactInteractNet,
    photos: Sequence[PhotoFeatures],
    people: Mapping[str, Sequence[Mapping[str, Tensor]]],
    recipe: BranchesRecipe,
) -> None:
    """Train the branches of a network in place.

    Args:
        network: whose branches are untrained.
        photos: whose people are labelled one by one.
        people: of whom something is known, see `look_at_person`, by where that comes from.
        recipe: rates and sizes.
    """
    device = network.verb_photos.device
    trained = [part for branch in (network.human, network.object, network.pairs) for part in branch.parameters()]
    optimiser = torch.optim.AdamW(trained, lr=recipe.learning_rate, weight_decay=recipe.weight_decay)
    steps = recipe.epochs * (len(photos) // recipe.batch or 1)

    def rate(step: int) -> float:
        return float((1 + np.cos(np.pi * step / steps)) / 2 * min(1, (step + 1) / recipe.warm_up))

    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, rate)
    kinds = [{name: torch.stack([one[name] for one in some]) for name in some[0]} for some in people.values() if some]
    for epoch in range(recipe.epochs):
        totals = torch.zeros(5)
        batches = torch.randperm(len(photos)).split(recipe.batch)
        for batch in batches[: max(len(photos) // recipe.batch, 1)]:
            as_it_is = (torch.rand(len(batch)) < 0.5).tolist()
            chosen = (photos[row] for row in batch.tolist())
            shown = [one if keep else one.mirrored() for one, keep in zip(chosen, as_it_is, strict=True)]
            losses = _losses(network, shown, recipe, device)
            for kind in kinds:
                losses[:3] += recipe.weak_weight * _weak_losses(network, kind, recipe)
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


def _weak_losses(network: CompactInteractNet, people: Mapping[str, Tensor], recipe: BranchesRecipe) -> Tensor:
    """Return the losses of some people, drawn at random, as far as they are known: verbs, out of sight, pairs."""
    drawn = torch.randint(len(people["verbs"]), (recipe.weak_batch,))
    some = {name: part[drawn].to(network.verb_photos.device) for name, part in people.items()}
    ours, logits, away = _look(network, some["features"], recipe)
    told = _tell_pairs(network, ours, logits, (some["labels"], some["scores"]), some["places"], recipe)
    binary = functional.binary_cross_entropy_with_logits
    is_known, is_judged = ~some["away"].isnan(), ~some["pairs"].isnan()
    wanted = some["pairs"][is_judged]
    return torch.stack(
        [
            recipe.action_weight * binary(logits, some["verbs"], some["weights"]),
            recipe.action_weight * binary(away, some["away"].nan_to_num(), is_known.to(away)),
            binary(told[is_judged], wanted, reduction="sum") / wanted.sum().clamp_min(10),
        ]
    )


def _look(network: CompactInteractNet, features: Tensor, recipe: BranchesRecipe) -> tuple[Tensor, Tensor, Tensor]:
    """Return people as the pair branch sees them (P, hidden), and logits of verbs (P, 26) and out of sight (P, 25)."""
    people = network.human.head(functional.dropout(features.float(), recipe.input_dropout))
    verbs, _ = network.human.tell(functional.dropout(people, recipe.dropout))
    return people, verbs, network.pairs.absent(functional.dropout(people, recipe.dropout))


def _tell_pairs(
    network: CompactInteractNet,
    people: Tensor,
    verbs: Tensor,
    things: tuple[Tensor, Tensor],
    places: Tensor,
    recipe: BranchesRecipe,
) -> Tensor:
    """Return logits of pairs (P, N, 25); now and then, places or things are hidden from the branch."""
    place, thing = ((torch.rand(len(people), 1, 1, device=people.device) >= recipe.hidden).float() for _ in range(2))
    ours = functional.dropout(people, recipe.dropout)
    told: Tensor = network.pairs(ours, verbs, things, places, see=(place, thing), dropout=recipe.pair_dropout)
    return told


def _losses(
    network: CompactInteractNet, photos: Sequence[PhotoFeatures], recipe: BranchesRecipe, device: torch.device
) -> Tensor:
    """Return the losses of a batch: verbs, targets out of sight, pairs, verbs of pairs, and places."""
    people, verbs, away = _look(network, torch.cat([one.features[0] for one in photos]).to(device), recipe)
    _, offsets = network.human.tell(people.detach())  # where a target is tells little of what is done with it
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
        things = (photo.labels.to(device), photo.scores.to(device))
        told = _tell_pairs(network, ours, logits, things, geometry(photo.people, photo.boxes, size).to(device), recipe)
        wanted = photo.pairs.to(device)
        pair_losses.append(functional.binary_cross_entropy_with_logits(told, wanted, reduction="sum"))
        pairs_seen += wanted.sum()
        row, thing = wanted.any(dim=-1).nonzero(as_tuple=True)
        if len(row):
            done = (wanted[row, thing] @ verb_of_action).clamp_max(1)
            seen = network.object(functional.dropout(photo.things.float().to(device), recipe.input_dropout))
            thing_losses.append(functional.binary_cross_entropy_with_logits(logits[row].detach() + seen[thing], done))
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
