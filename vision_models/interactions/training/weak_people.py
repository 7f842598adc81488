"""People of whom something is known: by what a caption says of them, or by the topic of their photo."""

from __future__ import annotations

import gzip
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vision_models.errors import DataError
from vision_models.interactions.training.data import read_samples, verb_labels
from vision_models.interactions.training.subjects import COMMON, Doing
from vision_models.interactions.vocabulary import ACTIONS, OBJECTS, VERB_NAMES, VERB_OF_ACTION, VERBS

NAMED = 3.0  # how much more a verb that a topic names counts than one that it leaves out
SURE = 0.4  # the score of a person's box from which a caption's verb is believed to be theirs
UNKNOWN = np.full((len(ACTIONS), len(OBJECTS)), np.nan, np.float32)
OF_ALL = "all prominent people"  # what the captions' index calls a verb that may be anybody's


@dataclass(frozen=True, eq=False)
class WeakPerson:
    """A person in a photo, and some of what they do."""

    photo: Path
    box: NDArray[np.float32]  # (4,) xyxy in shares of the photo's sides
    verbs: NDArray[np.float32]  # (26,) 0..1
    weights: NDArray[np.float32]  # (26,) how sure that is; 0: nobody said anything
    classes: NDArray[np.float32]  # (25, 80) whether an object of the class plays the role, 0 or 1; NaN: nobody knows


def read_captions(index: Path, photos: Path) -> list[WeakPerson]:
    """Read an index of captioned photos; what their captions do not name is unknown.

    The file ends in .jsonl or .jsonl.gz. A line is a photo in JSON: `path`, whose last part is the file's name;
    `in_vcoco_index`, of photos whose people are labelled one by one, which are left out here; and `persons`, each with
    `box` (xyxy in shares of the sides), `score` and `verbs`, verb -> how it was found to be this person's.

    Raises:
        DataError: for a file of another kind, or if none of the photos is there.
    """
    people = []
    try:
        packed = index.read_bytes()
        for line in (gzip.decompress(packed) if index.suffix == ".gz" else packed).decode().splitlines():
            photo = json.loads(line)
            path = photos / Path(photo["path"]).name
            if photo["in_vcoco_index"] or not path.exists():
                continue
            for person in photo["persons"]:
                if person["score"] >= SURE and any(how != OF_ALL for how in person["verbs"].values()):
                    verbs = np.zeros(len(VERB_NAMES), np.float32)
                    verbs[[VERB_NAMES.index(verb) for verb in person["verbs"]]] = 1
                    people.append(WeakPerson(path, np.array(person["box"], np.float32), verbs, verbs, UNKNOWN))
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise DataError(f"{index.name} is no index of captioned photos: {error}") from error
    if not people:
        raise DataError(f"None of the people that {index.name} names is in {photos}.")
    return people


def read_actors(root: Path) -> list[WeakPerson]:
    """List those whom training photos of sets with topics are about, where the set says who that is (see `data.py`)."""
    people = []
    for sample in read_samples(root):
        if sample.doings and sample.actor is not None:
            width, height = sample.size
            box = (sample.actor / (width, height, width, height)).astype(np.float32)
            people.append(WeakPerson(sample.path, box, *verb_labels(sample.doings, NAMED), role_classes(sample.doings)))
    return people


def role_classes(doings: Sequence[Doing]) -> NDArray[np.float32]:
    """Return whether objects of a class play a role (25, 80), as far as a topic tells: 0 or 1, else NaN.

    What is not done is done with nothing. Of verbs with two roles a topic does not tell which one a class plays.
    """
    told = {doing.verb: doing for doing in doings}
    classes = UNKNOWN.copy()
    for action, verb in enumerate(VERB_OF_ACTION):
        if verb not in told:
            if VERB_NAMES[verb] not in COMMON:
                classes[action] = 0
        elif told[verb].sure and told[verb].classes and len(VERBS[VERB_NAMES[verb]]) == 1:
            classes[action] = np.isin(np.arange(len(OBJECTS)), list(told[verb].classes))
    return classes
