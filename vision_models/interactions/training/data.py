"""Photos with objects labelled by a teacher and actions labelled by topic, made into training pictures.

Below one folder, any of these (the model card says where they come from):

    stanford40/JPEGImages, ImageSplits, XMLAnnotations   Stanford 40 Actions; the official training photos only
    sports100/data/train/<topic>     100 sports
    sports22/data/<topic>            22 sports
    har15/train, Training_set.csv    HAR-15
    willow7/dataset/TrainSet/<topic> Willow 7
    stills/<topic>                   pictures out of clips, as `vision-models label --clips` writes them
    coco128/images, labels           COCO photos with real boxes; every second one is held out
    vcoco/                           V-COCO's labels and boxes (see `vcoco.py`), named by `--vcoco`
    <any other folder>               photos without a topic

and in `labels/`, for each of them but coco128, `<set>.json.gz`: what `vision-models label` found.
"""

from __future__ import annotations

import csv
import gzip
import json
import math
import xml.etree.ElementTree as ET
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from vision_models.errors import DataError
from vision_models.interactions.boxes import iou
from vision_models.interactions.training.losses import Labels
from vision_models.interactions.training.subjects import COMMON, TOPICS, Doing
from vision_models.interactions.vocabulary import ACTIONS, PERSON, VERB_NAMES, VERB_OF_ACTION, VERBS
from vision_models.media.photos import decode_bgr

FOLDERS = {
    "stanford40": "JPEGImages",
    "sports100": "data/train",
    "sports22": "data",
    "har15": "train",
    "willow7": "dataset/TrainSet",
}
SURE, PERHAPS = 0.35, 0.15  # the teacher's scores above which a box is an object, and may be one
ACTOR_SCORE, ACTOR_SIZE = 0.45, 0.35  # of a topic's people: the teacher's score, and the area beside the largest's
MOST_PEOPLE, MOST_PAIRS = 4, 8  # of a picture that the branches learn from
NEAR = 0.3  # of a person's size: how far around them something is within reach
ABSENT, COMMON_ABSENT, UNSURE = 1.0, 0.3, 0.3  # weights of verbs that a topic does not name, and names with a "?"
MEAN_COLOUR = (124, 116, 104)
RARE = 0.01  # photos with a class rarer than this are shown more often
MOST_REPEATS = 8.0


@dataclass(frozen=True, eq=False)
class Sample:
    """A photo and what is known of it."""

    path: Path
    source: str
    size: tuple[int, int]  # width, height
    boxes: NDArray[np.float32]  # (G, 6) class 0..79, score, xyxy in pixels
    doings: tuple[Doing, ...] = ()  # of its people, by its topic
    actor: NDArray[np.float32] | None = field(default=None)  # (4,) who does it, where that is known

    @property
    def shape(self) -> int:
        """Which of a recipe's shapes suits it: 0 upright, 1 square, 2 wide."""
        ratio = math.log(self.size[0] / self.size[1])
        return 1 if abs(ratio) < math.log(1.2) else int(ratio > 0) * 2


def read_samples(root: Path) -> list[Sample]:
    """List the training photos of every set found below `root`, in a fixed order.

    Raises:
        DataError: there is none.
    """
    samples = []
    for labels in sorted((root / "labels").glob("*.json.gz")):
        source = labels.name.removesuffix(".json.gz")
        folder = root / source / FOLDERS.get(source, "")
        topics = _topics(root, source)
        for name, found in json.loads(gzip.decompress(labels.read_bytes())).items():
            topic, actor = topics.get(name, (Path(name).parent.name, None))
            boxes = np.array(found["boxes"], np.float32).reshape(-1, 6)
            samples.append(
                Sample(folder / name, source, tuple(found["size"]), boxes, TOPICS.get((source, topic), ()), actor)
            )
    samples += [sample for sample, held_out in read_coco128(root) if not held_out]
    if not samples:
        raise DataError(f"There are no labelled photos in {root}. Make {root}/labels with `vision-models label`.")
    return samples


def read_coco128(root: Path) -> list[tuple[Sample, bool]]:
    """List the photos of coco128 with their real boxes, and whether each is held out from training."""
    samples = []
    for number, path in enumerate(sorted((root / "coco128" / "images").glob("*.jpg"))):
        with Image.open(path) as photo:
            width, height = photo.size
        file = root / "coco128" / "labels" / f"{path.stem}.txt"
        rows = np.loadtxt(file, ndmin=2) if file.exists() and file.stat().st_size else np.zeros((0, 5))
        centre, half = rows[:, 1:3] * (width, height), rows[:, 3:5] * (width, height) / 2
        boxes = np.concatenate([rows[:, :1], np.ones((len(rows), 1)), centre - half, centre + half], axis=1)
        samples.append((Sample(path, "coco128", (width, height), boxes.astype(np.float32)), number % 2 == 1))
    return samples


def _topics(root: Path, source: str) -> dict[str, tuple[str, NDArray[np.float32] | None]]:
    """Return topic and actor of the photos whose folder does not name them."""
    if source == "har15":
        with (root / source / "Training_set.csv").open() as rows:
            return {row["filename"].rsplit("/", 1)[-1]: (row["label"], None) for row in csv.DictReader(rows)}
    if source == "stanford40":
        return {
            name: (name.rsplit("_", 1)[0], stanford40_actor(root, name))
            for split in sorted((root / source / "ImageSplits").glob("*_train.txt"))
            for name in split.read_text().split()
        }
    return {}


def stanford40_actor(root: Path, name: str) -> NDArray[np.float32]:
    """Return the box (4,) xyxy of the person that a photo of Stanford 40 is about."""
    tree = ET.parse(root / "stanford40" / "XMLAnnotations" / name.replace(".jpg", ".xml"))  # noqa: S314  # a data set of one's own choice
    box = tree.find(".//bndbox")
    if box is None:
        raise DataError(f"XMLAnnotations of {name} names no person. Download Stanford 40 again.")
    return np.array([float(box.findtext(side, "0")) for side in ("xmin", "ymin", "xmax", "ymax")], np.float32)


def is_development(sample: Sample) -> bool:
    """Whether a photo is kept for choosing settings: every tenth of Stanford 40's training photos."""
    return sample.source == "stanford40" and sample.path.stem.endswith("0")


def repeats(samples: Sequence[Sample]) -> NDArray[np.float64]:
    """How much more often each photo should be shown for its rarest class: (S,), at least 1 (LVIS's repeat factors)."""
    present = [set(sample.boxes[sample.boxes[:, 1] > SURE, 0].astype(int)) for sample in samples]
    photos = Counter(label for classes in present for label in classes)
    factor = {label: max(1.0, math.sqrt(RARE * len(samples) / count)) for label, count in photos.items()}
    most = [max((factor[label] for label in classes), default=1.0) for classes in present]
    return np.minimum(most, MOST_REPEATS)


def verb_counts(samples: Sequence[Sample]) -> dict[str, tuple[int, int]]:
    """Count, for every verb, the photos whose topic surely shows it, and those whose topic may show it."""
    counts = {verb: [0, 0] for verb in VERB_NAMES}
    for sample in samples:
        for doing in sample.doings:
            counts[VERB_NAMES[doing.verb]][0 if doing.sure else 1] += 1
    return {verb: (sure, perhaps) for verb, (sure, perhaps) in counts.items()}


def view(sample: Sample, rng: np.random.Generator, shape: tuple[int, int]) -> tuple[NDArray[np.uint8], Labels]:
    """Make a training picture, (h, w, 3) of a shape (h, w), and its labels, of a changed photo.

    Raises:
        OSError: the photo cannot be read.
    """
    bgr = decode_bgr(sample.path)
    if bgr is None:
        raise OSError(f"{sample.path} cannot be read as a photo")
    height, width = shape
    squashed = sample.source == "sports100"  # to squares, as published
    stretch = rng.uniform(0.8, 1.5) if squashed else math.exp(rng.normal(0, 0.08))
    fit = min(width / (bgr.shape[1] * stretch), height / bgr.shape[0])
    zoom = fit * math.exp(rng.uniform(math.log(0.55), math.log(1.45)))
    scale_x, scale_y = zoom * stretch, zoom
    room_x, room_y = width - bgr.shape[1] * scale_x, height - bgr.shape[0] * scale_y
    shift_x, shift_y = rng.uniform(min(room_x, 0), max(room_x, 0)), rng.uniform(min(room_y, 0), max(room_y, 0))
    matrix = np.array([[scale_x, 0, shift_x], [0, scale_y, shift_y]])
    if mirrored := rng.random() < 0.5:
        matrix[0] = -scale_x, 0, width - 1 - shift_x
    if zoom < 0.6:
        bgr = cv2.blur(bgr, (2, 2))  # little aliasing is left, at a fraction of the cost
    picture = cv2.warpAffine(bgr, matrix, (width, height), flags=cv2.INTER_LINEAR, borderValue=MEAN_COLOUR[::-1])
    picture = _recoloured(picture[..., ::-1], rng)

    def moved(boxes: NDArray[np.float32]) -> NDArray[np.float32]:
        x = boxes[:, [0, 2]] * scale_x + shift_x
        if mirrored:
            x = width - x[:, ::-1]
        y = boxes[:, [1, 3]] * scale_y + shift_y
        return np.stack([x[:, 0], y[:, 0], x[:, 1], y[:, 1]], axis=1).astype(np.float32)

    boxes = moved(sample.boxes[:, 2:])
    inside = np.clip(boxes, 0, np.array([width, height, width, height], np.float32))
    shown = _area(inside) / np.maximum(_area(boxes), 1)
    keep = (shown > 0.3) & ((inside[:, 2:] - inside[:, :2]).min(axis=1, initial=np.inf) > 3)
    keep &= sample.boxes[:, 1] > PERHAPS
    labels = np.where(sample.boxes[:, 1] > SURE, sample.boxes[:, 0] + 1, -1)
    actor = None if sample.actor is None else moved(sample.actor[None])[0]
    return picture, _labelled(inside[keep], labels[keep], sample.boxes[keep, 1], sample.doings, actor, rng)


def _recoloured(picture: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """Change brightness, contrast and colour a little, and lose the colour now and then."""
    gain = rng.uniform(0.7, 1.3) * np.exp(rng.normal(0, 0.06, 3))
    lift = rng.uniform(-25, 25)
    table = np.clip(np.arange(256)[:, None] * gain + lift, 0, 255).astype(np.uint8)  # (256, 3)
    picture = cv2.LUT(np.ascontiguousarray(picture), table[None])
    if rng.random() < 0.05:
        picture = cv2.cvtColor(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
    return picture


def _labelled(
    boxes: NDArray[np.float32],
    labels: NDArray[np.float32],
    scores: NDArray[np.float32],
    doings: tuple[Doing, ...],
    actor: NDArray[np.float32] | None,
    rng: np.random.Generator,
) -> Labels:
    """Join what the topic says people do with the objects that were detected around them."""
    people = _actors(boxes, labels, scores, actor) if doings else []
    verbs, weights = verb_labels(doings)
    pairs, pair_verbs, pair_weights, pair_actions = [], [], [], []
    person_verbs, person_weights = np.tile(verbs, (len(people), 1)), np.tile(weights, (len(people), 1))
    for row, person in enumerate(people):
        near = [n for n in _within_reach(boxes, boxes[person]) if n != person and labels[n] > 0]
        done_to = {n: {d.verb for d in doings if int(labels[n]) - 1 in d.classes} for n in near}
        for doing in doings:
            if doing.classes and not doing.sure and any(doing.verb in done_to[n] for n in near):
                person_weights[row, doing.verb] = 1.0  # it may be done, and what it is done with lies at hand
                person_verbs[row, doing.verb] = 0.8
        near.sort(key=lambda n: (not done_to[n], rng.random()))
        for n in near[: MOST_PAIRS // max(len(people), 1) + 1]:
            target = np.array([float(v in done_to[n]) for v in range(len(VERB_NAMES))], np.float32)
            known = person_weights[row] * (1 - target) + target * np.where(person_verbs[row] >= 0.5, 1.0, 0.3)
            takes_object = np.array([bool(VERBS[verb]) for verb in VERB_NAMES])
            pairs.append((row, n))
            pair_verbs.append(target * np.maximum(person_verbs[row], 0.6))
            pair_weights.append(known * takes_object)
            first = [_nearest(near, boxes, person, v, done_to) == n for v in range(len(VERB_NAMES))]
            pair_actions.append([bool(target[v]) and first[v] for v in VERB_OF_ACTION])
    return Labels(
        torch.from_numpy(boxes),
        torch.from_numpy(labels.astype(np.int64)),
        torch.tensor(people, dtype=torch.int64),
        torch.from_numpy(person_verbs.astype(np.float32)),
        torch.from_numpy(person_weights.astype(np.float32)),
        torch.tensor(pairs, dtype=torch.int64).reshape(-1, 2),
        torch.from_numpy(np.array(pair_verbs, np.float32).reshape(-1, len(VERB_NAMES))),
        torch.from_numpy(np.array(pair_weights, np.float32).reshape(-1, len(VERB_NAMES))),
        torch.tensor(pair_actions, dtype=torch.bool).reshape(-1, len(ACTIONS)),
    )


def verb_labels(doings: tuple[Doing, ...], named: float = 1.0) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the verbs (26,) that a topic tells, 0..1, and how much each counts (26,), `named` if it is sure."""
    verbs = np.zeros(len(VERB_NAMES), np.float32)
    weights = np.array([COMMON_ABSENT if verb in COMMON else ABSENT for verb in VERB_NAMES], np.float32)
    for doing in doings:
        verbs[doing.verb], weights[doing.verb] = (1.0, named) if doing.sure else (0.5, UNSURE)
    return verbs, weights


def _actors(
    boxes: NDArray[np.float32],
    labels: NDArray[np.float32],
    scores: NDArray[np.float32],
    actor: NDArray[np.float32] | None,
) -> list[int]:
    """Choose who the topic is about: the one that is known, or else everyone who is large."""
    people = np.flatnonzero((labels == PERSON + 1) & (scores > SURE))
    if not len(people):
        return []
    if actor is not None:
        overlap = iou(boxes[people], actor)
        return [int(people[overlap.argmax()])] if overlap.max() >= 0.5 else []
    people = people[scores[people] > ACTOR_SCORE]
    area = _area(boxes[people])
    people = people[area >= ACTOR_SIZE * area.max(initial=0)]
    return [int(person) for person in people[:MOST_PEOPLE]]


def _within_reach(boxes: NDArray[np.float32], person: NDArray[np.float32]) -> list[int]:
    reach = np.tile(person[2:] - person[:2], 2) * NEAR * (-1, -1, 1, 1) + person
    apart = (boxes[:, 0] > reach[2]) | (boxes[:, 2] < reach[0]) | (boxes[:, 1] > reach[3]) | (boxes[:, 3] < reach[1])
    return [int(n) for n in np.flatnonzero(~apart)]


def _nearest(
    near: Sequence[int], boxes: NDArray[np.float32], person: int, verb: int, done_to: dict[int, set[int]]
) -> int:
    """Return which of the objects that a verb may be done to is nearest to a person."""
    centre = boxes[person, :2] + boxes[person, 2:]
    fitting = [n for n in near if verb in done_to[n]]
    return min(fitting, key=lambda n: float(np.abs(boxes[n, :2] + boxes[n, 2:] - centre).sum()), default=-1)


def _area(boxes: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.prod(np.maximum(boxes[:, 2:] - boxes[:, :2], 0), axis=1)
