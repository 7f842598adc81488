"""Training of the two branches on features of the finished pyramid, which are computed once and kept.

The detector and the pyramid need many photos shown once; what tells "drink" from "phone" needs few photos looked at
many times. A layer of a branch is as large as a hundred regions, so that most of the cost is reading the photos.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from vision_models.interactions.network import HumanBranch, InteractNet, ObjectBranch, normalised
from vision_models.interactions.training.losses import Labels, relative_places, rows_of_pairs, shaken
from vision_models.interactions.vocabulary import VERB_NAMES
from vision_models.training import loader
from vision_models.weights.checkpoint import load_tensors, save_tensors

LOG = logging.getLogger(__name__)

CHUNK = 100  # batches in a file of features


@dataclass(frozen=True)
class HeadsRecipe:
    """All that this stage depends on, besides the network and its photos."""

    samples: int = 14_000  # views of photos
    epochs: int = 16
    batch: int = 256  # people
    learning_rate: float = 1e-3
    weight_decay: float = 0.03
    input_dropout: float = 0.2
    dropout: float = 0.5
    rarity: float = 0.5  # power of a verb's rarity by which its positives count more
    most_rarity: float = 5.0
    object_temper: float = 0.5  # how much the object's logits count at last: from so few topics, they are bold
    # What is taken from the logits of verbs that nearly every photo may show, and whose absence no topic tells.
    overstated: Mapping[str, float] = field(default_factory=lambda: {"stand": 2.0, "smile": 2.0})
    target_weight: float = 0.5  # of the loss of the expected places
    seed: int = 0


class Features(NamedTuple):
    """P people and K pairs of them with objects, as the pyramid sees them, and what is known of them."""

    people: Tensor  # (P, inputs of the human-centric branch) float16
    verbs: Tensor  # (P, 26)
    weights: Tensor  # (P, 26)
    expected: Tensor  # (P, 25, 4) where their boxes alone let objects be expected
    rows: Tensor  # (K,) one of the people, in rising order
    objects: Tensor  # (K, C * bins * bins) float16
    pair_verbs: Tensor  # (K, 26)
    pair_weights: Tensor  # (K, 26)
    pair_actions: Tensor  # (K, 25) bool
    places: Tensor  # (K, 4) of the objects, as seen from the people


@torch.inference_mode()
def look(network: InteractNet, pictures: Tensor, labels: Sequence[Labels]) -> Features:
    """Return the features of a batch, (B, h, w, 3) uint8."""
    device = network.verb_photos.device
    shapes = [(pictures.shape[1], pictures.shape[2])] * len(pictures)
    levels = network.backbone(normalised(pictures.to(device).permute(0, 3, 1, 2).float() / 255))
    known = [Labels(*(part.to(device) for part in one)) for one in labels]
    people = [one.boxes[one.people] for one in known]
    objects = [one.boxes[one.pairs[:, 1]] for one in known]
    rows = rows_of_pairs(known)
    pool = network.heads.box_roi_pool
    of_people = network.heads.of_people(levels, [shaken(boxes) for boxes in people], shapes)
    of_objects = pool(levels, [shaken(boxes) for boxes in objects], shapes)
    height, width = shapes[0]
    return Features(
        of_people.flatten(1).half().cpu(),
        torch.cat([one.verbs for one in labels]),
        torch.cat([one.verb_weights for one in labels]),
        torch.cat([network.relations.targets(boxes, (width, height)) for boxes in people]).cpu(),
        rows.cpu(),
        of_objects.flatten(1).half().cpu(),
        torch.cat([one.pair_verbs for one in labels]),
        torch.cat([one.pair_weights for one in labels]),
        torch.cat([one.pair_actions for one in labels]),
        relative_places(torch.cat(objects), torch.cat(people)[rows]).cpu(),
    )


def collect(
    network: InteractNet,
    views: Callable[[int, int], torch.utils.data.IterableDataset[tuple[Tensor, list[Labels]]]],
    batches: int,
    folder: Path,
    workers: int,
) -> Features:
    """Compute the features of so many batches, and keep them in a folder; what is there is not computed again.

    Args:
        network: on any device; its pyramid and `relations` are used.
        views: makes the views of batches first to last - 1.
        batches: how many.
        folder: made if missing; belongs to this network alone.
        workers: processes that prepare views.
    """
    parts: list[Features] = []
    missing = [n for n in range(0, batches, CHUNK) if not (folder / f"{n}.safetensors").exists()]
    if missing:
        collected: list[Features] = []
        start = missing[0]
        for number, (pictures, labels) in enumerate(loader(views(start, batches), None, workers), start=start + 1):
            collected.append(look(network, pictures, labels))
            if number % CHUNK == 0 or number == batches:
                chunk = _joined(collected)._asdict()
                save_tensors(folder / f"{(number - 1) // CHUNK * CHUNK}.safetensors", chunk, {})
                LOG.info(f"{number:>7} of {batches} batches looked at")
                collected = []
    for number in range(0, batches, CHUNK):
        tensors, _ = load_tensors(folder / f"{number}.safetensors")
        parts.append(Features(**tensors))
    return _joined(parts)


def _joined(parts: Sequence[Features]) -> Features:
    first, rows = 0, []
    for part in parts:
        rows.append(part.rows + first)
        first += len(part.people)
    columns = [torch.cat(column) for column in zip(*parts, strict=True)]
    return Features(*columns)._replace(rows=torch.cat(rows))


def fit_heads(network: InteractNet, features: Features, recipe: HeadsRecipe) -> None:
    """Train both branches of a network anew on features, in place."""
    torch.manual_seed(recipe.seed)
    config, device = network.config, network.verb_photos.device
    human = HumanBranch(features.people.shape[1], config.human_hidden)
    thing = ObjectBranch(features.objects.shape[1], config.object_hidden)
    human.to(device)
    thing.to(device)
    human_scale, thing_scale = _standard(features.people), _standard(features.objects)
    present = (features.verbs * features.weights).sum(dim=0) / features.weights.sum(dim=0).clamp_min(1)
    rarity = (present.mean() / present.clamp_min(1e-4)).pow(recipe.rarity).clamp(1, recipe.most_rarity).to(device)
    optimiser = torch.optim.AdamW(
        [*human.parameters(), *thing.parameters()], lr=recipe.learning_rate, weight_decay=recipe.weight_decay
    )
    steps = recipe.epochs * -(-len(features.people) // recipe.batch)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 2 * recipe.learning_rate, total_steps=steps)
    first_pair = torch.searchsorted(features.rows, torch.arange(len(features.people) + 1)).tolist()
    for epoch in range(recipe.epochs):
        totals = torch.zeros(3)
        order = torch.randperm(len(features.people)).split(recipe.batch)
        for people in order:
            spans = [(first_pair[person], first_pair[person + 1]) for person in people.tolist()]
            pairs = torch.cat([torch.arange(start, stop) for start, stop in spans])
            counts = torch.tensor([stop - start for start, stop in spans], device=device)
            row = torch.arange(len(people), device=device).repeat_interleave(counts)
            of_person = _forward(human.head, features.people[people], human_scale, recipe)
            of_object = _forward(thing.head, features.objects[pairs], thing_scale, recipe)
            verbs = human.verbs(of_person)
            offsets = human.targets(of_person).unflatten(1, (-1, 4))
            pair_verbs = verbs[row] + thing.verbs(of_object)
            losses = torch.stack(
                [
                    _binary(verbs, features.verbs[people], features.weights[people], rarity),
                    _binary(pair_verbs, features.pair_verbs[pairs], features.pair_weights[pairs], rarity),
                    recipe.target_weight
                    * _misplaced(
                        features.expected[people].to(device)[row] + offsets[row],
                        features.places[pairs].to(device),
                        features.pair_actions[pairs].to(device),
                    ),
                ]
            )
            optimiser.zero_grad(set_to_none=True)
            losses.sum().backward()
            optimiser.step()
            schedule.step()
            totals += losses.detach().cpu() / len(order)
        verb_loss, pair_loss, place_loss = totals.tolist()
        LOG.info(f"epoch {epoch + 1:>3}   verbs {verb_loss:.3f}   pairs {pair_loss:.3f}   places {place_loss:.3f}")
    for branch, (mean, scale) in ((human, human_scale), (thing, thing_scale)):
        with torch.no_grad():  # the first layer takes features as they are
            branch.head.fc6.weight /= scale.to(device)
            branch.head.fc6.bias -= branch.head.fc6.weight @ mean.to(device)
    with torch.no_grad():
        for part in thing.verbs.parameters():
            part.mul_(recipe.object_temper)
        for verb, much in recipe.overstated.items():
            human.verbs.bias[VERB_NAMES.index(verb)] -= much
    network.heads.human.load_state_dict(human.state_dict())
    network.heads.object.load_state_dict(thing.state_dict())


def _standard(features: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and spread of each feature, over some of the rows."""
    some = features[:: max(len(features) // 4000, 1)].float()
    return some.mean(dim=0), some.std(dim=0) + 1e-2


def _forward(head: nn.Module, features: Tensor, scale: tuple[Tensor, Tensor], recipe: HeadsRecipe) -> Tensor:
    """The two layers of a branch, with dropout."""
    fc6, fc7 = head.fc6, head.fc7
    if not isinstance(fc6, nn.Linear) or not isinstance(fc7, nn.Linear):
        raise TypeError("a branch has two linear layers")
    x = (features.float() - scale[0]) / scale[1]
    x = functional.dropout(x.to(fc6.weight.device), recipe.input_dropout)
    x = functional.dropout(functional.relu(fc6(x)), recipe.dropout)
    return functional.dropout(functional.relu(fc7(x)), recipe.dropout / 2)


def _binary(logits: Tensor, wanted: Tensor, weights: Tensor, rarity: Tensor) -> Tensor:
    """Binary cross entropy per row; positives of rare verbs count more."""
    if not len(logits):
        return logits.sum()
    loss = functional.binary_cross_entropy_with_logits(
        logits, wanted.to(logits.device), weights.to(logits.device), reduction="sum", pos_weight=rarity
    )
    return loss / len(logits)


def _misplaced(expected: Tensor, places: Tensor, wanted: Tensor) -> Tensor:
    """Smooth L1 distance of the expected places (K, 25, 4) from places (K, 4), of the wanted actions (K, 25)."""
    distance = functional.smooth_l1_loss(
        expected[wanted], places[:, None].expand_as(expected)[wanted], reduction="sum", beta=0.3
    )
    return distance / wanted.sum().clamp_min(1)
