"""Simulated users, from whom the scorers learn.

No public set has users, their GIFs and the pixels: of PHD2 only the annotations can be had. So users are made up. A
user likes a few topics, or one kind of moment inside a topic, or moments of a certain liveliness; their history shows
that, a video holds a few segments of it among others, and these have to be ranked first. What a segment shows comes
from labelled photos, each as two different views; how it moves comes from real clips, whose frames and labels are not
used.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vision_models.distributed import Part
from vision_models.gifs.config import PHDConfig
from vision_models.gifs.features import segment_vector
from vision_models.gifs.motion import BRIGHTNESS_CHANGE
from vision_models.gifs.pose import MOVES_SIZE, pose_part
from vision_models.gifs.scorers import Vectors

LONGEST_HISTORY = 20
VIEWS = 2  # of each photo
KINDS = 3  # kinds of moment inside a topic

# Topics in which little happens; all others count as action.
CALM = {
    "applauding", "blowing bubbles", "chess", "clapping", "cleaning the floor", "cooking", "drinking", "eating",
    "fishing", "fixing a bike", "fixing a car", "fly fishing", "gardening", "holding an umbrella", "hugging",
    "laughing", "listening to music", "looking through a microscope", "looking through a telescope", "phoning",
    "pouring liquid", "pushing a cart", "reading", "sitting", "sleeping", "smoking", "taking photos",
    "texting message", "using a computer", "walking", "walking the dog", "washing dishes", "watching tv",
    "waving hands", "writing on a board", "writing on a book",
}  # fmt: skip


@dataclass(frozen=True)
class Habits:
    """How simulated users are; every share is a probability."""

    segments: int = 16  # of a user's video
    active_share: float = 0.75  # of the likes are for topics of action, those not in CALM
    moment_share: float = 0.25  # of the users like a kind of moment inside a topic
    lively_share: float = 0.1  # of the users like lively moments, or (one in four of them) calm ones
    invented_share: float = 0.8  # of the users live in a world in which every topic is moved by a random step ...
    step: float = 1.0  # ... of about this length, so that no topic can be learned by heart
    still_share: float = 0.15  # of the videos are known by their key frames alone, so not by motion
    noise_share: float = 0.1  # of a history has nothing to do with what the user likes


@dataclass(frozen=True, eq=False)
class Pool:
    """What simulated users of one split are made of."""

    vectors: Vectors  # (N, VIEWS, embedding), unit length: what photos show
    topic: NDArray[np.int64]  # (N,)
    kind: NDArray[np.int64]  # (N,) a finer group inside the topic
    active: NDArray[np.bool_]  # (topics,)
    still: Vectors  # (N, VIEWS, STILL_SIZE) how somebody in the photo holds themselves, standardised
    presence: Vectors  # (N, VIEWS) whether there is anybody
    motion: Vectors  # (M, MOTION_SIZE) of real clips, standardised
    moves: Vectors  # (M, MOVES_SIZE) of somebody in these clips, standardised
    config: PHDConfig


@dataclass(frozen=True, eq=False)
class Views:
    """What is known of some photos: each was seen in `VIEWS` different views."""

    vectors: Vectors  # (N, VIEWS, embedding), unit length
    still: Vectors  # (N, VIEWS, STILL_SIZE), standardised
    presence: Vectors  # (N, VIEWS)


@dataclass(frozen=True, eq=False)
class Moves:
    """How things and people move in real clips, standardised."""

    motion: Vectors  # (M, MOTION_SIZE)
    moves: Vectors  # (M, MOVES_SIZE)


@dataclass(frozen=True, eq=False)
class Users:
    """A batch of simulated users."""

    segments: Vectors  # (U, S, D)
    wanted: NDArray[np.bool_]  # (U, S)
    history: Vectors  # (U, LONGEST_HISTORY, D), zeros where there is none
    length: NDArray[np.int64]  # (U,) of the history, 1..LONGEST_HISTORY

    def of(self, part: Part) -> Users:
        """Return those of a process."""
        mine = part.share
        return Users(mine(self.segments), mine(self.wanted), mine(self.history), mine(self.length))


def make_pool(views: Views, names: NDArray[np.str_], split: set[str], moves: Moves, config: PHDConfig) -> Pool:
    """Gather what users of one split are made of.

    Args:
        views: Of N photos.
        names: (N,) their topics.
        split: The topics of these users.
        moves: Of real clips.
        config: Says how much motion and pose count.
    """
    members = np.flatnonzero(np.isin(names, sorted(split)))
    topics, topic = np.unique(names[members], return_inverse=True)
    mine = views.vectors[members]
    return Pool(
        vectors=mine,
        topic=topic,
        kind=_kinds(mine.mean(axis=1), topic),
        active=np.array([name not in CALM for name in topics]),
        still=views.still[members],
        presence=views.presence[members],
        motion=moves.motion,
        moves=moves.moves,
        config=config,
    )


def _kinds(vectors: Vectors, topic: NDArray[np.int64]) -> NDArray[np.int64]:
    """Part each topic's photos into kinds that look alike (k-means on unit vectors)."""
    kind = np.zeros(len(topic), np.int64)
    for number in np.unique(topic):
        inside = np.flatnonzero(topic == number)
        x = vectors[inside]
        centres = x[np.random.default_rng([0, int(number)]).choice(len(x), KINDS, replace=False)]
        for _ in range(10):
            nearest = (x @ centres.T).argmax(axis=1)
            means = [x[nearest == k].mean(axis=0) if (nearest == k).any() else centres[k] for k in range(KINDS)]
            centres = np.stack(means)
            centres /= np.linalg.norm(centres, axis=1, keepdims=True)
        kind[inside] = nearest
    return kind


def simulate(pool: Pool, users: int, habits: Habits, rng: np.random.Generator, length: int | None = None) -> Users:
    """Make up users, each with a history and one video.

    Args:
        pool: What they are made of.
        users: How many.
        habits: How they are.
        rng: The source of chance.
        length: Of every history; random from 1 to 20 when None.
    """
    made = [_user(pool, habits, rng, length) for _ in range(users)]
    return Users(*(np.stack(part) for part in zip(*made, strict=True)))


def _user(
    pool: Pool, habits: Habits, rng: np.random.Generator, length: int | None
) -> tuple[Vectors, NDArray[np.bool_], Vectors, np.int64]:
    segments = habits.segments
    h = int(length or rng.integers(1, LONGEST_HISTORY + 1))
    wanted = np.zeros(segments, bool)
    wanted[rng.choice(segments, int(rng.integers(1, max(segments // 5, 2) + 1)), replace=False)] = True
    motion = rng.integers(len(pool.motion), size=segments)
    past_motion = rng.integers(len(pool.motion), size=h)
    taste = rng.random()
    is_lively = taste < habits.lively_share
    is_moment = not is_lively and taste < habits.lively_share + habits.moment_share
    if is_lively:
        # Only motion counts.
        photos, past = (rng.integers(len(pool.topic), size=size) for size in (segments, h))
        by_motion = np.argsort(pool.motion[:, BRIGHTNESS_CHANGE])
        if rng.random() > habits.active_share:
            by_motion = by_motion[::-1]
        other, liked = by_motion[: len(by_motion) * 6 // 10], by_motion[len(by_motion) * 8 // 10 :]
        motion = np.where(wanted, rng.choice(liked, segments), rng.choice(other, segments))
        past_motion = rng.choice(liked, h)
    elif is_moment:
        photos, past = _likes_a_moment(pool, wanted, h, habits, rng)
    else:
        photos, past = _likes_topics(pool, wanted, h, habits, rng)
    shown: NDArray[np.floating] = _views(pool, photos, rng)
    past_shown: NDArray[np.floating] = _views(pool, past, rng)
    if rng.random() < habits.invented_share:
        group = pool.topic * KINDS + (pool.kind if is_moment else 0)
        present, place = np.unique(group[np.concatenate([photos, past])], return_inverse=True)
        step = rng.normal(0, habits.step / shown.shape[1] ** 0.5, (len(present), shown.shape[1]))[place]
        shown, past_shown = shown + step[:segments], past_shown + step[segments:]
    is_still = not is_lively and rng.random() < habits.still_share
    weight = pool.config.motion_weight
    pose = _poses(pool, photos, None if is_still else motion, rng)
    seen = segment_vector(shown, None if is_still else pool.motion[motion], weight, pose)
    history = np.zeros((LONGEST_HISTORY, seen.shape[1]), np.float32)
    past_pose = _poses(pool, past, past_motion, rng)
    history[:h] = segment_vector(past_shown, pool.motion[past_motion], weight, past_pose)
    return seen, wanted, history, np.int64(h)


def _likes_a_moment(
    pool: Pool, wanted: NDArray[np.bool_], h: int, habits: Habits, rng: np.random.Generator
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """One topic all along, one kind of moment in it: the photos of the video's segments (S,), of the history (h,)."""
    liked = rng.choice(len(pool.active), p=_popularity(pool, habits))
    kind = rng.choice(pool.kind[pool.topic == liked])
    is_right = (pool.topic == liked) & (pool.kind == kind)
    right = rng.permutation(np.flatnonzero(is_right))
    wrong = np.flatnonzero((pool.topic == liked) & ~is_right)
    if not len(wrong):
        wrong = np.flatnonzero(~is_right)
    shown, past = _halves(right)
    return np.where(wanted, rng.choice(shown, len(wanted)), rng.choice(wrong, len(wanted))), rng.choice(past, h)


def _likes_topics(
    pool: Pool, wanted: NDArray[np.bool_], h: int, habits: Habits, rng: np.random.Generator
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """A few topics, one of them in the video: the photos of the video's segments (S,), of the history (h,)."""
    topics = np.arange(len(pool.active))
    count = min(int(rng.integers(1, 4)), len(topics) - 1)
    likes = rng.choice(topics, count, replace=False, p=_popularity(pool, habits))
    cast = rng.permutation(np.setdiff1d(topics, likes))[: int(rng.integers(1, 7))]
    shown, past = _halves(rng.permutation(np.flatnonzero(pool.topic == likes[0])))
    others = np.flatnonzero(np.isin(pool.topic, cast))
    photos = np.where(wanted, rng.choice(shown, len(wanted)), rng.choice(others, len(wanted)))
    history = rng.choice(np.concatenate([past, np.flatnonzero(np.isin(pool.topic, likes[1:]))]), h)
    history = np.where(rng.random(h) < habits.noise_share, rng.integers(len(pool.topic), size=h), history)
    history[0] = rng.choice(past)  # one at least speaks of this video
    return photos, history


def _popularity(pool: Pool, habits: Habits) -> NDArray[np.float64]:
    """How likely each topic is to be liked."""
    share = np.where(
        pool.active,
        habits.active_share / max(pool.active.sum(), 1),
        (1 - habits.active_share) / max((~pool.active).sum(), 1),
    )
    return share / share.sum()


def _halves(photos: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """One half for the video, one for the history, so that no photo is in both (unless there is but one)."""
    middle = len(photos) // 2
    return (photos[:middle], photos[middle:]) if middle else (photos, photos)


def _views(pool: Pool, photos: NDArray[np.int64], rng: np.random.Generator) -> Vectors:
    """One view of each photo, or, as of a segment with several frames, the mean of two."""
    first, second = (pool.vectors[photos, rng.integers(VIEWS, size=len(photos))] for _ in range(2))
    return ((first + second) / 2).astype(np.float32, copy=False)


def _poses(
    pool: Pool, photos: NDArray[np.int64], motion: NDArray[np.int64] | None, rng: np.random.Generator
) -> Vectors:
    """How somebody holds themselves in one view of each photo, and moves in a clip, if motion is known at all."""
    view = rng.integers(VIEWS, size=len(photos))
    still = pool.still[photos, view]
    moves = np.zeros((len(photos), MOVES_SIZE), np.float32) if motion is None else pool.moves[motion]
    return pose_part(still, moves, pool.presence[photos, view], pool.config.pose_weight)
