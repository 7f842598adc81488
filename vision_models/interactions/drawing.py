"""Pictures of a result: who does what to which object, and where the model expects the object to be.

Functions from results to pictures and words; they know nothing of networks. Every picture may be smaller than the photo
that was looked at: boxes are scaled along.
"""

from __future__ import annotations

from collections.abc import Collection
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


def deed(one: Interaction, called: tuple[str, ...], doubtful: Collection[str] = ()) -> str:
    """Return what is done, such as "ride horse", "smile", "hold (not in view)".

    Args:
        one: the interaction.
        called: what `names` says.
        doubtful: verbs to be followed by a question mark.
    """
    mark = "?" if one.verb in doubtful else ""
    if one.object is not None:
        return f"{verb_words(one.verb, one.role)}{mark} {called[one.object]}"
    return f"{verb_words(one.verb)}{mark}" + (" (not in view)" if one.role else "")


def person_number(found: Interactions, person: int) -> int:
    """Return the number of a person on the picture: 1 for the first of `found.people`."""
    return found.people.index(person) + 1


def pair_label(found: Interactions, pair: Pair, doubtful: Collection[str] = ()) -> str:
    """Return a pair in words: "1 ride horse 0.62", "1 ride horse 0.62, hold 0.31"."""
    called = names(found)
    first, *others = pair.interactions
    said = [f"{deed(first, called, doubtful)} {first.score:.2f}"]
    for one in others:
        mark = "?" if one.verb in doubtful else ""
        said.append(f"{verb_words(one.verb, one.role)}{mark} {one.score:.2f}")
    return f"{person_number(found, pair.person)} {', '.join(said)}"


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
    """Return, per person, what they do without an object, best first; each verb once, whatever its roles."""
    tags: dict[int, list[Interaction]] = {}
    for one in found.interactions:
        told = tags.get(one.person, [])
        if one.object is None and one.verb not in {other.verb for other in told}:
            tags[one.person] = [*told, one]
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
    canvas = _Canvas(picture, found)
    called, tags, shown = names(found), alone(found), pairs(found) if links else []
    people = active(found)
    for person in people:
        canvas.box(person, WHITE)
    for pair in reversed(shown):  # the best on top
        canvas.pair(pair)
    for person in people:
        number = person_number(found, person)
        done = [f"{deed(one, called, doubtful)} {one.score:.2f}" for one in tags.get(person, ())[:3] if links]
        canvas.write(person, f"{number} {', '.join(done)}".strip(), WHITE)
    for pair in shown:
        canvas.write(pair.object, pair_label(found, pair, doubtful), pair.colour)
    return np.asarray(picture)


def draw_pair(
    found: Interactions, pair: Pair, width: int, height: int, doubtful: Collection[str] = ()
) -> NDArray[np.uint8]:
    """Draw one pair and the first thing that is done, as a layer over a picture of `width` x `height` pixels.

    Returns:
        (height, width, 4) sRGB and opacity.
    """
    layer = Image.new("RGBA", (width, height))
    canvas = _Canvas(layer, found)
    colour = ImageColor.getrgb(pair.colour)
    for box in (pair.person, pair.object):
        canvas.pen.rectangle(canvas.place(box), fill=(*colour[:3], round(255 * FILL)))
    canvas.pair(pair)
    number = person_number(found, pair.person)
    x, y, *_ = canvas.place(pair.object)
    line = 1 + (number - 1) % 3  # the layers of several people lie over each other
    words = f"{number} {deed(pair.interactions[0], names(found), doubtful)}"
    canvas.write_at((x, y - line * canvas.text_height - canvas.line), words, pair.colour)
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
    canvas.write(person, called[person], WHITE)
    if chosen is not None:
        canvas.write(chosen, called[chosen], COLOURS[1])
    canvas.write_at((x1, y2 + canvas.line), "expected here", EXPECTED)
    return np.asarray(picture)


def scaled(found: Interactions, width: int, height: int) -> Interactions:
    """Return the same result for a copy of the photo of another size."""
    scale = np.array([width / found.width, height / found.height] * 2, np.float32)
    return replace(found, width=width, height=height, boxes=found.boxes * scale)


# ---- what they are made of


class _Canvas:
    """A picture that is drawn on, with lines and letters that suit its size; boxes are given by their index."""

    def __init__(self, picture: Image.Image, found: Interactions) -> None:
        self.width, self.height = picture.size
        self.pen = ImageDraw.Draw(picture)
        self.boxes = scaled(found, *picture.size).boxes
        self.line = max(2, round(max(picture.size) / 400))
        letters = max(13, round(max(picture.size) / 50))
        self.font = ImageFont.load_default(letters)
        self.text_height = round(letters * 1.35)
        self.written: list[tuple[float, float, float, float]] = []

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

    def write(self, box: int, words: str, colour: str) -> None:
        """Write above the upper left corner of a box."""
        x, y, *_ = self.place(box)
        self.write_at((x, y - self.text_height - self.line), words, colour)

    def write_at(self, corner: tuple[float, float], words: str, colour: str) -> None:
        """Write dark words on a bright ground, below whatever is written at that place already."""
        margin = self.text_height // 4
        size = self.font.getlength(words) + 2 * margin, self.text_height
        x = min(max(corner[0], 0), max(self.width - size[0], 0))
        y = min(max(corner[1], 0), max(self.height - size[1], 0))
        for left, top, right, bottom in sorted(self.written, key=lambda taken: taken[1]):
            if left < x + size[0] and x < right and top < y + size[1] and y < bottom:
                y = bottom + 1
        if y + size[1] > self.height:  # no room below: above the topmost, or over it
            y = max(min((taken[1] for taken in self.written), default=0) - size[1] - 1, 0)
        ground = x, y, x + size[0], y + size[1]
        self.written.append(ground)
        self.pen.rectangle(ground, fill=colour, outline=INK)
        self.pen.text((x + margin, y + size[1] / 2), words, fill=INK, font=self.font, anchor="lm")


def _grown(box: Box, by: int) -> Box:
    x1, y1, x2, y2 = box
    return x1 - by, y1 - by, x2 + by, y2 + by


def _middle(box: Box) -> tuple[float, float]:
    return (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
