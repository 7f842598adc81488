"""Pictures of a result: who does what to which object, and where the model expects the object to be.

Functions from results to pictures and words; they know nothing of networks. Every picture may be smaller than the photo
that was looked at: boxes are scaled along.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageColor, ImageDraw, ImageFont, ImageOps

from vision_models.interactions.ranking import Interaction
from vision_models.interactions.result import Interactions
from vision_models.interactions.vocabulary import VERBS

# Bright, so that black words stand out on them; far apart in hue; with a dark rim they stand out on any photo.
COLOURS = ("#ff6b3d", "#00b8d4", "#ffb000", "#b98cff", "#7ac943", "#ff6fae", "#6f9bff", "#e0c52e")
WHITE, INK = "#ffffff", "#171312"
EXPECTED = "#ffd166"  # the dashed box of the density view
GLOW = "#ff6b3d", "#fff3c4"  # of a low and of a high density
LETTERS = 50  # of them, one above the other, are as high as a picture's longer side
LARGE_LETTERS = 29  # the same across its width: 12 pixels on a phone, where a picture is 350 wide
FILL = 0.1  # opacity of a box's inside
DIMMED = 0.4  # of a photo's brightness, under a density

# What English puts between a verb and its object.
_PREPOSITIONS = {
    "drink": "from",
    "jump": "on",
    "lay": "on",
    "look": "at",
    "point": "at",
    "sit": "on",
    "ski": "on",
    "skateboard": "on",
    "snowboard": "on",
    "surf": "on",
}


Box: TypeAlias = tuple[int, int, int, int]  # x1, y1, x2, y2 in pixels of the picture


@dataclass(frozen=True)
class Pair:
    """A person, an object, and everything that the person does with it."""

    person: int  # index into the boxes
    object: int  # index into the boxes
    interactions: tuple[Interaction, ...]  # best first
    colour: str  # "#rrggbb"; depends on the two boxes alone, so that a filter changes no colour


# ---- words


def names(found: Interactions) -> tuple[str, ...]:
    """Return what each box is called: "person 1", "person 2"; "cup" for the surest cup, "cup 2" for the next."""
    order = [*found.people, *(box for box in range(len(found.labels)) if box not in found.people)]
    called = [""] * len(order)
    counts: dict[str, int] = {}
    for box in order:
        label = found.labels[box]
        counts[label] = counts.get(label, 0) + 1
        called[box] = f"{label} {counts[label]}" if counts[label] > 1 or box in found.people else label
    return tuple(called)


def verb_words(verb: str, role: str | None = None) -> str:
    """Return a verb as people write it; with a role, the way it leads up to the object that plays it."""
    words = {"lay": "lie"}.get(verb, verb).replace("_", " ")
    if role is None:
        return words
    if len(VERBS[verb]) > 1:
        return f"{words} with" if role == "instr" else words
    if verb in {"talk_on_phone", "work_on_computer"}:  # their object is in the name
        return words.rsplit(" ", 1)[0]
    return f"{words} {_PREPOSITIONS[verb]}" if verb in _PREPOSITIONS else words


def deed(one: Interaction, called: Mapping[int, str] | Sequence[str], doubtful: Collection[str] = ()) -> str:
    """Return what is done, such as "rides horse", "smiles", "holds (object not found)".

    Args:
        one: the interaction.
        called: what `names` says.
        doubtful: verbs to be followed by a question mark.
    """
    verb = third_person(verb_words(one.verb, one.role if one.object is not None else None))
    verb += "?" if one.verb in doubtful else ""
    if one.object is not None:
        return f"{verb} {called[one.object]}"
    return f"{verb} (object not found)" if one.role else verb


def third_person(words: str) -> str:
    """Return what he or she does: "rides", "sits on", "carries"."""
    verb, *rest = words.split(" ")
    if verb.endswith("y") and verb[-2] not in "aeiou":
        verb = f"{verb[:-1]}ies"
    else:
        verb += "es" if verb.endswith(("ch", "sh", "s", "x")) else "s"
    return " ".join([verb, *rest])


def percent(score: float) -> str:
    """Return a score as the page says it."""
    return f"{100 * score:.0f} %"


def person_number(found: Interactions, person: int) -> int:
    """Return the number of a person on the picture: 1 for the first of `found.people`."""
    return found.people.index(person) + 1


def pair_label(found: Interactions, pair: Pair, doubtful: Collection[str] = ()) -> str:
    """Return a pair in words: "Person 1 rides horse · 62 %", "Person 1 rides horse · 62 %, holds it · 31 %"."""
    called = names(found)
    first, *others = pair.interactions
    said = [f"{deed(first, called, doubtful)} · {percent(first.score)}"]
    for one in others:
        verb = deed(one, dict.fromkeys(range(len(called)), "it"), doubtful)
        said.append(f"{verb} · {percent(one.score)}")
    return f"Person {person_number(found, pair.person)} {', '.join(said)}"


def pairs(found: Interactions) -> list[Pair]:
    """Group the interactions that have an object by person and object; the best pair first."""
    grouped: dict[tuple[int, int], list[Interaction]] = {}
    for one in found.interactions:
        if one.object is not None:
            grouped.setdefault((one.person, one.object), []).append(one)
    return [
        Pair(person, thing, tuple(group), COLOURS[(5 * found.people.index(person) + thing) % len(COLOURS)])
        for (person, thing), group in grouped.items()
    ]


def alone(found: Interactions) -> dict[int, list[Interaction]]:
    """Return, per person, what they do without an object, best first; each verb once, whatever its roles.

    A verb that the person does with an object is left out: that they hit with the racket leaves no doubt of the hit,
    even if the ball was not found.
    """
    tags: dict[int, list[Interaction]] = {}
    done = {(one.person, one.verb) for one in found.interactions if one.object is not None}
    for one in found.interactions:
        if one.object is None and (one.person, one.verb) not in done:
            done.add((one.person, one.verb))
            tags.setdefault(one.person, []).append(one)
    return tags


def active(found: Interactions) -> tuple[int, ...]:
    """Return the people who do anything, in the order of their numbers."""
    acting = {one.person for one in found.interactions}
    return tuple(person for person in found.people if person in acting)


# ---- pictures


def draw(
    image: NDArray[np.uint8], found: Interactions, *, links: bool = True, doubtful: Collection[str] = ()
) -> NDArray[np.uint8]:
    """Draw people and objects, the lines that join them, and what is done.

    Args:
        image: (H, W, 3) sRGB, the photo or a smaller copy of it.
        found: what is drawn: the people and objects of its interactions.
        links: without, only the people with their numbers: the ground for layers of `draw_pair`.
        doubtful: verbs to be followed by a question mark.

    Returns:
        A new picture of the size of `image`.
    """
    picture = Image.fromarray(image).convert("RGB")
    canvas = _Canvas(picture, found, LETTERS if links else LARGE_LETTERS)
    called, tags, shown = names(found), alone(found), pairs(found) if links else []
    people = active(found)
    for person in people:
        canvas.box(person, WHITE)
    for pair in reversed(shown):  # the best on top
        canvas.pair(pair)
    if not links:
        canvas.numbers(found, people)
        return np.asarray(picture)
    for person in people:
        number = str(person_number(found, person))
        done = [f"{deed(one, called, doubtful)} {percent(one.score)}" for one in tags.get(person, ())[:3]]
        texts = [f"{number} {', '.join(done[:most])}" for most in range(len(done), 0, -1)]
        canvas.write(person, WHITE, *texts, number)
    for pair in shown:
        label = pair_label(found, pair, doubtful)
        canvas.write(pair.object, pair.colour, label, label.split(",")[0])
    return np.asarray(picture)


def draw_pair(found: Interactions, pair: Pair, width: int, height: int) -> NDArray[np.uint8]:
    """Draw one pair and the name of its object, as a layer over a picture of `width` x `height` pixels.

    Returns:
        (height, width, 4) sRGB and opacity.
    """
    layer = Image.new("RGBA", (width, height))
    canvas = _Canvas(layer, found, LARGE_LETTERS)
    colour = ImageColor.getrgb(pair.colour)
    for box in (pair.person, pair.object):
        canvas.pen.rectangle(canvas.place(box), fill=(*colour[:3], round(255 * FILL)))
    canvas.pair(pair)
    canvas.numbers(found, ())  # the layers of several pairs lie over each other and over these: all keep their places
    called = names(found)
    for thing in dict.fromkeys(one.object for one in pairs(found)):
        if thing not in found.people:
            canvas.write(thing, pair.colour, called[thing], unseen=thing != pair.object)
    return np.asarray(layer)


def draw_expectation(
    image: NDArray[np.uint8],
    found: Interactions,
    person: int,
    verb: str,
    role: str | None = None,
    *,
    chosen: int | None = None,
) -> NDArray[np.uint8]:
    """Draw where the object of a verb is expected: the density over the dimmed photo, and the box that mu stands for.

    The brightest place is the likeliest one of this picture.

    Args:
        image: (H, W, 3) sRGB, the photo or a smaller copy of it.
        found: of this photo.
        person: index into the boxes.
        verb: one that takes an object.
        role: of verbs with two; the first by default.
        chosen: the box that was taken for the object, if any.

    Raises:
        ValueError: for an index that is no person's, or a verb that takes no object.
    """
    height, width = image.shape[:2]
    small = scaled(found, width, height)
    likely = small.density(person, verb, role)
    likely = (likely - likely.min()) / max(float(np.ptp(likely)), 1e-9)  # a wide density would wash out the picture
    heat = Image.fromarray(np.rint(likely**2 * 255).astype(np.uint8))
    photo = Image.fromarray(image)
    dimmed = Image.blend(photo, photo.convert("L").convert("RGB"), 0.5).point(lambda level: level * DIMMED)
    glow = ImageOps.colorize(heat, *GLOW)
    picture = Image.composite(glow, dimmed, heat.point(lambda level: level * 0.85))
    canvas = _Canvas(picture, small)
    called = names(found)
    canvas.box(person, WHITE)
    if chosen is not None:
        canvas.box(chosen, COLOURS[1])
    far = 2 * max(width, height)  # out of sight
    x1, y1, x2, y2 = np.clip(small.expected_box(person, verb, role), -far, far).round().astype(int).tolist()
    canvas.dashes((x1, y1, x2, y2), EXPECTED)
    canvas.write(person, WHITE, called[person])
    if chosen is not None:
        canvas.write(chosen, COLOURS[1], called[chosen])
    canvas.write_beside((x1, y1, x2, y2), EXPECTED, "expected here")
    return np.asarray(picture)


def scaled(found: Interactions, width: int, height: int) -> Interactions:
    """Return the same result for a copy of the photo of another size."""
    scale = np.array([width / found.width, height / found.height] * 2, np.float32)
    return replace(found, width=width, height=height, boxes=found.boxes * scale)


# ---- what they are made of


class _Canvas:
    """A picture that is drawn on, with lines and letters that suit its size; boxes are given by their index."""

    def __init__(self, picture: Image.Image, found: Interactions, letters: int = LETTERS) -> None:
        self.width, self.height = picture.size
        self.pen = ImageDraw.Draw(picture)
        self.boxes = scaled(found, *picture.size).boxes
        people = [self.place(person) for person in found.people]
        self.line = max(2, round(max(picture.size) / 400))
        high = max(13, round((self.width if letters == LARGE_LETTERS else max(picture.size)) / letters))
        self.font = ImageFont.load_default(high)
        self.text_height = round(high * 1.35)
        self.taken = np.array(people, np.int64).reshape(-1, 4)  # where no words go: people, and other words

    def place(self, box: int) -> Box:
        """Return a box in whole pixels within the picture, three or more pixels wide and high."""
        x1, y1, x2, y2 = (round(float(n)) for n in self.boxes[box])
        x1, y1 = min(max(x1, 0), self.width - 3), min(max(y1, 0), self.height - 3)
        return x1, y1, min(max(x2, x1 + 2), self.width - 1), min(max(y2, y1 + 2), self.height - 1)

    def box(self, box: int, colour: str) -> None:
        place = self.place(box)
        self.pen.rectangle(_grown(place, 1), outline=INK, width=self.line + 2)
        self.pen.rectangle(place, outline=colour, width=self.line)

    def pair(self, pair: Pair) -> None:
        """Draw both boxes and the line that joins them."""
        self.box(pair.person, pair.colour)
        self.box(pair.object, pair.colour)
        ends = [_middle(self.place(box)) for box in (pair.person, pair.object)]
        dot = 2 * self.line
        for colour, wider in ((INK, 2), (pair.colour, 0)):
            self.pen.line(ends, fill=colour, width=self.line + wider)
            for x, y in ends:
                size = dot + wider / 2
                self.pen.ellipse((x - size, y - size, x + size, y + size), fill=colour)

    def dashes(self, box: Box, colour: str) -> None:
        """Draw a box in dashes, with dark ones between them, so that it is seen on the bright and the dim."""
        self.pen.rectangle(box, outline=INK, width=self.line + 1)
        x1, y1, x2, y2 = box
        corners = [(x1, y1), (x2, y1), (x2, y2), (x1, y2), (x1, y1)]
        dash = 5 * self.line
        for (ax, ay), (bx, by) in pairwise(corners):
            length = max(abs(bx - ax), abs(by - ay), 1)
            for begin in range(0, length, 2 * dash):
                end = min(begin + dash, length)
                ends = [(ax + (bx - ax) * n / length, ay + (by - ay) * n / length) for n in (begin, end)]
                self.pen.line(ends, fill=colour, width=self.line + 1)

    def numbers(self, found: Interactions, seen: Collection[int]) -> None:
        """Write the numbers of some people, where they stand whoever else is seen."""
        for person in found.people:
            self.write(person, WHITE, str(person_number(found, person)), unseen=person not in seen)

    def write(self, box: int, colour: str, *texts: str, unseen: bool = False) -> None:
        """Write the first text for which there is room beside a box. See `write_beside`."""
        self.write_beside(self.place(box), colour, *texts, unseen=unseen)

    def write_beside(self, box: Box, colour: str, *texts: str, unseen: bool = False) -> None:
        """Write the first of the texts for which there is room where no other words and no other person are.

        The room is at the box, or else near it with a line that leads there. Where there is none for any text,
        nothing is written: the words are beside the picture as well.

        Args:
            box: what is named.
            colour: of the ground under the words.
            texts: the best first.
            unseen: keep the room, but write nothing.
        """
        margin = self.text_height // 4
        for words in texts:
            size = round(self.font.getlength(words)) + 2 * margin, self.text_height
            found = self._room(box, size)
            if found is None:
                continue
            ground, near = found
            self.taken = np.append(self.taken, [ground], axis=0)
            if unseen:
                return
            if not near:
                ends = _leader(ground, box)
                self.pen.line(ends, fill=INK, width=self.line + 2)
                self.pen.line(ends, fill=colour, width=self.line)
            x, y, _, bottom = ground
            self.pen.rectangle(ground, fill=colour, outline=INK)
            self.pen.text((x + margin, (y + bottom) / 2), words, fill=INK, font=self.font, anchor="lm")
            return

    def _room(self, box: Box, size: tuple[int, int]) -> tuple[Box, bool] | None:
        """Return where words of a size go, and whether that is at the box; None where there is no room."""
        (width, height), (x1, y1, x2, y2), gap = size, box, self.line
        above, below = y1 - height - gap, y2 + gap
        places = [(x1, above), (x2 - width, above), (x1, below), (x2 - width, below)]
        places += [(x1 - width - gap, y1), (x2 + gap, y1), (x1 - width - gap, y2 - height), (x2 + gap, y2 - height)]
        for place in places:
            ground = self._at(place, size)
            if ground and not _meets(ground, box) and self._is_free(ground):
                return ground, True
        inside = self._at((x1, max(y1, 0)), size)
        if inside and (y2 - y1 > 4 * height or x2 - x1 > 4 * width) and self._is_free(inside, but=box):
            return inside, True
        middle_x, middle_y = _middle(box)
        for radius in range(1, 9):
            for turn in range(12):
                angle = 2 * math.pi * turn / 12
                away = radius * 1.2 * height
                x = middle_x + math.cos(angle) * (away + (x2 - x1 + width) / 2) - width / 2
                y = middle_y + math.sin(angle) * (away + (y2 - y1) / 2) - height / 2
                ground = self._at((x, y), size)
                if ground and self._is_free(ground) and self._is_free_between(ground, box):
                    return ground, False
        return (inside, True) if inside and self._is_free(inside, but=box) else None

    def _at(self, corner: tuple[float, float], size: tuple[int, int]) -> Box | None:
        """Return the ground of words at a corner, moved sideways into the picture; None if it does not fit in."""
        (width, height), y = size, round(corner[1])
        if width > self.width or y < 0 or y + height > self.height:
            return None
        x = min(max(round(corner[0]), 0), self.width - width)
        return x, y, x + width, y + height

    def _is_free(self, ground: Box, *, but: Box | None = None) -> bool:
        taken = self.taken if but is None else self.taken[(self.taken != but).any(axis=1)]
        return not ((taken[:, :2] < ground[2:]) & (taken[:, 2:] > ground[:2])).all(axis=1).any()

    def _is_free_between(self, ground: Box, box: Box) -> bool:
        """Whether the line that leads from words to their box crosses nobody else, and no other words."""
        points = np.linspace(*_leader(ground, box), 24)[:, None]
        taken = self.taken[(self.taken != box).any(axis=1)]
        return not ((taken[:, :2] < points) & (points < taken[:, 2:])).all(axis=2).any()


def _leader(ground: Box, box: Box) -> tuple[tuple[float, float], tuple[float, float]]:
    """Return the ends of the line from the middle of some words to the nearest place of their box."""
    (x, y), (x1, y1, x2, y2) = _middle(ground), box
    return (x, y), (min(max(x, x1), x2), min(max(y, y1), y2))


def _meets(one: Box, other: Box) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]


def _grown(box: Box, by: int) -> Box:
    x1, y1, x2, y2 = box
    return x1 - by, y1 - by, x2 + by, y2 + by


def _middle(box: Box) -> tuple[float, float]:
    return (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
