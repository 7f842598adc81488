"""Training of `Relations` on V-COCO's boxes, half a minute on one core, and how well targets are chosen by them.

A case is a person who does something that takes an object. All other boxes of the photo are candidates, or the target
is not visible. Without COCO's instances, those boxes are the annotated people and what they do something with.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from vision_models.errors import DataError
from vision_models.interactions.boxes import SIGMA, encode
from vision_models.interactions.evaluation.vcoco import NOT_VISIBLE, Scene, read_vcoco
from vision_models.interactions.relations import Relations
from vision_models.interactions.vocabulary import ACTIONS, OBJECTS


@dataclass(frozen=True)
class RelationsRecipe:
    """All that training depends on, besides its data. Chosen by cross-validation on the train split."""

    hidden: int = 64
    dropout: float = 0.5
    steps: int = 150  # each over all cases; 0 leaves it at counts: a mean per action, the share of each class
    learning_rate: float = 1e-2
    weight_decay: float = 0.5  # of the two small networks
    distance: float = 0.5  # weight of the smooth L1 loss of the means
    beta: float = 0.3  # beyond, the smooth L1 loss grows linearly
    least_spread: float = 0.15  # at the start, where few targets happen to agree
    vacancy: float = -6.0  # at the start
    class_prior: float = 0.5  # targets of every class that are added to those counted,
    object_prior: float = 5.0  # and boxes of every class
    seed: int = 0


def train_relations(folder: Path, recipe: RelationsRecipe | None = None, *, instances: Path | None = None) -> Relations:
    """Train on V-COCO's train split; its val split is left for `target_choice`.

    Args:
        folder: as of `read_vcoco`.
        recipe: how.
        instances: COCO's `instances_train2014.json`, for all boxes and the sizes of the photos; optional.

    Returns:
        Relations on the CPU, the same ones for the same data and recipe.

    Raises:
        DataError: for a file that is not of the kind it should be.
        FileNotFoundError: for a file that is missing; it says where to get it.
    """
    return fit(read_vcoco(folder, "train", instances), recipe or RelationsRecipe())


def fit(scenes: Sequence[Scene], recipe: RelationsRecipe) -> Relations:
    """Train on scenes and their mirror images.

    Four losses: the target among the candidates by mu and the paper's sigma alone, the same with all that is learned
    and "not visible" as one more candidate, and the distance of mu from the target.

    Raises:
        DataError: when nobody in the scenes has a target among two boxes.
    """
    cases = _Cases.of([*scenes, *map(mirrored, scenes)])
    seen = cases.answer < cases.there.shape[1]
    several = seen & (cases.there.sum(dim=1) > 1)
    if not several.any():
        raise DataError("Nobody in these photos has more than one object to choose from. Use V-COCO's train split.")
    with torch.random.fork_rng(devices=()):
        torch.manual_seed(recipe.seed)
        relations = Relations(recipe.hidden, dropout=recipe.dropout)
        _start(relations, cases, recipe)
        tables = [relations.means, relations.log_sigmas, relations.classes, relations.vacancy]
        layers = [relations.shape, relations.shifts, relations.kind, relations.look, relations.suitability]
        weights = [parameter for layer in layers for parameter in layer.parameters()]
        groups: list[dict[str, Any]] = [{"params": weights}, {"params": tables, "weight_decay": 0.0}]
        optimizer = torch.optim.AdamW(groups, recipe.learning_rate, weight_decay=recipe.weight_decay)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, recipe.steps)
        for _ in range(recipe.steps):
            means = relations.targets(cases.people, cases.people_pictures)[cases.person, cases.action]  # (M, 4)
            place = cases.rows(_place(means, torch.tensor(SIGMA), cases))
            fit = cases.rows(_fit(relations, means, cases))
            vacancy = relations.vacancy[cases.action][:, None]
            loss = (
                functional.cross_entropy(place[several], cases.answer[several], reduction="sum") / len(place)
                + functional.cross_entropy(fit[several], cases.answer[several], reduction="sum") / len(fit)
                + functional.cross_entropy(torch.cat([fit, vacancy], dim=1), cases.answer)
                + recipe.distance * functional.smooth_l1_loss(means[seen], cases.place_of_target(), beta=recipe.beta)
            )
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
        trained = Relations(recipe.hidden)  # without dropout, whatever mode the whole network is in
    trained.load_state_dict(relations.state_dict())
    return trained.eval()


def mirrored(scene: Scene) -> Scene:
    """Return the scene as a mirror shows it."""
    boxes = scene.boxes.copy()
    boxes[:, [0, 2]] = scene.size[0] - scene.boxes[:, [2, 0]]
    return replace(scene, boxes=boxes)


@dataclass(frozen=True, eq=False)
class _Cases:
    """M cases with C candidates at most; P people and N boxes of all photos together."""

    people: Tensor  # (P, 4)
    people_pictures: Tensor  # (P, 2) width and height
    boxes: Tensor  # (N, 4)
    labels: Tensor  # (N,)
    boxes_pictures: Tensor  # (N, 2)
    person: Tensor  # (M,) into the people
    action: Tensor  # (M,)
    candidates: Tensor  # (K,) of all cases, one after the other, into the boxes
    case: Tensor  # (K,) whose candidate it is, into the cases
    places: Tensor  # (K, 4) of the candidates as seen from the person
    there: Tensor  # (M, C) bool: a row of candidates per case, filled up with nothing
    answer: Tensor  # (M,) into that row; C: not visible

    @classmethod
    def of(cls, scenes: Sequence[Scene]) -> _Cases:
        firsts = np.cumsum([0, *(len(scene.boxes) for scene in scenes)])
        most = max((len(scene.boxes) - 1 for scene in scenes), default=0)
        people: list[NDArray[np.float32]] = []
        person, action, candidates, answer = [], [], [], []
        for scene, first in zip(scenes, firsts, strict=False):
            for row, own in enumerate(scene.people):
                others = first + np.delete(np.arange(len(scene.boxes)), own)
                for column in np.flatnonzero((scene.targets[row] >= NOT_VISIBLE) & (scene.targets[row] != own)):
                    target = scene.targets[row, column]
                    person.append(len(people))
                    action.append(column)
                    candidates.append(others)
                    answer.append(most if target == NOT_VISIBLE else target - (target > own))
                people.append(scene.boxes[own])
        sizes = np.array([scene.size for scene in scenes], np.float32).reshape(-1, 2)
        boxes = np.concatenate([np.zeros((0, 4), np.float32), *(scene.boxes for scene in scenes)])
        counts = np.array([len(others) for others in candidates], np.int64)
        chosen = np.concatenate([np.zeros(0, np.int64), *candidates])
        doers = np.array(people, np.float32).reshape(-1, 4)
        case = np.repeat(np.arange(len(counts)), counts)
        parts = (
            doers,
            np.repeat(sizes, [len(scene.people) for scene in scenes], axis=0),
            boxes,
            np.concatenate([np.zeros(0, np.int64), *(scene.labels for scene in scenes)]),
            np.repeat(sizes, [len(scene.boxes) for scene in scenes], axis=0),
            np.array(person, np.int64),
            np.array(action, np.int64),
            chosen,
            case,
            encode(boxes[chosen], doers[np.array(person, np.int64)[case]]),
            np.arange(most) < counts[:, None],
            np.array(answer, np.int64),
        )
        return cls(*map(torch.from_numpy, parts))

    def rows(self, values: Tensor) -> Tensor:
        """Put values of the candidates (K,) in rows (M, C), -inf where there is none."""
        return values.new_full(self.there.shape, -torch.inf).masked_scatter(self.there, values)

    def place_of_target(self) -> Tensor:
        """Where the targets that are visible lie, (S, 4)."""
        return self.places[self.of_target()]

    def of_target(self) -> Tensor:
        """Which of all candidates are the targets that are visible, (S,)."""
        seen = self.answer < self.there.shape[1]
        first = self.there.sum(dim=1).cumsum(0) - self.there.sum(dim=1)
        return (first + self.answer)[seen]


def _place(means: Tensor, sigmas: Tensor, cases: _Cases) -> Tensor:
    """Log of g of every candidate, (K,), from means (M, 4) and sigmas that broadcast with them."""
    distances = (cases.places - means[cases.case]) / sigmas.expand_as(means)[cases.case]
    return -distances.square().sum(dim=-1) / 2


def _fit(relations: Relations, means: Tensor, cases: _Cases) -> Tensor:
    """Log of g times compatibility of every candidate, (K,)."""
    compatibility = relations.compatibility(cases.labels, cases.boxes, cases.boxes_pictures)  # (N, 25)
    place = _place(means, relations.sigmas[cases.action], cases)
    return place + compatibility[cases.candidates, cases.action[cases.case]]


@torch.no_grad()
def _start(relations: Relations, cases: _Cases, recipe: RelationsRecipe) -> None:
    """Begin with the counts: mean and spread of the places per action, and how usual the classes are."""
    targets, places = cases.of_target(), cases.place_of_target()
    actions = cases.action[cases.case[targets]]
    for action in range(len(ACTIONS)):
        of_action = places[actions == action]
        if len(of_action) > 1:
            relations.means[action] = of_action.mean(dim=0)
            relations.log_sigmas[action] = of_action.std(dim=0).clamp_min(recipe.least_spread).log()
    usual = torch.full((len(ACTIONS), len(OBJECTS)), recipe.class_prior)
    labels = cases.labels[cases.candidates]  # (K,)
    usual.index_put_((actions, labels[targets]), torch.ones(len(targets)), accumulate=True)
    anything = torch.bincount(labels, minlength=len(OBJECTS)) + recipe.object_prior
    relations.classes.copy_((usual / usual.sum(dim=1, keepdim=True)).log() - (anything / anything.sum()).log())
    relations.vacancy.fill_(recipe.vacancy)
