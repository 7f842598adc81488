"""Where the object of an action is to be expected, and which: what boxes alone can tell, before any pixel is looked at.

The paper's human-centric branch finds the mean mu of the target density (section 3.2) from the pixels of a person. Most
of it lies in the person's box already: a tall box stands, a wide one lies, and one that ends at the lower border of the
photo has its feet, and the ski on them, outside. Here a small network says so, learned from V-COCO's boxes, and the
branch adds what its pixels know better. The extras that the paper does not have are learned with it: how usual an
object is in a role, the spread of the density per action, and the fit below which a target counts as occluded.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from vision_models.interactions.boxes import SIGMA
from vision_models.interactions.vocabulary import ACTIONS, OBJECTS

Picture = tuple[int, int] | Tensor  # width and height, or (K, 2) where every box is of another picture

PLACE = 8  # numbers of `person_place`
TOLD = PLACE + 4  # numbers that `Prominence` takes

_SMALLEST = 1e-3  # of a side, in sides of the picture, so that a degenerate box has a logarithm
_TOUCHING = 0.02  # distance to a border, in sides of the picture, at which a box hardly touches it any more


class Relations(nn.Module):
    """What boxes tell of targets. Untrained it is the paper's, without a mean: sigma 0.3, all classes alike, no None.

    Args:
        hidden: units of each of its two small networks.
        dropout: share of them that is left out at random while this is trained, see `train_relations`.
    """

    vacancy: Tensor  # (25,) log of the least fit, g times compatibility, that a target must have to count as visible

    def __init__(self, hidden: int = 64, *, dropout: float = 0.0) -> None:
        super().__init__()
        self.means = nn.Parameter(torch.zeros(len(ACTIONS), 4))
        self.shape = nn.Linear(9, hidden)
        self.shifts = nn.Linear(hidden, 4 * len(ACTIONS))  # of the means, for this person
        self.log_sigmas = nn.Parameter(torch.full((len(ACTIONS), 4), math.log(SIGMA)))
        self.classes = nn.Parameter(torch.zeros(len(ACTIONS), len(OBJECTS)))
        self.kind = nn.Embedding(len(OBJECTS), hidden)
        self.look = nn.Linear(4, hidden)
        self.suitability = nn.Linear(hidden, len(ACTIONS))  # of this box, beyond that of its class
        self.vacancy = nn.Parameter(torch.full((len(ACTIONS),), -math.inf))
        self.dropout = nn.Dropout(dropout)
        nn.init.normal_(self.kind.weight, std=0.1)
        for last in (self.shifts, self.suitability):
            nn.init.zeros_(last.weight)
            nn.init.zeros_(last.bias)

    @property
    def sigmas(self) -> Tensor:
        """Spread of the target density, (25, 4)."""
        return self.log_sigmas.exp()

    def targets(self, people: Tensor, picture: Picture) -> Tensor:
        """Return the mean mu of the target density, (P, 25, 4), as `boxes.encode` writes places.

        Args:
            people: (P, 4) xyxy.
            picture: width and height, in the unit of the boxes.
        """
        hidden = self.dropout(functional.relu(self.shape(_person_features(people, picture))))
        return self.means + self.shifts(hidden).unflatten(1, (len(ACTIONS), 4))

    def compatibility(self, labels: Tensor, boxes: Tensor, picture: Picture) -> Tensor:
        """Return the log of how usual it is that an object like this plays a role, compared with any object: (N, 25).

        Args:
            labels: (N,) int64 into `OBJECTS`.
            boxes: (N, 4) xyxy; their size, shape and place in the picture tell a ball in play from one on a shelf.
            picture: width and height, in the unit of the boxes.
        """
        hidden = self.dropout(functional.relu(self.look(_object_features(boxes, picture)) + self.kind(labels)))
        return self.classes.T[labels] + self.suitability(hidden)


class Prominence(nn.Module):
    """How likely a photo is about a person rather than a bystander, whom nobody would say anything about.

    Judged by the boxes of all its people, and by how sure the detector is of each. The paper takes that for s_h alone.

    Args:
        hidden: units.
    """

    mean: Tensor  # of what it takes
    deviation: Tensor

    def __init__(self, hidden: int = 32) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(TOLD))
        self.register_buffer("deviation", torch.ones(TOLD))
        self.first, self.last = nn.Linear(TOLD, hidden), nn.Linear(hidden, 1)

    def forward(self, people: Tensor, scores: Tensor, picture: tuple[int, int]) -> Tensor:
        """Return logits (P,).

        Args:
            people: (P, 4) xyxy, all people of a picture.
            scores: (P,) of the detector.
            picture: width and height, in the unit of the boxes.
        """
        return self.judge(self.told(people, scores, picture))

    def judge(self, told: Tensor) -> Tensor:
        """Return logits (P,) from what `told` returns."""
        logits: Tensor = self.last(functional.relu(self.first((told - self.mean) / self.deviation)))[:, 0]
        return logits

    @staticmethod
    def told(people: Tensor, scores: Tensor, picture: tuple[int, int]) -> Tensor:
        """Return what it takes, (P, 12): of each person, and beside the largest and the surest."""
        if not len(people):
            return people.new_zeros(0, TOLD)
        place = person_place(people, picture)
        area, sure = place[:, 6:7], scores.clamp(0.01, 0.99)[:, None]
        many = torch.full_like(sure, float(len(people)))
        return torch.cat([place, area - area.max(), sure.logit(), (sure / sure.max()).log(), many.log()], dim=1)


def person_place(people: Tensor, picture: Picture) -> Tensor:
    """Where people (P, 4) are in a picture, and how large: (P, 8), all about -1..1."""
    corners, sides, aspect = _relative(people, picture)
    return torch.cat([corners, sides.exp(), sides.sum(dim=1, keepdim=True) / 4, aspect], dim=1)


def _relative(boxes: Tensor, picture: Picture) -> tuple[Tensor, Tensor, Tensor]:
    """Corners (K, 4) and log of width and height (K, 2) in sides of the picture, log of width to height (K, 1)."""
    sides = picture if isinstance(picture, Tensor) else boxes.new_tensor(picture).expand(len(boxes), 2)
    corners = boxes / sides.repeat(1, 2)
    size = (corners[:, 2:] - corners[:, :2]).clamp_min(_SMALLEST).log()
    aspect = size[:, :1] - size[:, 1:] + (sides[:, :1] / sides[:, 1:]).log()
    return corners, size, aspect


def _person_features(boxes: Tensor, picture: Picture) -> Tensor:
    """Shape, size, place, and which borders the box touches: (P, 9), all about -2..2."""
    corners, size, aspect = _relative(boxes, picture)
    centre = corners[:, :2] + corners[:, 2:] - 1
    gaps = torch.cat([corners[:, :2], 1 - corners[:, 2:]], dim=1).clamp_min(0)
    return torch.cat([2 * (aspect + 0.6), 1.5 * size + 1.5, 2 * centre, 2 * torch.exp(-gaps / _TOUCHING)], dim=1)


def _object_features(boxes: Tensor, picture: Picture) -> Tensor:
    """Shape, size and place: (N, 4), all about -2..2."""
    corners, size, aspect = _relative(boxes, picture)
    centre = corners[:, :2] + corners[:, 2:] - 1
    return torch.cat([1.5 * aspect, 0.7 * size.sum(dim=1, keepdim=True) + 2, 2 * centre], dim=1)
