"""What people do, as tags and tables: the score of each interaction, and what it is made of."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from markupsafe import Markup

from demos.components import render
from vision_models.interactions.drawing import alone, deed, names, person_number, verb_words
from vision_models.interactions.ranking import Interaction
from vision_models.interactions.result import Interactions
from vision_models.interactions.vocabulary import ACTIONS, VERB_NAMES, VERBS, Action

TABLE_ROWS = 60
CANDIDATES = 5
PRODUCT = ("Person found", "Object found", "Action", "Place")  # as in the paper
SHARES = ("Person found", "Action", "Target", "Object found", "Place")
TRAINED_ON = """They were trained on photos labelled with an action or a sport (Stanford 40, 100 sports, 22 sports,
HAR-15, Willow 7, stills of clips), on objects that another detector found, and on the boxes of V-COCO."""


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


def factors(one: Interaction, *, relative: bool) -> list[Cell]:
    """Return the cells below `PRODUCT`, or below `SHARES` if targets count by their share among all candidates."""
    person, action = figure(one.person_score), figure(one.action_score)
    found = "–" if one.object is None else figure(one.object_score)
    place, target = (figure(n) if one.role else "–" for n in (one.location_score, one.target_score))
    return [
        Cell(text) for text in ([person, action, target, found, place] if relative else [person, found, action, place])
    ]


def tags(found: Interactions, doubtful: Collection[str]) -> str:
    """Return HTML with what people do without an object, per person."""
    people = [
        {
            "number": person_number(found, person),
            "deeds": [{"words": deed(one, (), doubtful), "score": one.score} for one in deeds],
        }
        for person, deeds in sorted(alone(found).items(), key=lambda row: person_number(found, row[0]))
    ]
    return render("tags", people=people)


def table(found: Interactions, training_photos: Mapping[str, int]) -> str:
    """Return HTML with one row per interaction: score and factors, readable by a screen reader."""
    if not found.interactions:
        return ""
    called, relative, rows = names(found), found.factors.relative, []
    for one in found.interactions[:TABLE_ROWS]:
        if one.object is None:
            several = len(VERBS[one.verb]) > 1  # of which one may be in view
            verb = verb_words(one.verb, one.role if several else None)
            thing = "not in view" if one.role else "takes none"
        else:
            verb, thing = verb_words(one.verb, one.role), called[one.object]
        guess = "" if training_photos.get(one.verb) else "a guess: no sure training photos"
        cells = [Cell(verb, mark=guess), Cell(thing), Cell(figure(one.score), strong=True)]
        rows.append(Row(str(person_number(found, one.person)), [*cells, *factors(one, relative=relative)]))
    caption = "Score = person × object × action × place."
    if relative:
        caption = (
            "Score = person × action × target, where target is how likely it is this one among all that it could be: "
            "by object found × place × how usual such an object is."
        )
    if len(found.interactions) > TABLE_ROWS:
        caption += f" The best {TABLE_ROWS} of {len(found.interactions)}; the saved table has them all."
    heads = ("Person", "Verb", "Object", "Score", *(SHARES if relative else PRODUCT))
    return render("table", caption=caption, heads=heads, rows=rows)


def candidates(
    found: Interactions, person: int, action: Action, *, location: bool, interaction: bool
) -> tuple[str, int | None]:
    """Return HTML with the factors of what the object could be, and which box the model takes, if any."""
    column, called = ACTIONS.index(action), names(found)
    ranked = found.candidates(person, *action, location=location, interaction=interaction, most=CANDIDATES)
    usual, relative = np.exp(found.factors.compatibility[:, column]), found.factors.relative
    caption = f"What person {person_number(found, person)} could “{verb_words(*action)}”"
    if not ranked:
        return render("status", text=f"{caption}: there is nothing else in this photo.", kind=""), None
    rows = []
    for place, one in enumerate(ranked):
        cells = [Cell(figure(one.score), strong=True), *factors(one, relative=relative)]
        if relative:
            cells.append(Cell("–" if one.object is None else figure(float(usual[one.object]))))
        rows.append(Row("not in view" if one.object is None else called[one.object], cells, taken=place == 0))
    heads = ("Object", "Score", *((*SHARES, "Usual object") if relative else PRODUCT))
    return render("table", caption=f"{caption}: the best score is taken.", heads=heads, rows=rows), ranked[0].object


def knowledge(training_photos: Mapping[str, int], origin: Markup) -> str:
    """Return HTML that says how many photos of each verb the weights have learned from, and whose idea it was."""
    photos = {verb: training_photos.get(verb, 0) for verb in VERB_NAMES}
    ranked: Sequence[str] = sorted(photos, key=lambda verb: -photos[verb])
    return render(
        "knowledge",
        trained_on=TRAINED_ON,
        well=", ".join(f"{verb_words(verb)} ({photos[verb]:,.0f})" for verb in ranked[:6] if photos[verb]),
        never=", ".join(verb_words(verb) for verb in ranked if not photos[verb]),
        count=len(ranked),
        caption="Training photos that show a verb for sure",
        heads=("Verb", "Photos"),
        rows=[Row(verb_words(verb), [Cell(f"{photos[verb]:,.0f}")]) for verb in ranked],
        origin=origin,
    )
