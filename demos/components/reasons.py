"""What people do, as tags and tables: the score of each interaction, and what it is made of."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from demos.components import render
from vision_models.interactions.drawing import alone, deed, names, percent, person_number, verb_words
from vision_models.interactions.ranking import Interaction
from vision_models.interactions.result import Interactions
from vision_models.interactions.vocabulary import ACTIONS, VERB_NAMES, VERBS, Action

TABLE_ROWS = 60
CANDIDATES = 5
PRODUCT = ("Person found", "Object found", "Action", "Place")  # as in the paper
SHARES = ("Person found", "Action", "Target", "Object found", "Place")
JOINT = ("Photo is about them", "Does it with this", "Detection is right", "Place")
TRAINED_ON = """They learned what people do from 2,700 photos of V-COCO, in which everybody's actions are labelled, from
captions of COCO's photos, and from Stanford 40."""


@dataclass(frozen=True)
class Cell:
    """A cell of a table."""

    text: str
    strong: bool = False
    mark: str = ""


@dataclass(frozen=True)
class Row:
    """A row of a table: its head and its cells."""

    head: str
    cells: list[Cell] = field(default_factory=list)
    taken: bool = False


def figure(value: float) -> str:
    """Return a factor with the digits that products can be checked with."""
    return f"{value:.3f}" if value >= 0.0005 else "< 0.001"


def columns(found: Interactions) -> tuple[str, ...]:
    """Return what scores are made of: the paper's factors, or what the network has instead."""
    if found.factors.pairs is not None:
        return JOINT
    return SHARES if found.factors.relative else PRODUCT


def explanation(found: Interactions) -> str:
    """Say how `columns` make a score."""
    return {
        JOINT: "Score = how likely the photo is about this person × how likely they do it with this object, judged by "
        "the person, what the object is, and where both are × how likely its detection is right. Place is no factor.",
        SHARES: "Score = person × action × target, where target is how likely it is this one among all that it could "
        "be: by object found × place × how usual such an object is.",
        PRODUCT: "Score = person × object × action × place.",
    }[columns(found)]


def factors(one: Interaction, heads: Sequence[str]) -> list[Cell]:
    """Return the cells below `columns`."""
    values = {
        "Person found": figure(one.person_score),
        "Photo is about them": figure(one.person_score),
        "Object found": "–" if one.object is None else figure(one.object_score),
        "Action": figure(one.action_score),
        "Does it with this": figure(one.action_score),
        "Place": figure(one.location_score) if one.role else "–",
        "Detection is right": figure(one.target_score) if one.role else "–",
        "Target": figure(one.target_score) if one.role else "–",
    }
    return [Cell(values[head]) for head in heads]


def tags(found: Interactions, doubtful: Collection[str]) -> str:
    """Return HTML with what people do without an object, per person."""
    people = [
        {
            "number": person_number(found, person),
            "deeds": [{"words": deed(one, (), doubtful), "score": percent(one.score)} for one in deeds],
        }
        for person, deeds in sorted(alone(found).items(), key=lambda row: person_number(found, row[0]))
    ]
    return render("tags", people=people)


def table(found: Interactions, training_photos: Mapping[str, int]) -> str:
    """Return HTML with one row per interaction, readable by a screen reader, and folded what scores are made of."""
    if not found.interactions:
        return ""
    called, heads, rows, made_of = names(found), columns(found), [], []
    for one in found.interactions[:TABLE_ROWS]:
        if one.object is None:
            several = len(VERBS[one.verb]) > 1  # of which one may be found
            verb = verb_words(one.verb, one.role if several else None)
            thing = "not found" if one.role else "takes none"
        else:
            verb, thing = verb_words(one.verb, one.role), called[one.object]
        guess = "" if training_photos.get(one.verb) else "a guess: no sure training photos"
        number, said = str(person_number(found, one.person)), [Cell(verb, mark=guess), Cell(thing)]
        rows.append(Row(number, [*said, Cell(percent(one.score), strong=True)]))
        score = Cell(figure(one.score), strong=True)
        made_of.append(Row(number, [*said, score, *factors(one, heads)]))
    caption = "How sure the network is of each."
    if len(found.interactions) > TABLE_ROWS:
        caption += f" The best {TABLE_ROWS} of {len(found.interactions)}; the saved table has them all."
    first = ("Person", "Verb", "Object")
    return render("table", caption=caption, heads=(*first, "How sure"), rows=rows) + render(
        "folded",
        summary="What each score is made of",
        caption=explanation(found),
        heads=(*first, "Score", *heads),
        rows=made_of,
    )


def candidates(
    found: Interactions, person: int, action: Action, *, location: bool, interaction: bool
) -> tuple[str, int | None]:
    """Return HTML with the factors of what the object could be, and which box the model takes, if any."""
    column, called = ACTIONS.index(action), names(found)
    ranked = found.candidates(person, *action, location=location, interaction=interaction, most=CANDIDATES)
    usual, parts = np.exp(found.factors.compatibility[:, column]), columns(found)
    number, verb = person_number(found, person), verb_words(*action)
    caption = f"What person {number} could “{verb}”"
    if not ranked:
        return render("status", text=f"{caption}: there is nothing else in this photo.", kind=""), None
    rows = []
    for place, one in enumerate(ranked):
        cells = [Cell(figure(one.score), strong=True), *factors(one, parts)]
        if parts == SHARES:
            cells.append(Cell("–" if one.object is None else figure(float(usual[one.object]))))
        rows.append(Row("not found" if one.object is None else called[one.object], cells, taken=place == 0))
    heads = ("Object", "Score", *parts, *(("Usual object",) if parts == SHARES else ()))
    said = (
        f"The dashed box is where the network expected what person {number} could “{verb}”, judged by the person "
        f"alone, before any object was looked at. The brighter, the likelier. It chose {taken(found, ranked[0])}."
    )
    table_of_all = render("folded", summary=caption, caption="The best score is taken.", heads=heads, rows=rows)
    return render("status", text=said, kind="") + table_of_all, ranked[0].object


def taken(found: Interactions, one: Interaction) -> str:
    """Return in words what was taken for an object."""
    if one.object is None:
        return f"none of what it found ({percent(one.score)})"
    article = "" if one.object in found.people else "the "
    return f"{article}{names(found)[one.object]} ({percent(one.score)})"


def knowledge(training_photos: Mapping[str, int]) -> str:
    """Return HTML that says how many photos of each verb the weights have learned from, and whose idea it was."""
    photos = {verb: training_photos.get(verb, 0) for verb in VERB_NAMES}
    ranked: Sequence[str] = sorted(photos, key=lambda verb: -photos[verb])
    return render(
        "knowledge",
        trained_on=TRAINED_ON,
        well=", ".join(f"{verb_words(verb)} ({photos[verb]:,.0f})" for verb in ranked[:6] if photos[verb]),
        never=", ".join(verb_words(verb) for verb in ranked if not photos[verb]),
        summary=f"All {len(ranked)} verbs",
        caption="Training photos that show a verb for sure",
        heads=("Verb", "Photos"),
        rows=[Row(verb_words(verb), [Cell(f"{photos[verb]:,.0f}")]) for verb in ranked],
    )
