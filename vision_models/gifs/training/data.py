"""Photos and clips with topics, from public sets laid out as published, and the split of their topics.

Below one folder, any of these (the model card says where they come from):

    stanford40/JPEGImages, ImageSplits        Stanford 40 Actions; the official training photos only
    sports100/data/train/<topic>              100 sports
    sports22/data/<topic>                     22 sports; the fifth of each topic that looks least like it is left out
    har15/train, Training_set.csv             HAR-15
    willow7/dataset/TrainSet/<topic>          Willow 7

    ucf101/<Class>/v_<Class>_g<group>_c<clip>.avi   UCF101, any classes; groups 18 to 25 are for the test
    skate/Tricks/<trick>/<name><number>.mov   SkateboardML; numbers divisible by 3 are for the test
    fight/fight, fight/noFight                surveillance clips, for the test alone
    clips/*                                   any clips, for their motion
"""

from __future__ import annotations

import csv
import logging
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from vision_models.backbones.movenet import MoveNet
from vision_models.errors import DataError
from vision_models.gifs.config import SEGMENT_S, PHDConfig
from vision_models.gifs.motion import MotionMeter, summarise
from vision_models.gifs.pose import describe_pose, joints_in
from vision_models.media.bars import without_bars
from vision_models.media.photos import PHOTO_SUFFIXES, decode_bgr
from vision_models.media.videos import VIDEO_SUFFIXES, probe, read_frames

LOG = logging.getLogger(__name__)

# Topics that the test clips show too, or that come close; no photo of them is used.
RESERVED = {"brushing teeth", "cutting vegetables", "fighting", "jumping"}
# Every seventh of the others, by name, is for validation.
VALIDATION_STEP = 7

# The same topic has other names in other sets.
_SAME = {
    "calling": "phoning",
    "cycling": "riding a bike",
    "formula1": "formula 1 racing",
    "ice hockey": "hockey",
    "hockey": "field hockey",
    "interacting with computer": "using a computer",
    "motogp": "motorcycle racing",
    "photographing": "taking photos",
    "riding bike": "riding a bike",
    "riding horse": "riding a horse",
    "texting": "texting message",
    "using laptop": "using a computer",
    "weight lifting": "weightlifting",
    "wrestling": "olympic wrestling",
}


FIRST_TEST_GROUP = 18  # of UCF101's groups, each filmed in one place
SKATE_TEST_STEP = 3


@dataclass(frozen=True)
class Photo:
    """A photo and what it shows."""

    path: Path
    topic: str
    source: str  # the set it comes from


@dataclass(frozen=True)
class Clip:
    """A short video and what it shows."""

    path: Path
    topic: str
    group: str  # clips of one group were filmed in one place
    is_test: bool


def topic_named(name: str, source: str) -> str:
    """Return the common name of a topic: lower case, spaces, one name for what several sets have."""
    plain = name.strip().lower().replace("_", " ")
    if source == "sports100" and plain == "hockey":
        return plain  # on ice; in 22 sports "hockey" is on grass
    if source == "sports22" and plain == "football":
        return "soccer"  # in 100 sports it is American football
    return _SAME.get(plain, plain)


def read_photos(root: Path) -> list[Photo]:
    """List the photos of every set found below `root`, in a fixed order.

    Raises:
        DataError: none of the sets is there.
    """
    photos = [
        Photo(path, topic, source)
        for source, read in _READERS.items()
        if (root / source).is_dir()
        for path, topic in sorted(read(root / source))
        if topic not in RESERVED
    ]
    if not photos:
        raise DataError(f"There is no photo set in {root}. It should hold one of the folders {', '.join(_READERS)}.")
    return photos


def read_clips(root: Path) -> list[Clip]:
    """List the clips with topics below `root`, in a fixed order."""
    ucf = [
        Clip(path, found[1], f"{found[1]} {found[2]}", int(found[2]) >= FIRST_TEST_GROUP)
        for path in sorted((root / "ucf101").glob("*/*.avi"))
        if (found := re.fullmatch(r"v_(\w+)_g(\d+)_c\d+", path.stem))
    ]
    skate = [
        Clip(path, "Skateboarding", path.stem, int(found[1]) % SKATE_TEST_STEP == 0)
        for path in sorted((root / "skate" / "Tricks").glob("*/*"))
        if (found := re.fullmatch(r"\D*(\d+)", path.stem))
    ]
    return ucf + skate


def read_fights(root: Path) -> list[Clip]:
    """List the surveillance clips below `root`, each a group of its own: topic "fight" or "noFight"."""
    found = sorted(path for topic in ("fight", "noFight") for path in (root / "fight" / topic).glob("*.mp4"))
    return [Clip(path, path.parent.name, path.name, is_test=True) for path in found]


@dataclass(frozen=True, eq=False)
class Movements:
    """How things, and somebody, move in stretches of five seconds."""

    motion: NDArray[np.float32]  # (M, 36)
    pose: NDArray[np.float32]  # (M, 238)


def clip_movements(root: Path, config: PHDConfig, network: MoveNet, cache: Path) -> Movements:
    """Measure how things and people move in all clips that are not for the test, and keep it in a file.

    Nothing else of the clips is used, neither what they show nor their topics.

    Raises:
        DataError: there are no clips.
    """
    if not cache.exists():
        others = sorted(path for path in (root / "clips").glob("*") if path.suffix.lower() in VIDEO_SUFFIXES)
        paths = [clip.path for clip in read_clips(root) if not clip.is_test] + others
        if not paths:
            raise DataError(f"There is no clip in {root}. It should hold one of the folders ucf101, skate and clips.")
        motion, poses = [], []
        for number, path in enumerate(paths):
            video = without_bars(probe(path))
            meter = MotionMeter()
            frames = [frame for _, frame in read_frames(video, fps=config.fps, size=(config.side, config.side))]
            pairs = [meter(frame) for frame in frames]
            step = round(SEGMENT_S * config.fps)
            for start in range(0, len(pairs) - step // 4, step):
                motion.append(summarise(pairs[start + 1 : start + step]))
                looks = np.stack(frames[start : start + step][step // 6 :: step // 3])
                pose = describe_pose(joints_in(network, looks), video.width / video.height)
                poses.append(np.concatenate([pose.still, pose.moves]))
            if number % 100 == 0:
                LOG.info(f"{number:>7} of {len(paths)} clips measured")
        np.savez(cache, motion=np.stack(motion), pose=np.stack(poses))
    with np.load(cache) as saved:
        return Movements(saved["motion"], saved["pose"])


def split_topics(photos: Sequence[Photo]) -> tuple[set[str], set[str]]:
    """Split the topics in two that share none: (for training, for validation)."""
    topics = sorted({photo.topic for photo in photos})
    validation = set(topics[VALIDATION_STEP // 2 :: VALIDATION_STEP])
    return set(topics) - validation, validation


def squash(image: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    """Squash an (h, w, 3) image to (side, side, 3), as the predictor does with a video's."""
    shrinks = min(image.shape[:2]) > side
    return cv2.resize(image, (side, side), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)


def cached_images(photos: Sequence[Photo], side: int, cache: Path) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """Decode every photo once and keep the squashed images in a file.

    Returns:
        The images, (N, side, side, 3), memory-mapped, and which of them could be read, (N,).
    """
    done = cache.with_suffix(".readable.npy")
    if not done.exists():
        store = np.lib.format.open_memmap(cache, "w+", np.uint8, (len(photos), side, side, 3))
        readable = np.zeros(len(photos), bool)
        for number, photo in enumerate(photos):
            bgr = decode_bgr(photo.path)
            if bgr is not None:
                store[number] = squash(bgr[..., ::-1], side)
                readable[number] = True
            if number % 5000 == 0:
                LOG.info(f"{number:>7} of {len(photos)} photos decoded")
        store.flush()
        np.save(done, readable)
    return np.load(cache, mmap_mode="r"), np.load(done)


def jitter(image: NDArray[np.uint8], side: int, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Return another view of an image, as a frame of a video might show it: (side, side, 3)."""
    return degrade(cut_out(image, side, rng), rng)


def cut_out(image: NDArray[np.uint8], side: int, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Return a part of an image, squashed to (side, side, 3), half of the time mirrored."""
    height, width = image.shape[:2]
    area = rng.uniform(0.3, 1.0)
    aspect = np.exp(rng.uniform(-0.3, 0.3))
    h = min(round(height * np.sqrt(area / aspect)), height)
    w = min(round(width * np.sqrt(area * aspect)), width)
    top, left = rng.integers(height - h + 1), rng.integers(width - w + 1)
    view = cv2.resize(image[top : top + h, left : left + w], (side, side), interpolation=cv2.INTER_LINEAR)
    return np.ascontiguousarray(view[:, ::-1] if rng.random() < 0.5 else view)


def degrade(view: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """Return what bad video makes of an image: low resolution, motion blur or softness, light, colour, compression."""
    side = view.shape[0]
    if rng.random() < 0.3:  # a small video, scaled up
        small = int(rng.integers(64, 160))
        view = cv2.resize(view, (small, small), interpolation=cv2.INTER_AREA)
        view = cv2.resize(view, (side, side), interpolation=cv2.INTER_LINEAR)
    if rng.random() < 0.3:
        length = int(rng.integers(3, 10))
        kernel = np.zeros((length, length), np.float32)
        if rng.random() < 0.5:
            kernel[length // 2] = 1 / length  # the camera pans
        else:
            kernel[:] = 1 / length**2  # out of focus
        view = cv2.filter2D(view, -1, kernel)
    contrast = np.exp(rng.normal(0, 0.25))
    tint = np.exp(rng.normal(0, 0.06, 3))
    light = rng.normal(0, 20)
    view = ((view.astype(np.float32) - 128) * contrast * tint + 128 + light).clip(0, 255).astype(np.uint8)
    if rng.random() < 0.1:
        view = cv2.cvtColor(cv2.cvtColor(view, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
    if rng.random() < 0.4:
        _, packed = cv2.imencode(".jpg", view, [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(15, 70))])
        view = np.asarray(cv2.imdecode(packed, cv2.IMREAD_COLOR), np.uint8)
    return np.ascontiguousarray(view)


def _below(folder: Path, source: str) -> Iterator[tuple[Path, str]]:
    for path in folder.glob("*/*"):
        if path.suffix.lower() in PHOTO_SUFFIXES and not path.parent.name.startswith("."):
            yield path, topic_named(path.parent.name, source)


def _stanford40(root: Path) -> Iterator[tuple[Path, str]]:
    for split in (root / "ImageSplits").glob("*_train.txt"):
        topic = split.name.removesuffix("_train.txt")
        for name in split.read_text().split():
            yield root / "JPEGImages" / name, topic_named(topic, "stanford40")


def _har15(root: Path) -> Iterator[tuple[Path, str]]:
    with (root / "Training_set.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            yield (
                root / "train" / row["filename"].replace("\\", "/").rsplit("/", 1)[-1],
                topic_named(row["label"], "har15"),
            )


_READERS: dict[str, Callable[[Path], Iterator[tuple[Path, str]]]] = {
    "stanford40": _stanford40,
    "sports100": lambda root: _below(root / "data" / "train", "sports100"),
    "sports22": lambda root: _below(root / "data", "sports22"),
    "har15": _har15,
    "willow7": lambda root: _below(root / "dataset" / "TrainSet", "willow7"),
}
