"""What the predictor says about a photo: boxes, and who does what to which of them. Plain arrays, no network."""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vision_models.interactions.boxes import decode, density
from vision_models.interactions.ranking import Factors, Interaction, one_of, rank, weigh
from vision_models.interactions.vocabulary import ACTIONS, OBJECTS, PERSON, VERB_NAMES, Action


@dataclass(frozen=True, eq=False)
class Interactions:
    """The objects of a photo and its interactions, best first. Picklable, independent of any device.

    Example:
        >>> found = InteractionPredictor.from_pretrained().detect(read_photo("street.jpg"))
        >>> for one in found.filter(min_score=0.3).interactions:
        ...     print(one.person, one.verb, found.name(one.object), round(one.score, 2))
    """

    width: int  # pixels of the photo
    height: int
    boxes: NDArray[np.float32]  # (N, 4) xyxy, pixels of the photo
    labels: tuple[str, ...]  # (N,) COCO's names
    scores: NDArray[np.float32]  # (N,) 0..1
    interactions: tuple[Interaction, ...]
    factors: Factors = field(repr=False)  # what the branches said, for another ranking without them

    def name(self, box: int | None) -> str:
        """Return an object's class, "" for None."""
        return "" if box is None else self.labels[box]

    @property
    def people(self) -> tuple[int, ...]:
        """Indices of the boxes that hold a person, best first."""
        return tuple(int(person) for person in self.factors.people)

    def filter(
        self, min_score: float = 0.0, verbs: Collection[str] | None = None, person: int | None = None
    ) -> Interactions:
        """Keep the interactions of at least a score, of some verbs, of one person. The boxes stay, and their numbers.

        Raises:
            ValueError: for a verb that is none of the 26, or an index that is no person's.
        """
        unknown = sorted(set(verbs or ()) - set(VERB_NAMES))
        if unknown:
            raise ValueError(f"{', '.join(unknown)} is not a verb of this model; choose from {', '.join(VERB_NAMES)}")
        if person is not None:
            self._row(person)
        kept = tuple(
            one
            for one in self.interactions
            if one.score >= min_score and (verbs is None or one.verb in verbs) and person in {None, one.person}
        )
        return replace(self, interactions=kept)

    def rank_again(self, *, location: bool = True, interaction: bool = True, extras: bool = True) -> Interactions:
        """Choose targets and scores again, of everything that was found. The network does not run.

        Args:
            location: with the target density g.
            interaction: with the interaction branch.
            extras: with what is not in the paper: how usual a class is in a role, a spread of the density for each
                action, that a target may not be visible, and scores of targets relative to all candidates.
        """
        factors = self.factors if extras else self.factors.without_extras()
        ranked = rank(self.boxes, self.scores, factors, location=location, interaction=interaction)
        return replace(self, interactions=tuple(ranked))

    def candidates(
        self,
        person: int,
        verb: str,
        role: str | None = None,
        *,
        location: bool = True,
        interaction: bool = True,
        most: int = 5,
    ) -> list[Interaction]:
        """Return what a verb's object could be, the model's choice first.

        That the object is not visible is one of them, unless the factors are the paper's.

        Args:
            person: index into the boxes.
            verb: one that takes an object.
            role: of verbs with two; the first by default.
            location: as in `rank_again`.
            interaction: as in `rank_again`.
            most: how many.

        Raises:
            ValueError: for an index that is no person's, or a verb that takes no object.
        """
        row, column = self._row(person), _action(verb, role)
        pairs = weigh(self.boxes, self.scores, self.factors, location=location, interaction=interaction)
        total = pairs.total[row, column]
        ranked = np.argsort(-total, kind="stable")[:most]
        return [
            one_of(pairs, self.scores, self.factors, row, column, int(candidate))
            for candidate in ranked
            if total[candidate] > -np.inf
        ]

    def expected_box(self, person: int, verb: str, role: str | None = None) -> NDArray[np.float32]:
        """Return where the model expects a verb's object: the box that mu stands for, (4,) xyxy in pixels.

        Raises:
            ValueError: for an index that is no person's, or a verb that takes no object.
        """
        row, action = self._row(person), _action(verb, role)
        return decode(self.factors.targets[row, action], self.boxes[person])

    def density(self, person: int, verb: str, role: str | None = None) -> NDArray[np.float32]:
        """Return where the model expects the centre of a verb's object: (height, width), 1 at the expected place.

        exp(-((dx - mu_x)^2 / 2 sigma_x^2 + (dy - mu_y)^2 / 2 sigma_y^2)): equation 2 for the centre alone.

        Args:
            person: index into the boxes.
            verb: one that takes an object.
            role: of verbs with two; the first by default.

        Raises:
            ValueError: for an index that is no person's, or a verb that takes no object.
        """
        row, action = self._row(person), _action(verb, role)
        target, sigma = self.factors.targets[row, action], self.factors.sigmas[action]
        return density(target, sigma, self.boxes[person], self.width, self.height)

    def to_json(self) -> str:
        """Return boxes and interactions as JSON; objects and people are referred to by their index in `boxes`."""
        content: dict[str, Any] = {
            "width": self.width,
            "height": self.height,
            "boxes": [
                {"label": label, "score": round(float(score), 4), "box": [round(float(n), 1) for n in box]}
                for box, label, score in zip(self.boxes, self.labels, self.scores, strict=True)
            ],
            "interactions": [
                {key: round(value, 4) if isinstance(value, float) else value for key, value in asdict(one).items()}
                for one in self.interactions
            ],
        }
        return json.dumps(content, indent=2)

    def _row(self, person: int) -> int:
        if person not in self.people:
            raise ValueError(f"box {person} is no {OBJECTS[PERSON]}; people of this photo: {list(self.people)}")
        return self.people.index(person)


def _action(verb: str, role: str | None) -> int:
    for index, action in enumerate(ACTIONS):
        if action == Action(verb, role or action.role):
            return index
    raise ValueError(f"{verb} takes no object{f' as {role}' if role else ''}, so no place is expected for one")
