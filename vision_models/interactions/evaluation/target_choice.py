"""How well the target of an action is chosen among true boxes: by chance, by distance, by what was learned."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from vision_models.interactions.evaluation.vcoco import NOT_VISIBLE, Scene
from vision_models.interactions.ranking import Factors, rank
from vision_models.interactions.relations import Relations
from vision_models.interactions.vocabulary import ACTIONS, VERB_NAMES, Action


@dataclass(frozen=True)
class TargetChoice:
    """How often the right object is chosen, given ground-truth boxes and verbs; shares, 0..1."""

    cases: int  # people with a target and at least one other candidate
    chance: float  # of a random choice among the candidates
    nearest: float  # the candidate whose centre is nearest to the person's
    paper: float  # chosen by mu and sigma 0.3 alone
    learned: float  # with the learned spread and compatibility
    visible_cases: int  # people with a target
    visible: float  # of them: something was chosen, right or wrong
    vacant_cases: int  # people who do it with something that is not visible
    vacant: float  # of them: nothing was chosen

    @property
    def balanced(self) -> float:
        """Mean of both shares: how well a target that is not visible is told from one that is; 0.5 is chance."""
        return (self.visible + self.vacant) / 2


def target_choice(relations: Relations, scenes: Sequence[Scene]) -> TargetChoice:
    """Choose the target of everyone who does something, by the cascade, from ground-truth boxes.

    Candidates are all boxes of the photo, people among them, but not the person who does it. All boxes have score 1 and
    all verbs are equally likely, so that the place, and with the switches on the class, decide alone.
    """
    chance: list[float] = []
    nearest: list[bool] = []
    right: dict[bool, list[bool]] = {True: [], False: []}  # by whether it is the paper's mode
    chosen: dict[bool, list[bool]] = {True: [], False: []}  # by whether the target is visible
    for scene in scenes:
        factors = _factors(relations, scene)
        no_extras = factors.without_extras()
        always = replace(factors, vacancy=no_extras.vacancy)
        by_paper, by_learned, with_vacancy = (_chosen(scene, one) for one in (no_extras, always, factors))
        centres = (scene.boxes[:, :2] + scene.boxes[:, 2:]) / 2
        distances = np.square(centres - centres[scene.people][:, None]).sum(axis=-1)  # (P, N)
        distances[np.arange(len(scene.people)), scene.people] = np.inf
        for row, column in zip(*np.nonzero(scene.targets >= NOT_VISIBLE), strict=True):
            target, candidates = scene.targets[row, column], len(scene.boxes) - 1
            chosen[bool(target != NOT_VISIBLE)].append(bool(with_vacancy[row, column] != NOT_VISIBLE))
            if target != NOT_VISIBLE and candidates > 1:
                chance.append(1 / candidates)
                nearest.append(bool(distances[row].argmin() == target))
                right[True].append(bool(by_paper[row, column] == target))
                right[False].append(bool(by_learned[row, column] == target))
    return TargetChoice(
        len(chance),
        _share(chance),
        _share(nearest),
        _share(right[True]),
        _share(right[False]),
        len(chosen[True]),
        _share(chosen[True]),
        len(chosen[False]),
        1 - _share(chosen[False]),
    )


@torch.no_grad()
def _factors(relations: Relations, scene: Scene) -> Factors:
    boxes, labels = torch.from_numpy(scene.boxes), torch.from_numpy(scene.labels)
    return Factors(
        people=scene.people,
        human_logits=np.zeros((len(scene.people), len(VERB_NAMES)), np.float32),
        object_logits=np.zeros((len(scene.boxes), len(VERB_NAMES)), np.float32),
        targets=relations.targets(boxes[scene.people], scene.size).numpy(),
        sigmas=relations.sigmas.numpy(),
        compatibility=relations.compatibility(labels, boxes, scene.size).numpy(),
        vacancy=relations.vacancy.numpy(),
    )


def _chosen(scene: Scene, factors: Factors) -> NDArray[np.int64]:
    """Return the objects that `rank` chooses, (P, 25), or NOT_VISIBLE."""
    chosen = np.full((len(scene.people), len(ACTIONS)), NOT_VISIBLE, np.int64)
    rows = {int(person): row for row, person in enumerate(scene.people)}
    for one in rank(scene.boxes, np.ones(len(scene.boxes), np.float32), factors):
        if one.role is not None and one.object is not None:
            chosen[rows[one.person], ACTIONS.index(Action(one.verb, one.role))] = one.object
    return chosen


def _share(values: Sequence[float]) -> float:
    return float(np.mean(values)) if values else float("nan")
