"""How well InteractNet finds objects, verbs and their targets, on photos that training never saw."""

from __future__ import annotations

import json
import logging
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vision_models.errors import DataError, PhotoError
from vision_models.interactions.boxes import iou
from vision_models.interactions.evaluation.hico_metrics import FoundPairs, TruePairs, evaluate_hico
from vision_models.interactions.evaluation.metrics import FoundObjects, TrueObjects, evaluate_boxes
from vision_models.interactions.evaluation.pair_recall import PairRecall, pair_recall
from vision_models.interactions.evaluation.reliability import Answer, judged, reliability
from vision_models.interactions.evaluation.target_choice import target_choice
from vision_models.interactions.evaluation.vcoco import read_ground_truth, read_photo_index, read_vcoco
from vision_models.interactions.evaluation.vcoco_metrics import VCOCO, FoundPeople, TruePeople, evaluate_vcoco
from vision_models.interactions.predictor import InteractionPredictor
from vision_models.interactions.result import Interactions
from vision_models.interactions.training.data import read_coco128, stanford40_actor
from vision_models.interactions.training.subjects import COMMON, TOPICS, Doing, Topics
from vision_models.interactions.vocabulary import ACTIONS, OBJECTS, PERSON, VERB_NAMES
from vision_models.media.photos import read_photo

LOG = logging.getLogger(__name__)

TOP = 3  # verbs of a person that are looked at
SPORTS100_PARTS = ("valid", "test")
Report = Callable[[str], None]

# What is done to find out what each factor of the score is worth.
ABLATIONS: dict[str, dict[str, bool]] = {
    "all factors": {},
    "without the target density g": {"location": False},
    "without the interaction branch": {"interaction": False},
    "without both": {"location": False, "interaction": False},
    "as in the paper, without extras": {"extras": False},
}


@dataclass(frozen=True, eq=False)
class Case:
    """A test photo and what its topic tells."""

    path: Path
    doings: tuple[Doing, ...]
    actor: NDArray[np.float32] | None  # (4,) whom it is about; the largest person where nobody says


@dataclass
class Tally:
    """Counts over cases, for one way of ranking."""

    verbs: int = 0  # cases with a verb that the topic surely shows
    verb_found: int = 0  # one of them among the best three of the person
    objects: int = 0  # cases where the topic names classes for such a verb
    object_found: int = 0  # one of them among the best three, and done to an object of its classes
    scores: dict[str, list[tuple[float, bool]]] = field(default_factory=lambda: defaultdict(list))  # of each verb


def stanford40_cases(root: Path, topics: Topics = TOPICS) -> Iterator[Case]:
    """Yield the official test photos of Stanford 40."""
    for split in sorted((root / "stanford40" / "ImageSplits").glob("*_test.txt")):
        for name in split.read_text().split():
            path = root / "stanford40" / "JPEGImages" / name
            yield Case(path, topics.get(("stanford40", name.rsplit("_", 1)[0]), ()), stanford40_actor(root, name))


def sports100_cases(root: Path, topics: Topics = TOPICS) -> Iterator[Case]:
    """Yield the validation and test photos of 100 sports."""
    for part in SPORTS100_PARTS:
        for path in sorted((root / "sports100" / "data" / part).glob("*/*.jpg")):
            yield Case(path, topics.get(("sports100", path.parent.name), ()), None)


def evaluate_topics(title: str, cases: Iterable[Case], predictor: InteractionPredictor) -> str:
    """Ask whether the verbs of a photo's topic are among the best three of its person, and what they are done to.

    A person counts as found at an IoU of 0.5 with the one the photo is about; a photo whose person is not found counts
    as wrong. Where nobody says whom a photo is about, it is the largest person found.

    Returns:
        Markdown: a table of the ablations, and the average precision of each verb over the photos.
    """
    tallies = {name: Tally() for name in ABLATIONS}
    for number, case in enumerate(cases):
        sure = {doing.verb: doing for doing in case.doings if doing.sure}
        if not sure:
            continue
        found = predictor.detect(read_photo(case.path))
        for name, tally in tallies.items():
            _count(tally, case, sure, found.rank_again(**ABLATIONS[name]))
        if number % 500 == 0:
            LOG.info(f"{number:>7} photos of {title}")
    rows = [
        f"| {name} | {_percent(t.verb_found, t.verbs)} | {_percent(t.object_found, t.objects)} |"
        for name, t in tallies.items()
    ]
    first = tallies["all factors"]
    shown = [verb for verb in VERB_NAMES if any(is_done for _, is_done in first.scores[verb])]
    precisions = [
        f"| {verb} | {sum(is_done for _, is_done in first.scores[verb])} of {len(first.scores[verb])} "
        f"| {100 * _average_precision(first.scores[verb]):.1f} |"
        for verb in shown
    ]
    return "\n".join(
        [
            f"### {title}: {first.verbs} photos, {first.objects} whose topic names an object",
            "",
            f"| | verb in the top {TOP} | and with the right object |",
            "| --- | ---: | ---: |",
            *rows,
            "",
            "| verb | photos that surely show it | AP |",
            "| --- | ---: | ---: |",
            *precisions,
            "",
        ]
    )


def _count(tally: Tally, case: Case, sure: dict[int, Doing], found: Interactions) -> None:
    person = _person(found, case.actor)
    best: dict[int, float] = {}
    done_to: dict[int, set[int]] = defaultdict(set)  # verb: classes
    for one in found.interactions:
        if one.person == person:
            verb = VERB_NAMES.index(one.verb)
            if one.object is not None:
                done_to[verb].add(OBJECTS.index(found.name(one.object)))
            best[verb] = max(best.get(verb, 0.0), one.score)
    top = sorted(best, key=lambda verb: -best[verb])[:TOP]
    tally.verbs += 1
    tally.verb_found += any(verb in sure for verb in top)
    with_object = {verb: set(doing.classes) for verb, doing in sure.items() if doing.classes}
    if with_object:
        tally.objects += 1
        tally.object_found += any(verb in top and done_to[verb] & classes for verb, classes in with_object.items())
    named = {doing.verb for doing in case.doings}
    for verb, name in enumerate(VERB_NAMES):
        if verb in sure or (verb not in named and name not in COMMON):
            tally.scores[name].append((best.get(verb, 0.0), verb in sure))


def _person(found: Interactions, actor: NDArray[np.float32] | None) -> int | None:
    if not found.people:
        return None
    boxes = found.boxes[list(found.people)]
    if actor is None:
        return found.people[int(np.prod(boxes[:, 2:] - boxes[:, :2], axis=1).argmax())]
    overlap = iou(boxes, actor[None])
    return found.people[int(overlap.argmax())] if overlap.max() >= 0.5 else None


def _average_precision(pairs: Sequence[tuple[float, bool]]) -> float:
    """Mean of the precision at every positive; of equal scores, negatives come first."""
    ordered = np.array([positive for _, positive in sorted(pairs, key=lambda pair: (-pair[0], pair[1]))])
    return float((np.cumsum(ordered) / np.arange(1, len(ordered) + 1))[ordered].mean())


def _percent(part: int, whole: int) -> str:
    return f"{100 * part / whole:.1f} %" if whole else "-"


def evaluate_detector(root: Path, predictor: InteractionPredictor) -> str:
    """Measure the object detector on the held-out photos of coco128, by COCO's rules.

    Returns:
        A Markdown table.
    """
    truth, found = [], []
    for sample, held_out in read_coco128(root):
        if held_out:
            here = predictor.detect(read_photo(sample.path))
            labels = sample.boxes[:, 0].astype(np.int64)
            truth.append(TrueObjects(sample.boxes[:, 2:], labels, np.zeros(len(labels), np.bool_)))
            found.append(FoundObjects(here.boxes, np.array([OBJECTS.index(n) for n in here.labels], int), here.scores))
    result = evaluate_boxes(truth, found)
    return "\n".join(
        [
            f"### Objects: {len(truth)} photos of COCO train2017, {sum(len(t.labels) for t in truth)} boxes",
            "",
            "Held out from our training; the detector of the bundled weights has seen them in its own.",
            "",
            "| COCO AP | AP50 | person AP | person AP50 |",
            "| ---: | ---: | ---: | ---: |",
            f"| {result.ap:.3f} | {result.ap50:.3f} | {result.classes[PERSON]:.3f} | {result.classes50[PERSON]:.3f} |",
            "",
        ]
    )


def evaluate_target_choice(annotations: Path, predictor: InteractionPredictor, instances: Path | None = None) -> str:
    """Measure how often the right object is chosen for the people of V-COCO val, given true boxes and verbs.

    Without pixels: the expected places are what a person's box alone tells.

    Args:
        annotations: V-COCO's labels and boxes (see `vcoco.py`).
        predictor: whose `Relations` are measured.
        instances: COCO's annotations, with all people and objects of the photos.

    Returns:
        A Markdown table.
    """
    choice = target_choice(predictor.network.relations, read_vcoco(annotations, "val", instances))
    rows = {
        "any of them": choice.chance,
        "the nearest": choice.nearest,
        "as in the paper: mu, sigma 0.3": choice.paper,
        "with the extras": choice.learned,
    }
    told_apart = (
        f"Told apart: {100 * choice.visible:.1f} % of {choice.visible_cases} targets that are visible, "
        f"{100 * choice.vacant:.1f} % of {choice.vacant_cases} that are not."
    )
    return "\n".join(
        [
            f"### Target choice on V-COCO val, {choice.cases} people with at least two objects to choose from",
            "",
            "| choice | right |",
            "| --- | ---: |",
            *(f"| {name} | {100 * share:.1f} % |" for name, share in rows.items()),
            "",
            told_apart,
            "",
        ]
    )


def evaluate_vcoco_photos(
    annotations: Path,
    photos: Path,
    predictor: InteractionPredictor,
    *,
    split: str = "val",
    instances: Path | None = None,
) -> str:
    """Measure AP_agent and AP_role on V-COCO's photos by the official rules, with all factors and without some.

    Args:
        annotations: V-COCO's `vcoco_<split>.json` and the boxes of their people and objects (see `vcoco.py`).
        photos: COCO's photos, named COCO_train2014_<number>.jpg or <number>.jpg.
        predictor: what is measured.
        split: "train" or "val".
        instances: COCO's annotations, with all people and objects of the photos.

    Raises:
        DataError: none of the photos is there.
    """
    names = ("{:012d}.jpg", "COCO_train2014_{:012d}.jpg", "COCO_val2014_{:012d}.jpg")
    truth = {}
    for photo, people in read_ground_truth(annotations, split, instances).items():
        path = next((photos / n.format(photo) for n in names if (photos / n.format(photo)).exists()), None)
        if path:
            truth[path] = people
    if not truth:
        raise DataError(f"None of V-COCO's photos is in {photos}. Download COCO's train2014 photos.")
    return _vcoco_tables(f"V-COCO {split}", truth, predictor)


def evaluate_photo_index(
    index: Path, photos: Path, predictor: InteractionPredictor, *, split: str = "val", limit: int | None = None
) -> str:
    """Measure the same on the photos of an index (see `vcoco.read_photo_index`), the first `limit` of those there are.

    Raises:
        DataError: none of the photos is there.
    """
    known = {photos / name: people for name, people in read_photo_index(index, split).items()}
    truth = dict([(path, people) for path, people in known.items() if path.exists()][:limit])
    if not truth:
        raise DataError(f"None of the photos that {index.name} names is in {photos}.")
    return _vcoco_tables(f"V-COCO {split}", truth, predictor)


def _vcoco_tables(title: str, truth: Mapping[Path, TruePeople], predictor: InteractionPredictor) -> str:
    people = list(truth.values())
    found: dict[str, list[FoundPeople]] = {name: [] for name in ABLATIONS}
    recall = PairRecall(0, 0, 0)
    answers: list[Answer] = []
    for number, (path, true) in enumerate(truth.items()):
        here = predictor.detect(read_photo(path))
        recall += pair_recall(true, here)
        answers += judged(true, here)
        for name, each in found.items():
            each.append(FoundPeople.of(here.rank_again(**ABLATIONS[name])))
        if number % 500 == 0:
            LOG.info(f"{number:>7} photos of V-COCO")
    measured = {name: evaluate_vcoco(people, each) for name, each in found.items()}
    rows = []
    for name, r in measured.items():
        figures = (r.agent, r.role_1, r.role_1_without_point, r.role_2, r.role_2_without_point)
        rows.append(f"| {name} | " + " | ".join(f"{100 * figure:.1f}" for figure in figures) + " |")
    return "\n".join(
        [
            f"### {title}, {len(truth)} photos",
            "",
            "| | AP_agent | AP_role 1 (25) | AP_role 1 (24) | AP_role 2 (25) | AP_role 2 (24) |",
            "| --- | ---: | ---: | ---: | ---: | ---: |",
            *rows,
            "",
            str(recall),
            "",
            reliability(answers),
            "| with all factors | AP_agent | AP_role 1 | AP_role 2 |",
            "| --- | ---: | ---: | ---: |",
            *_per_action(measured["all factors"]),
            "",
        ]
    )


def _per_action(measured: VCOCO) -> Iterator[str]:
    def figures(*values: float) -> str:
        return " | ".join("–" if np.isnan(value) else f"{100 * value:.1f}" for value in values)

    for row, verb in enumerate(VERB_NAMES):
        roles = [column for column, action in enumerate(ACTIONS) if action.verb == verb]
        if not roles:
            yield f"| {verb} | {figures(measured.agents[row], np.nan, np.nan)} |"
        for column in roles:
            parts = measured.agents[row], measured.scenario_1[column], measured.scenario_2[column]
            yield f"| {verb}, {ACTIONS[column].role} | {figures(*parts)} |"


# HICO-DET's verbs that are one of V-COCO's. Its other verbs are out of this model's reach and count as not found.
HICO_VERBS = {
    "carry": "carry",
    "catch": "catch",
    "cut": "cut",
    "cut_with": "cut",
    "drink_with": "drink",
    "eat": "eat",
    "hit": "hit",
    "hold": "hold",
    "jump": "jump",
    "kick": "kick",
    "lie_on": "lay",
    "point": "point",
    "read": "read",
    "ride": "ride",
    "sit_on": "sit",
    "sit_at": "sit",
    "swing": "hit",
    "talk_on": "talk_on_phone",
    "throw": "throw",
    "type_on": "work_on_computer",
    "watch": "look",
}


def evaluate_hico_photos(annotations: Path, photos: Path, predictor: InteractionPredictor) -> str:
    """Measure on HICO-DET's test photos: full, rare and non-rare, in the Default and the Known Object setting.

    Args:
        annotations: Folder with `instances_train2015.json` and `instances_test2015.json` in the layout of
            github.com/fredzzhang/hicodet.
        photos: Folder of the test photos.
        predictor: what is measured.

    Raises:
        DataError: none of the photos is there.
    """
    test = json.loads((annotations / "instances_test2015.json").read_text())
    train = json.loads((annotations / "instances_train2015.json").read_text())
    names = [(test["verbs"][verb], test["objects"][thing]) for _, thing, verb in sorted(test["correspondence"])]
    classes = [(HICO_VERBS.get(verb, f"{verb} is not one of ours"), thing.replace("_", " ")) for verb, thing in names]
    training = np.bincount([h for photo in train["annotation"] for h in photo["hoi"]], minlength=len(classes))
    truth, found = [], []
    for number, (name, photo) in enumerate(zip(test["filenames"], test["annotation"], strict=True)):
        if not (photos / name).exists():
            continue
        try:
            found.append(FoundPairs.of(predictor.detect(read_photo(photos / name)), classes))
        except PhotoError as error:
            LOG.info(f"{name}: {error}")
            continue
        # HICO-DET counts pixels from 1, our boxes from 0.
        people, objects = (np.array(photo[key], np.float64).reshape(-1, 4) - 1 for key in ("boxes_h", "boxes_o"))
        truth.append(TruePairs(people, objects, np.array(photo["hoi"], np.int64)))
        if number % 500 == 0:
            LOG.info(f"{number:>7} photos of HICO-DET")
    if not truth:
        raise DataError(f"None of HICO-DET's test photos is in {photos}. Download them.")
    things = np.array([thing for _, thing, _ in sorted(test["correspondence"])])
    rows = []
    for setting, objects_of in (("Default", None), ("Known Object", things)):
        result = evaluate_hico(truth, found, training, objects_of)
        figures = " | ".join(f"{100 * figure:.2f}" for figure in (result.full, result.rare, result.non_rare))
        rows.append(f"| {setting} | {figures} |")
    heading = f"### HICO-DET test, {len(truth)} photos"
    columns = ["| setting | full | rare | non-rare |", "| --- | ---: | ---: | ---: |"]
    return "\n".join([heading, "", *columns, *rows, ""])
