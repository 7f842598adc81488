"""The moments that are offered: inside one shot, never black, not the same twice, no slide while others are left."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from vision_models.gifs.result import Highlights, Piece, Segment, VideoIndex
from vision_models.media.ffmpeg import Stream
from vision_models.media.videos import Video

RATE = 4  # samples a second


def index_of(*shots: tuple[int, float, float], looks_like: dict[int, int] | None = None) -> VideoIndex:
    """A video of shots: (what it shows, seconds, how much changes from frame to frame). 0 is black."""
    rng = np.random.default_rng(0)
    pictures = {kind: rng.uniform(0, 255, 144) for kind in range(1, 10)} | {0: np.zeros(144)}
    looks = np.eye(10, dtype=np.float32)
    signatures, changes, seen = [], [], []
    for kind, seconds, change in shots:
        count = round(seconds * RATE)
        signatures += [pictures[kind]] * count
        changes += [change] * count
        seen += [looks[(looks_like or {}).get(kind, kind)]] * count
    motion = np.zeros((len(changes), 18), np.float32)
    motion[:, 1] = motion[:, 3] = changes
    times = np.arange(len(changes)) / RATE
    length_s = len(changes) / RATE
    video = Video(Path("made.mp4"), length_s, 64, 36, 25.0, 1, length_s, 0.0, 0.0, "mov", Stream())
    joints = np.zeros((len(seen), 17, 3), np.float32)
    return VideoIndex(video, times, np.stack(seen), times, motion, np.stack(signatures).astype(np.uint8), joints)


def ranked(index: VideoIndex, worth: dict[float, float]) -> Highlights:
    """Score each piece by the second in which it begins, or else by 0."""
    spans = index.spans()
    pieces, owners = index.pieces(spans)

    def score(start: float) -> float:
        return next((value for second, value in worth.items() if second <= start < second + 1), 0.0)

    def said(spans: NDArray[np.float64]) -> list[tuple[float, float, float, float, float, None, None]]:
        return [(float(a), float(b), score(a), score(a), score(a), None, None) for a, b in spans]

    segments = tuple(Segment(*one) for one in said(spans))
    return Highlights(
        index, segments, 1.0, tuple(Piece(*one, int(n)) for one, n in zip(said(pieces), owners, strict=True))
    )


@pytest.mark.parametrize("length_s", [2.0, 4.0, None])
def test_no_gif_runs_over_a_cut(length_s: float | None) -> None:
    index = index_of((1, 3, 0.1), (2, 6, 0.1), (3, 2, 0.1), (4, 9, 0.1))
    for clip in ranked(index, {}).best(6, length_s):
        assert not any(clip.start_s < cut < clip.end_s for cut in (3, 9, 11))
        assert clip.end_s - clip.start_s > 0.5


def test_black_and_still_pictures_come_last_whatever_they_score() -> None:
    index = index_of((1, 5, 0.1), (0, 5, 0.0), (2, 5, 0.0), (3, 5, 0.1))
    starts = [clip.start_s for clip in ranked(index, {5: 9.0, 10: 8.0}).best(4, 3)]
    assert sorted(starts[:2]) == pytest.approx([1, 16], abs=1.5)


def test_a_replay_is_not_offered_beside_what_it_repeats() -> None:
    index = index_of((1, 5, 0.1), (2, 5, 0.1), (1, 5, 0.1), (3, 5, 0.1))
    clips = ranked(index, {0: 9.0, 10: 8.0, 15: 7.0}).best(3, 4)
    assert not any(10 <= clip.start_s < 15 for clip in clips)
    assert len(ranked(index, {}).best(4, 4)) == 4  # if there is nothing else, it is


def test_two_gifs_are_not_cut_out_of_one_short_shot() -> None:
    index = index_of((1, 8, 0.1), (2, 5, 0.1), (3, 5, 0.1))
    clips = ranked(index, {0: 9.0, 5: 8.0}).best(3, 2)
    assert sum(clip.start_s < 8 for clip in clips) == 1


def test_a_hasty_movement_is_not_taken_for_a_cut() -> None:
    cut = index_of((1, 5, 0.1), (2, 5, 0.1))
    same_place = index_of((1, 5, 0.1), (2, 5, 0.1), looks_like={2: 1})
    hasty = index_of((1, 5, 0.1), (2, 0.25, 0.1), (3, 0.25, 0.1), (4, 5, 0.1), looks_like={2: 1, 3: 1, 4: 1})
    assert len(cut.takes) == len(same_place.takes) == 2
    assert hasty.takes.tolist() == [[0, 10.5]]


def test_a_mixed_segment_is_cut_where_its_best_shot_is() -> None:
    index = index_of((1, 6, 0.1), (2, 2, 0.1), (3, 7, 0.1))
    best = ranked(index, {6: 9.0}).best(1, 4)[0]
    assert (best.start_s, best.end_s) == pytest.approx((6, 7.65), abs=0.2)
