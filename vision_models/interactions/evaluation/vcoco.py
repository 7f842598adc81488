"""V-COCO: who does what to which object, annotated on photos of COCO (Gupta & Malik, 2015, arXiv 1505.04474).

The labels, `vcoco_train.json` and `vcoco_val.json`, name people and objects by their number in COCO. Their boxes come
from one of two places:

* `recovered_boxes_*.json`, in the folder of the labels: number -> box and class, as far as the boxes of published
  person-object pairs tell. It has every target of a verb but five, and the people who do something to something. Four
  people in five have a box, and four photos in five are complete.
* COCO's own `instances_train2014.json` (both splits are parts of train2014): every object of every photo, the people
  whom V-COCO does not annotate, and the size of the photos. The official measure needs it.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vision_models.errors import DataError
from vision_models.interactions.evaluation.vcoco_metrics import TruePeople
from vision_models.interactions.vocabulary import ACTIONS, COCO_IDS, OBJECTS, PERSON, VERB_NAMES, VERBS, Action

SPLITS = ("train", "val")
NOT_VISIBLE = -1  # the person does it, but its target is not visible in the photo
UNKNOWN = -2  # the person does not do it, or nobody says where the target is
LONG_SIDE = 640  # of nearly every photo of COCO, pixels
SHORT_SIDE = 427  # of most: 3 to 2


@dataclass(frozen=True, eq=False)
class Scene:
    """What is known of one photo. Boxes are xyxy in pixels, x2 = x1 + width."""

    photo: int  # its number in COCO
    size: tuple[int, int]  # width, height in pixels; a guess from the boxes where COCO's instances are not given
    boxes: NDArray[np.float32]  # (N, 4) of people and of objects
    labels: NDArray[np.int64]  # (N,) into OBJECTS
    people: NDArray[np.int64]  # (P,) indices into the boxes: the annotated people
    verbs: NDArray[np.int8]  # (P, 26) 1 does it, 0 does not, -1 nobody says
    targets: NDArray[np.int64]  # (P, 25) indices into the boxes, or NOT_VISIBLE, or UNKNOWN
    complete: bool  # whether every annotated person and target has a box


def read_vcoco(folder: Path, split: str, instances: Path | None = None) -> list[Scene]:
    """Read one split of V-COCO.

    Args:
        folder: with `vcoco_<split>.json` and, unless `instances` is given, `recovered_boxes_<split>.json`.
        split: "train" or "val".
        instances: COCO's `instances_train2014.json`.

    Returns:
        The photos in the order of their numbers. People without a box are left out.

    Raises:
        DataError: for a file that is not of the kind it should be.
        ValueError: for another split.
        FileNotFoundError: for a file that is missing; it says where to get it.
    """
    return _read(folder, split, instances)[0]


def _read(folder: Path, split: str, instances: Path | None) -> tuple[list[Scene], dict[int, dict[int, Thing]]]:
    """Read one split, and the boxes of each photo by their number in COCO, in COCO's order."""
    _check_split(split)
    labels = read_labels(folder / f"vcoco_{split}.json")
    wanted = set(labels[0]["image_id"])
    sizes: dict[int, tuple[int, int]] = {}
    if instances is None:
        known = _read_recovered(folder / f"recovered_boxes_{split}.json", labels)
    else:
        known, sizes = _read_instances(instances, wanted)
    people: dict[int, list[int]] = defaultdict(list)  # photo -> rows of the labels
    for row, photo in enumerate(labels[0]["image_id"]):
        people[photo].append(row)
    scenes = [_scene(photo, people[photo], labels, known.get(photo, {}), sizes.get(photo)) for photo in sorted(wanted)]
    return scenes, known


def _check_split(split: str) -> None:
    if split not in SPLITS:
        raise ValueError(f"V-COCO is read in splits {' and '.join(SPLITS)}, not {split!r}.")


def read_ground_truth(folder: Path, split: str, instances: Path | None = None) -> dict[int, TruePeople]:
    """Read one split of V-COCO as its official measure sees it: number of a photo in COCO -> ground truth.

    Without COCO's instances nobody is ignored, which the official measure would do with people whom V-COCO does not
    annotate, and photos with an annotated person of unknown place are left out: finding them would be a mistake.

    Args and errors are those of `read_vcoco`.
    """
    scenes, known = _read(folder, split, instances)
    return {
        scene.photo: _ground_truth(scene, known.get(scene.photo, {})) for scene in scenes if instances or scene.complete
    }


def read_photo_index(file: Path, split: str, *, complete: bool = True) -> dict[str, TruePeople]:
    """Read an index of V-COCO's photos: the names of those of one split, and their ground truth in pixels.

    A line of the index is a photo in JSON: `coco_id`, `split`, `width`, `height`, and `persons`, each with `verbs`,
    `box` and `roles` (`verb`, `role`, `box`); boxes are xyxy in shares of the sides, or null. People whom V-COCO does
    not annotate are not known.

    Args:
        file: ends in .jsonl.
        split: "train" or "val".
        complete: leave out photos with a person without a box, whom to find would be a mistake; or only the person.

    Returns:
        `COCO_<number, 12 digits>.jpg` -> ground truth.

    Raises:
        DataError: for a file of another kind.
        ValueError: for another split.
    """
    _check_split(split)
    photos = {}
    try:
        for line in file.read_text(encoding="utf-8").splitlines():
            photo = json.loads(line)
            if photo["split"] == split and not (complete and any(not person["box"] for person in photo["persons"])):
                photos[f"COCO_{photo['coco_id']:012d}.jpg"] = _people_of(photo)
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(f"{file.name} is no index of V-COCO's photos: {error}") from error
    return photos


def _people_of(photo: Mapping[str, Any]) -> TruePeople:
    people = [person for person in photo["persons"] if person["box"]]
    sides = np.array([photo["width"], photo["height"]] * 2)
    verbs = np.zeros((len(people), len(VERB_NAMES)), np.int64)
    roles = np.full((len(people), len(ACTIONS), 4), np.nan)
    for row, person in enumerate(people):
        verbs[row, [VERB_NAMES.index(verb) for verb in person["verbs"]]] = 1
        for role in person["roles"]:
            if role["box"]:
                roles[row, ACTIONS.index(Action(role["verb"], role["role"]))] = role["box"] * sides - (0, 0, 1, 1)
    boxes = np.array([person["box"] for person in people]).reshape(-1, 4) * sides - (0, 0, 1, 1)
    return TruePeople(boxes, np.ones(len(people), np.bool_), verbs, roles)


Thing = tuple[NDArray[np.float64], int]  # box xyxy, index into OBJECTS


def _scene(
    photo: int,
    rows: Sequence[int],
    labels: Sequence[Mapping[str, Any]],
    known: Mapping[int, Thing],
    size: tuple[int, int] | None,
) -> Scene:
    index = {number: place for place, number in enumerate(known)}
    numbers = [labels[0]["ann_id"][row] for row in rows]
    kept = [(row, number) for row, number in zip(rows, numbers, strict=True) if number in index]
    verbs = np.full((len(kept), len(VERB_NAMES)), -1, np.int8)
    targets = np.full((len(kept), len(ACTIONS)), UNKNOWN, np.int64)
    complete = len(kept) == len(rows)
    for person, (row, _) in enumerate(kept):
        for block in labels:
            verb = block["action_name"]
            does = block["label"][row]
            verbs[person, VERB_NAMES.index(verb)] = does
            if does != 1:
                continue
            for place, role in enumerate(block["role_name"][1:], start=1):
                number = block["role_object_id"][place * len(block["ann_id"]) + row]
                if number and number not in index:
                    complete = False
                    continue
                targets[person, ACTIONS.index((verb, role))] = index[number] if number else NOT_VISIBLE
    boxes = np.array([box for box, _ in known.values()], np.float32).reshape(-1, 4)
    return Scene(
        photo,
        _guess_size(boxes) if size is None else size,
        boxes,
        np.array([label for _, label in known.values()], np.int64),
        np.array([index[number] for _, number in kept], np.int64),
        verbs,
        targets,
        complete,
    )


def _ground_truth(scene: Scene, known: Mapping[int, Thing]) -> TruePeople:
    """Make of a photo what the official evaluator makes of it.

    All people of COCO's, in its order; those whom V-COCO does not annotate among them. A box ends at its last pixel, is
    clipped to the photo on all sides, and is left out when nothing is left of it.
    """
    exact = np.array([box for box, _ in known.values()], np.float64).reshape(-1, 4)
    corner, size = exact[:, :2], exact[:, 2:] - exact[:, :2]
    boxes = np.concatenate([corner, corner + np.maximum(size - 1, 0)], axis=1)
    boxes = np.clip(boxes, 0, np.array(scene.size * 2, np.float64) - 1)
    solid = (boxes[:, 2:] > boxes[:, :2]).all(axis=1)
    people = np.flatnonzero((scene.labels == PERSON) & solid)
    row_of = {int(box): row for row, box in enumerate(scene.people)}
    verbs = np.full((len(people), len(VERB_NAMES)), -1, np.int8)
    roles = np.full((len(people), len(ACTIONS), 4), np.nan, np.float32)
    annotated = np.array([int(person) in row_of for person in people], np.bool_)
    for place, person in enumerate(people):
        if not annotated[place]:
            continue
        row = row_of[int(person)]
        verbs[place] = scene.verbs[row]
        for action in np.flatnonzero(scene.targets[row] >= 0):
            if solid[scene.targets[row, action]]:
                roles[place, action] = boxes[scene.targets[row, action]]
    return TruePeople(boxes[people].astype(np.float32), annotated, verbs, roles)


def _guess_size(boxes: NDArray[np.float32]) -> tuple[int, int]:
    """Guess width and height of a photo: no box ends outside, and COCO's photos are 640 pixels long, most 427 wide."""
    right, bottom = (int(np.ceil(end)) for end in boxes[:, 2:].max(axis=0, initial=0))
    if bottom > max(right, SHORT_SIDE + 60):
        return max(right, SHORT_SIDE), LONG_SIDE
    return LONG_SIDE, max(bottom, SHORT_SIDE)


def _read_json(path: Path, where: str) -> Any:
    try:
        return json.loads(path.read_bytes())
    except FileNotFoundError as error:
        raise FileNotFoundError(f"There is no {path}. {where}") from error
    except ValueError as error:
        raise DataError(f"{path.name} is not JSON. {where}") from error


def read_labels(path: Path) -> list[dict[str, Any]]:
    """Read the official labels: per verb the numbers of people, 0 or 1, and per role the numbers of targets or 0."""
    where = f"Download data/vcoco/{path.name} of https://github.com/s-gupta/v-coco and put it there."
    labels = _read_json(path, where)
    found = {block["action_name"]: tuple(block["role_name"][1:]) for block in labels} if _are_labels(labels) else {}
    if {verb: set(roles) for verb, roles in found.items()} != {verb: set(roles) for verb, roles in VERBS.items()}:
        raise DataError(f"{path.name} does not hold V-COCO's 26 verbs. {where}")
    return labels


def _are_labels(labels: Any) -> bool:
    keys = {"action_name", "role_name", "image_id", "ann_id", "label", "role_object_id"}
    return isinstance(labels, list) and all(isinstance(block, dict) and keys <= block.keys() for block in labels)


def _read_recovered(path: Path, labels: Sequence[Mapping[str, Any]]) -> dict[int, dict[int, Thing]]:
    """Read boxes by number; which photo they belong to is said by the labels that name them."""
    where = (
        f"{path.name} is made from the pairs of https://github.com/fredzzhang/vcoco; "
        "COCO's instances_train2014.json, of annotations_trainval2014.zip on https://cocodataset.org, does as well."
    )
    recovered = _read_json(path, where)
    if not isinstance(recovered, dict) or not {"boxes_xyxy", "category"} <= recovered.keys():
        raise DataError(f"{path.name} does not hold boxes and classes by number. {where}")
    known: dict[int, dict[int, Thing]] = defaultdict(dict)
    for block in labels:
        people = len(block["ann_id"])
        for place, number in enumerate(block["role_object_id"]):
            if str(number) in recovered["boxes_xyxy"]:
                box = np.array(recovered["boxes_xyxy"][str(number)], np.float64)
                photo = block["image_id"][place % people]
                known[photo][number] = (box, OBJECTS.index(recovered["category"][str(number)]))
    return known


def _read_instances(path: Path, wanted: set[int]) -> tuple[dict[int, dict[int, Thing]], dict[int, tuple[int, int]]]:
    """Read COCO's objects and the sizes of the photos, of the photos that are wanted."""
    where = (
        "instances_train2014.json is in annotations_trainval2014.zip on https://cocodataset.org: download and unpack."
    )
    coco = _read_json(path, where)
    if not isinstance(coco, dict) or not {"images", "annotations"} <= coco.keys():
        raise DataError(f"{path.name} does not hold COCO's instances. {where}")
    sizes = {image["id"]: (image["width"], image["height"]) for image in coco["images"] if image["id"] in wanted}
    if len(sizes) < len(wanted):
        raise DataError(f"{path.name} lacks {len(wanted - sizes.keys())} photos of V-COCO. {where}")
    known: dict[int, dict[int, Thing]] = defaultdict(dict)
    for thing in coco["annotations"]:
        if thing["image_id"] in wanted and thing.get("area", 1) > 0 and not thing.get("ignore"):
            x, y, width, height = thing["bbox"]
            box = np.array([x, y, x + width, y + height], np.float64)
            known[thing["image_id"]][thing["id"]] = (box, COCO_IDS.index(thing["category_id"]))
    return known, sizes
