"""Where videos are cut: the grid, shots, the choice of clips, the best window and the loop."""

from itertools import pairwise

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from vision_models.gifs.features import measure
from vision_models.gifs.segments import grid, loop_point, shots, sub_window, takes

Times = NDArray[np.float64]


def covers(spans: Times, duration_s: float) -> bool:
    touching = all(a[1] == b[0] for a, b in pairwise(spans))
    return bool(spans[0, 0] == 0 and spans[-1, 1] == duration_s and touching and (spans[:, 1] > spans[:, 0]).all())


def at_rate(duration_s: float, fps: float = 4.0) -> Times:
    return np.arange(0, duration_s, 1 / fps, dtype=np.float64)


def levels(*runs: tuple[int, int]) -> NDArray[np.uint8]:
    """Flat thumbnails: (level, how many) after (level, how many)."""
    return np.concatenate([np.full((count, 6), level, np.uint8) for level, count in runs])


def coloured(grey: NDArray[np.uint8], red: int, blue: int) -> NDArray[np.uint8]:
    """A frame of this brightness, redder and bluer by so much."""
    planes = [grey, np.full_like(grey, 128 + red), np.full_like(grey, 128 + blue)]
    return np.asarray(cv2.cvtColor(np.dstack(planes), cv2.COLOR_YCrCb2RGB), np.uint8)


@pytest.mark.parametrize(
    ("duration_s", "expected"),
    [
        (0.04, [(0, 0.04)]),
        (1, [(0, 1)]),
        (4.9, [(0, 4.9)]),
        (5, [(0, 5)]),
        (7.4, [(0, 7.4)]),
        (7.5, [(0, 5), (5, 7.5)]),
        (10, [(0, 5), (5, 10)]),
        (12.4, [(0, 5), (5, 12.4)]),
        (12.5, [(0, 5), (5, 10), (10, 12.5)]),
    ],
)
def test_the_grid_never_ends_with_a_crumb(duration_s: float, expected: list[tuple[float, float]]) -> None:
    np.testing.assert_allclose(grid(duration_s), expected)


def test_the_grid_covers_an_hour_without_gaps() -> None:
    spans = grid(3601.3)
    assert len(spans) == 720
    assert covers(spans, 3601.3)


def test_somebody_who_walks_past_the_camera_is_no_cut() -> None:
    street = cv2.resize(np.random.default_rng(0).integers(0, 255, (9, 16, 3), np.uint8), (160, 90))
    frames = [street.copy() for _ in range(24)]
    for number, left in enumerate(range(-40, 160, 40)):
        frames[8 + number][10:, max(left, 0) : left + 60] = 20
    times, _, signatures = measure((number / 4, frame) for number, frame in enumerate(frames))
    assert len(shots(times, signatures, 6)) == 1
    np.testing.assert_allclose(takes(times, signatures, 6), [(0, 6)])


@pytest.mark.parametrize("duration_s", [0, -1, float("nan"), float("inf")])
def test_a_video_without_a_duration_is_refused(duration_s: float) -> None:
    with pytest.raises(ValueError, match="duration_s must be above 0"):
        grid(duration_s)
    with pytest.raises(ValueError, match="duration_s must be above 0"):
        shots(np.zeros(1), levels((0, 1)), duration_s)
    with pytest.raises(ValueError, match="duration_s must be above 0"):
        sub_window(np.zeros(1), np.zeros(1), 0, 1, 1, duration_s)


@pytest.mark.parametrize("pictures", [0, 1])
def test_a_video_of_at_most_one_picture_is_one_shot(pictures: int) -> None:
    np.testing.assert_allclose(shots(np.zeros(pictures), np.zeros((pictures, 6), np.uint8), 0.04), [(0, 0.04)])


def test_shots_begin_where_the_picture_changes_at_once() -> None:
    spans = shots(at_rate(12), levels((20, 16), (200, 12), (90, 20)), 12)
    np.testing.assert_allclose(spans, [(0, 3.875), (3.875, 6.875), (6.875, 12)])


def test_a_pan_and_flicker_are_no_cuts() -> None:
    slow_pan = np.linspace(0, 255, 28)[:, None].repeat(6, axis=1)  # 9 levels a step
    fast_sport = np.tile([[0], [60]], (14, 6))  # 60 levels at every step
    dark_noise = np.random.default_rng(0).integers(0, 12, (28, 6))
    for signatures in (slow_pan, fast_sport, dark_noise):
        np.testing.assert_allclose(shots(at_rate(7), signatures.astype(np.uint8), 7), [(0, 7)])


def test_a_cut_between_scenes_of_equal_brightness_is_found() -> None:
    rng = np.random.default_rng(0)
    texture = cv2.resize(rng.integers(60, 190, (6, 8), np.uint8), (96, 54), interpolation=cv2.INTER_CUBIC)
    scenes = [coloured(texture, red, blue) for red, blue in ((20, -20), (-20, 20), (0, 0))]
    frames = [scene for scene in scenes for _ in range(16)]
    times, _, signatures = measure((number / 4, frame) for number, frame in enumerate(frames))
    assert np.ptp([frame.mean() for frame in frames]) < 30
    np.testing.assert_allclose(shots(times, signatures, 12)[:, 0], [0, 3.875, 7.875])
    assert len(takes(times, signatures, 12)) == 3


def test_shaking_a_fast_pan_and_coloured_light_that_changes_slowly_are_no_cuts() -> None:
    rng = np.random.default_rng(0)
    wide = cv2.resize(rng.integers(40, 210, (12, 64), np.uint8), (1024, 108), interpolation=cv2.INTER_CUBIC)
    shaken = [wide[6 + y : 60 + y, 300 + x : 396 + x] for y, x in rng.integers(-6, 7, (40, 2))]
    panned = [wide[20:74, 20 * n : 20 * n + 96] for n in range(40)]
    videos = [[coloured(frame, 15, -15) for frame in frames] for frames in (shaken, panned)]
    videos.append([coloured(wide[:54, :96], n - 20, 20 - n) for n in range(40)])
    for frames in videos:
        times, _, signatures = measure((number / 4, frame) for number, frame in enumerate(frames))
        assert len(takes(times, signatures, 10)) == 1


def test_long_shots_are_split_evenly() -> None:
    np.testing.assert_allclose(shots(at_rate(20), levels((50, 80)), 20), [(0, 20 / 3), (20 / 3, 40 / 3), (40 / 3, 20)])
    np.testing.assert_allclose(shots(at_rate(8), levels((50, 32)), 8), [(0, 8)])


def test_no_shot_is_shorter_than_a_second_and_the_hardest_cut_stays() -> None:
    spans = shots(at_rate(7), levels((20, 12), (60, 2), (250, 14)), 7)
    np.testing.assert_allclose(spans, [(0, 3.375), (3.375, 7)])
    at_the_ends = shots(at_rate(7), levels((20, 2), (200, 24), (20, 2)), 7)
    np.testing.assert_allclose(at_the_ends, [(0, 7)])


def test_shots_of_any_video_cover_it() -> None:
    rng = np.random.default_rng(0)
    for _ in range(50):
        duration_s = float(rng.uniform(0.1, 60))
        times = np.sort(rng.uniform(0, duration_s, int(rng.integers(0, 80))))
        spans = shots(times, rng.integers(0, 255, (len(times), 1)).repeat(6, axis=1), duration_s, max_s=3)
        assert covers(spans, duration_s)
        assert np.diff(spans, axis=1).max() <= 3 + 1e-5


def test_no_take_runs_over_a_cut_a_fade_or_a_blank_frame() -> None:
    rng = np.random.default_rng(0)
    first, second = (rng.uniform(0, 255, 144) for _ in range(2))
    fade = [first * share for share in np.linspace(1, 0, 41)]
    frames = np.stack([*[first] * 20, *[second] * 20, *[first] * 20, *fade, *[np.zeros(144)] * 20, *[second] * 20])
    times = np.arange(len(frames)) / 4
    found = takes(times, frames, len(frames) / 4)
    np.testing.assert_allclose(found, [(0, 4.55), (5, 9.55), (10, 20.8), (30.25, 35.25)], atol=1e-6)


@pytest.mark.parametrize("frames", [np.empty((0, 144)), np.zeros((40, 144)), np.full((1, 144), 9.0)])
def test_a_video_in_which_nothing_is_to_be_seen_is_one_take(frames: NDArray[np.float64]) -> None:
    assert takes(np.arange(len(frames)) / 4, frames, 10).tolist() == [[0, 10]]


def test_the_window_is_where_it_moves_most() -> None:
    times = at_rate(20)
    energy = ((times >= 7) & (times < 9)).astype(float)
    start, end = sub_window(times, energy, 5, 10, 2, 20)
    assert end - start == pytest.approx(2)
    assert start == pytest.approx(7, abs=0.13)


@pytest.mark.parametrize(
    ("span", "length_s", "duration_s", "expected"),
    [
        ((5, 10), 2, 20, (6.5, 8.5)),  # inside: in the middle
        ((5, 10), 5, 20, (5, 10)),
        ((5, 10), 8, 20, (3.5, 11.5)),  # around
        ((0, 5), 8, 20, (0, 8)),  # clipped at the beginning ...
        ((15, 20), 8, 20, (12, 20)),  # ... and at the end of the video
        ((0, 1), 4, 1, (0, 1)),  # longer than the video
        ((0, 0.04), 4, 0.04, (0, 0.04)),  # one picture
    ],
)
@pytest.mark.parametrize("pictures", [0, 1, 30])
def test_without_motion_the_window_is_in_the_middle_and_in_the_video(
    pictures: int, span: tuple[float, float], length_s: float, duration_s: float, expected: tuple[float, float]
) -> None:
    times = np.linspace(0, duration_s, pictures, endpoint=False)
    window = sub_window(times, np.zeros(pictures), *span, length_s, duration_s)
    assert window == pytest.approx(expected)


def test_a_longer_window_holds_the_span_and_leans_to_the_motion() -> None:
    times = at_rate(20)
    assert sub_window(times, (times >= 10).astype(float), 5, 10, 8, 20) == pytest.approx((5, 13))
    assert sub_window(times, (times < 5).astype(float), 5, 10, 8, 20) == pytest.approx((2, 10))


def test_no_window_has_more_energy_than_the_one_found() -> None:
    rng = np.random.default_rng(0)
    for _ in range(30):
        times, energy = np.sort(rng.uniform(0, 10, 25)), rng.random(25)
        fine = np.arange(0, 10, 0.001) + 0.0005
        density = energy[np.abs(fine[:, None] - times).argmin(axis=1)]
        start, end = sub_window(times, energy, 2, 9, 2.5, 10)
        assert 2 <= start <= end <= 9 + 1e-9
        found = density[(fine >= start) & (fine < end)].sum() / 1000
        best = max(density[(fine >= s) & (fine < s + 2.5)].sum() / 1000 for s in np.arange(2, 6.5, 0.05))
        assert found >= best - 0.01


def test_the_end_moves_to_the_picture_that_is_most_like_the_first() -> None:
    times = at_rate(10)
    phase = 2 * np.pi * times / 3  # repeats every 3 s
    signatures = 100 + 100 * np.column_stack([np.sin(phase), np.cos(phase)])
    assert loop_point(times, signatures, 1, 4.5, 0.75) == pytest.approx(4.0)
    assert loop_point(times, signatures, 1, 3.5, 0.75) == pytest.approx(4.0)
    assert loop_point(times, signatures, 1, 4.0, 0.75) == pytest.approx(4.0)


def test_bytes_do_not_wrap_around() -> None:
    signatures = levels((250, 4), (5, 4), (245, 4))  # as uint8, 5 - 250 would be 11
    assert loop_point(np.arange(12.0), signatures, 0, 7, 2) == pytest.approx(8)
    spans = shots(np.arange(12.0), signatures, 12)
    np.testing.assert_allclose(spans, [(0, 3.5), (3.5, 7.5), (7.5, 12)])


def test_a_still_video_keeps_its_end() -> None:
    assert loop_point(at_rate(10), levels((80, 40)), 1, 4.1, 0.75) == 4.1


def test_a_loop_keeps_half_of_its_length_at_least() -> None:
    times = at_rate(10)
    signatures = np.where((times < 1.3) | (times > 4.9), 0, 200)[:, None].repeat(6, axis=1)
    end = loop_point(times, signatures, 0, 4, 100)
    assert end == pytest.approx(5)
    back_at_once = np.where((times < 1.3), 0, 200)[:, None].repeat(6, axis=1)
    assert loop_point(times, back_at_once, 0, 4, 3.9) == 4


@pytest.mark.parametrize("pictures", [0, 1, 2])
def test_there_is_nothing_to_loop_in_a_picture_or_two(pictures: int) -> None:
    times = np.arange(pictures, dtype=np.float64) * 0.04
    assert loop_point(times, np.zeros((pictures, 6), np.uint8), 0, 0.04 * max(pictures, 1), 0.75) <= 0.08
