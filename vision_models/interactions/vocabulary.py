"""The vocabulary: V-COCO's 26 verbs with their roles, and COCO's 80 objects.

Gupta & Malik, "Visual Semantic Role Labeling", 2015, arXiv 1505.04474; Lin et al., "Microsoft COCO", ECCV 2014.
"""

from __future__ import annotations

from typing import NamedTuple

# verb: the roles that an object can play in it; `obj` is what it is done to, `instr` what it is done with
VERBS: dict[str, tuple[str, ...]] = {
    "hold": ("obj",),
    "stand": (),
    "sit": ("instr",),
    "ride": ("instr",),
    "walk": (),
    "look": ("obj",),
    "hit": ("instr", "obj"),
    "eat": ("obj", "instr"),
    "jump": ("instr",),
    "lay": ("instr",),
    "talk_on_phone": ("instr",),
    "carry": ("obj",),
    "throw": ("obj",),
    "catch": ("obj",),
    "cut": ("instr", "obj"),
    "run": (),
    "work_on_computer": ("instr",),
    "ski": ("instr",),
    "surf": ("instr",),
    "skateboard": ("instr",),
    "smile": (),
    "drink": ("instr",),
    "kick": ("obj",),
    "point": ("instr",),
    "read": ("obj",),
    "snowboard": ("instr",),
}


class Action(NamedTuple):
    """A verb and one of its roles: what a target is looked for."""

    verb: str
    role: str


VERB_NAMES = tuple(VERBS)  # the order of every (..., 26) array
ACTIONS = tuple(Action(verb, role) for verb, roles in VERBS.items() for role in roles)  # of every (..., 25) array
VERB_OF_ACTION = tuple(VERB_NAMES.index(action.verb) for action in ACTIONS)

# fmt: off
OBJECTS = (
    "person", "bicycle", "car", "motorcycle", "airplane", "bus", "train", "truck", "boat", "traffic light",
    "fire hydrant", "stop sign", "parking meter", "bench", "bird", "cat", "dog", "horse", "sheep", "cow", "elephant",
    "bear", "zebra", "giraffe", "backpack", "umbrella", "handbag", "tie", "suitcase", "frisbee", "skis", "snowboard",
    "sports ball", "kite", "baseball bat", "baseball glove", "skateboard", "surfboard", "tennis racket", "bottle",
    "wine glass", "cup", "fork", "knife", "spoon", "bowl", "banana", "apple", "sandwich", "orange", "broccoli",
    "carrot", "hot dog", "pizza", "donut", "cake", "chair", "couch", "potted plant", "bed", "dining table", "toilet",
    "tv", "laptop", "mouse", "remote", "keyboard", "cell phone", "microwave", "oven", "toaster", "sink",
    "refrigerator", "book", "clock", "vase", "scissors", "teddy bear", "hair drier", "toothbrush",
)
# COCO's category numbers have gaps; these are those of OBJECTS.
COCO_IDS = (
    1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 27, 28, 31, 32, 33, 34, 35,
    36, 37, 38, 39, 40, 41, 42, 43, 44, 46, 47, 48, 49, 50, 51, 52, 53, 54, 55, 56, 57, 58, 59, 60, 61, 62, 63, 64, 65,
    67, 70, 72, 73, 74, 75, 76, 77, 78, 79, 80, 81, 82, 84, 85, 86, 87, 88, 89, 90,
)
# fmt: on
PERSON = OBJECTS.index("person")
