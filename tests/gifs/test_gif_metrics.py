"""The measures of GIF highlights, and the annotations that they are checked with."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from vision_models.errors import VideoError
from vision_models.gifs.evaluation.metrics import average_precision, break_ties, msd, recall_at
from vision_models.gifs.evaluation.phd2 import baselines, evaluate_phd2, find_videos, read_phd2
from vision_models.gifs.scorers import Vectors

HEADER = "youtubeId,start,duration,user_id,video_duration,is_last\n"
TINY = (
    HEADER
    + "aaa,12.0,3.0,7,40.0,True\n"
    + "aaa,14.0,2.5,7,40.0,True\n"
    + "bbb,5.0,2.0,7,20.0,False\n"
    + "-cc,1.0,2.0,7,-1.0,False\n"  # a video of unknown length in a history
    + "ddd,2.0,6.0,8,-1.0,True\n"  # a target of unknown length
    + "ddd,21.0,2.34,8,-1.0,True\n"
    + "bbb,18.0,9.0,8,20.0,False\n"  # ends after its video
    + "eee,0.0,0.04,9,9.0,True\n"  # shorter than a frame
    + "bbb,0.0,1.0,9,20.0,False\n"
)


@pytest.fixture
def annotations(tmp_path: Path) -> Path:
    path = tmp_path / "testing.csv"
    path.write_text(TINY)
    return path


@pytest.mark.parametrize("measure", [average_precision, msd])
def test_a_video_without_a_gif_cannot_be_measured(measure: object) -> None:
    assert callable(measure)
    with pytest.raises(ValueError, match="No frame is true"):
        measure([0.1, 0.2], [False, False])
    with pytest.raises(ValueError, match="No frame is true"):
        measure([], [])
    with pytest.raises(ValueError, match="one value and one truth per frame"):
        measure([0.1, 0.2], [True])
    with pytest.raises(ValueError, match="No frame is true"):
        recall_at([0.1], np.zeros(2, int), [False, False])


@pytest.mark.parametrize(
    ("scores", "truth", "expected"),
    [
        ([0.3], [1], 1),  # one frame
        ([4, 3, 2, 1], [1, 1, 0, 0], 1),  # perfect
        ([4, 3, 2, 1], [0, 0, 1, 1], 1 / 2),  # worst: 1/3 and 2/4, and the better one holds for both
        ([4, 3, 2, 1], [0, 0, 0, 1], 1 / 4),
        ([4, 3, 2, 1], [1, 0, 1, 0], (1 + 2 / 3) / 2),
        ([5, 4, 3, 2, 1], [0, 1, 1, 0, 1], (2 / 3 + 2 / 3 + 3 / 5) / 3),  # 1/2 is raised to 2/3
        ([1, 1, 1, 1], [1, 0, 0, 0], 1 / 4),  # all tied: one point
        ([2, 2, 1, 1], [1, 0, 1, 1], 3 / 4),  # ties come together: 1/2 and 3/4, raised
        ([3, 3, 3, 1], [1, 1, 1, 1], 1),
    ],
)
def test_average_precision_by_hand(scores: list[float], truth: list[int], expected: float) -> None:
    assert average_precision(scores, truth) == pytest.approx(expected)


def by_definition(scores: NDArray[np.float64], truth: NDArray[np.bool_]) -> float:
    """Average precision spelled out: no sorting, no accumulation."""
    points = []
    for threshold in {float(score) for score in scores}:
        kept = [bool(wanted) for score, wanted in zip(scores, truth, strict=True) if score >= threshold]
        points.append((sum(kept) / sum(truth), sum(kept) / len(kept)))
    best_at = {recall: max(p for r, p in points if r >= recall) for recall, _ in points if recall > 0}
    return float(sum(best_at.values()) / len(best_at))


def test_average_precision_agrees_with_its_definition_on_random_videos() -> None:
    rng = np.random.default_rng(0)
    for _ in range(300):
        frames = int(rng.integers(1, 40))
        scores = rng.integers(0, rng.integers(1, 30), frames).astype(float)  # with many ties, few, or none
        truth = rng.random(frames) < rng.random()
        truth[rng.integers(frames)] = True
        assert average_precision(scores, truth) == pytest.approx(by_definition(scores, truth))


def test_average_precision_is_about_order_alone() -> None:
    rng = np.random.default_rng(0)
    scores, truth = rng.random(60), rng.random(60) < 0.2
    assert average_precision(np.exp(5 * scores) - 7, truth) == pytest.approx(average_precision(scores, truth))
    shuffled = rng.permutation(60)
    assert average_precision(scores[shuffled], truth[shuffled]) == pytest.approx(average_precision(scores, truth))


@pytest.mark.parametrize(
    ("scores", "gif", "expected"),
    [
        ([0.3], [1], (1 - 0.5) / (1 - 0.5)),  # one frame: all has to be kept
        ([4, 3, 2, 1], [1, 1, 0, 0], 0),  # perfect: half of the GIF is all that is kept
        ([4, 3, 2, 1], [0, 0, 1, 1], (3 - 1) / (4 - 1)),  # worst
        ([1, 1, 1, 1], [1, 1, 0, 0], 1),  # all tied: nothing to choose by
        ([5, 4, 3, 2, 1], [1, 0, 1, 0, 1], (3 - 1.5) / (5 - 1.5)),  # median 3 keeps three
        ([5, 4, 3, 2, 1], [1, 0, 0, 0, 1], (3 - 1) / (5 - 1)),  # median between both: 3
    ],
)
def test_msd_by_hand(scores: list[float], gif: list[int], expected: float) -> None:
    assert msd(scores, gif) == pytest.approx(expected)


def test_recall_counts_frames_inside_the_best_segments() -> None:
    of_frame = np.repeat(np.arange(8), 2)
    truth = np.isin(np.arange(16), [0, 1, 2, 15])
    assert recall_at([8, 7, 6, 5, 4, 3, 2, 1], of_frame, truth) == pytest.approx(3 / 4)
    assert recall_at([1, 2, 3, 4, 5, 6, 7, 8], of_frame, truth) == pytest.approx(1 / 4)
    assert recall_at([8, 7, 6, 5, 4, 3, 2, 1], of_frame, truth, k=1) == pytest.approx(2 / 4)
    assert recall_at([1.0, 2.0], of_frame[:4], truth[:4]) == 1  # fewer segments than k


def test_equal_segments_are_told_apart_by_the_seed_alone() -> None:
    of_frame = np.repeat(np.arange(6), 3)
    scores = break_ties(np.zeros(6, np.float32), 1)[of_frame]
    assert len(set(scores)) == 6
    assert all(len(set(scores[of_frame == segment])) == 1 for segment in range(6))
    np.testing.assert_array_equal(scores, break_ties(np.zeros(6), 1)[of_frame])
    assert not np.array_equal(np.argsort(scores), np.argsort(break_ties(np.zeros(6), 2)[of_frame]))


def test_ties_are_broken_without_reordering_scores_that_differ() -> None:
    scores = np.float32(1) + np.arange(50, dtype=np.float32) * np.finfo(np.float32).eps
    assert (np.diff(break_ties(scores, 0)) > 0).all()


def test_dirty_rows_are_read_as_documented(annotations: Path) -> None:
    first, second, third = read_phd2(annotations)
    assert (first.name, first.target, first.duration_s) == ("7", "aaa", 40.0)
    assert first.gifs == ((12.0, 15.0), (14.0, 16.5))
    assert [gif.video for gif in first.history] == ["bbb", "-cc"]
    assert [gif.duration_s for gif in first.history] == [20.0, None]
    assert second.duration_s == pytest.approx(23.34)  # the end of its last GIF
    assert second.frames == 233
    assert second.history[0].end_s == 27.0
    assert [user.begins_early for user in (first, second, third)] == [False, True, True]


def test_every_gif_has_a_frame_inside_the_video(annotations: Path) -> None:
    first, second, third = (user.truth() for user in read_phd2(annotations))
    assert [np.flatnonzero(gif)[[0, -1]].tolist() for gif in first] == [[120, 149], [140, 164]]
    assert np.flatnonzero(second[1])[[0, -1]].tolist() == [210, 232]
    assert third.sum(axis=1).tolist() == [1]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "has no column youtubeId, start"),
        ("youtubeId,start\n", "has no column duration, user_id"),
        (HEADER, "has no user with a target"),
        (HEADER + "aaa,1,2,7,40,False\n", "has no user with a target"),
        (HEADER + "aaa,one,2,7,40,True\n", "Line 2 of testing.csv cannot be read"),
        (HEADER + "aaa,1,2,7,40,True\naaa,1\n", "Line 3 of testing.csv cannot be read"),
        (HEADER + "aaa,1,0,7,40,True\n", "a GIF of 0.0 s"),
        (HEADER + "aaa,1,2,7,40,yes\n", "is_last is 'yes'"),
    ],
)
def test_another_file_is_refused_in_words(tmp_path: Path, text: str, sentence: str) -> None:
    path = tmp_path / "testing.csv"
    path.write_text(text)
    with pytest.raises(ValueError, match=sentence):
        read_phd2(path)


def test_the_baselines_of_one_user_by_hand(tmp_path: Path) -> None:
    path = tmp_path / "testing.csv"
    path.write_text(HEADER + "aaa,10,5,7,20,True\nbbb,12,1,7,20,False\n")
    _, _, random, earliest, habit, oracle = baselines(read_phd2(path)).splitlines()
    assert random.startswith("| Random | ")
    # Four segments of 50 frames, the third of them wanted: 1/3, and (150 - 25) / (200 - 25) has to be kept.
    assert earliest == "| Earliest first | 33.33 | 71.43 | 100.00 | 33.33 |"
    assert habit == "| Own habit | 100.00 | 14.29 | 100.00 | 100.00 |"
    assert oracle == "| Oracle, 5 s | 100.00 | 14.29 | 100.00 | 100.00 |"


def test_the_baselines_survive_dirty_rows_and_repeat_themselves(annotations: Path) -> None:
    users = read_phd2(annotations)
    table = baselines(users)
    assert table == baselines(users)
    assert "| 3 users | mAP | nMSD | Recall@5 | mAP of the 1 whose GIFs start after 5 s |" in table
    assert "| none |" in baselines(users[1:])
    with pytest.raises(ValueError, match="no users"):
        baselines([])


class FakeIndex:
    def __init__(self, spans: list[tuple[float, float]]) -> None:
        self._spans = np.array(spans, np.float64)

    def spans(self) -> NDArray[np.float64]:
        return self._spans


class FakePredictor:
    """Knows where in a video it is, and nothing else: a vector is the direction of the middle of a span."""

    def __init__(self, damaged: str = "") -> None:
        self.damaged = damaged
        self.remembered: list[tuple[str, float, float | None]] = []

    def index(self, video: Path) -> FakeIndex:
        self._check(video)
        return FakeIndex([(0, 5), (5, 10), (10, 15), (15, 20), (20, 38.5)])  # ends before the 40 s of the dataset

    def vectors(self, index: FakeIndex, spans: NDArray[np.float64]) -> Vectors:  # noqa: ARG002
        angles = spans.mean(axis=1) / 20
        return np.column_stack([np.cos(angles), np.sin(angles)]).astype(np.float32)

    def remember(self, gif: Path, start_s: float = 0.0, end_s: float | None = None) -> NDArray[np.float32]:
        self._check(gif)
        self.remembered.append((gif.stem, start_s, end_s))
        return self.vectors(FakeIndex([]), np.array([[13.0, 14.0]]))[0]

    def _check(self, video: Path) -> None:
        if video.stem == self.damaged:
            raise VideoError("This file is not a video that can be read. Please use another.")


def nearest(segments: Vectors, history: Vectors) -> NDArray[np.float32]:
    return (segments @ history.T).max(axis=1)


def farthest(segments: Vectors, history: Vectors) -> NDArray[np.float32]:
    return -nearest(segments, history)


def test_videos_are_found_by_their_id(tmp_path: Path) -> None:
    for name in ("-cc.webm", "aaa.MP4", "bbb.jpg", "bbb.info.json", "ddd.mp4.part"):
        (tmp_path / name).touch()
    assert set(find_videos(tmp_path)) == {"-cc", "aaa"}


def test_the_protocol_runs_on_the_videos_that_are_there(
    annotations: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "vision_models")
    videos = tmp_path / "videos"
    videos.mkdir()
    for name in ("aaa.mp4", "bbb.webm", "eee.mkv"):
        (videos / name).touch()
    predictor = FakePredictor(damaged="eee")
    users = read_phd2(annotations)
    table = evaluate_phd2(users, videos, predictor, {"nearest": nearest, "farthest": farthest})
    lines = table.splitlines()
    assert lines[0] == "| 1 users | mAP | nMSD | Recall@5 |"
    # The third segment comes first, with 30 wanted frames of 50, then the fourth, with 15: (0.6 + 0.45) / 2. Half of
    # the GIFs are in 50 and 100 of 400 frames: (50 - 15) / (400 - 15) and (100 - 12.5) / (400 - 12.5).
    assert lines[2] == "| nearest | 52.50 | 15.84 | 100.00 |"
    assert lines[3].startswith("| farthest | ")
    assert float(lines[3].split("|")[2]) < 20
    assert lines[-1] == (
        "Of 3 users, 1 were left out because videos are missing, 1 because videos cannot be read. "
        "1 of the others' 2 history GIFs were there."
    )
    assert predictor.remembered[0] == ("bbb", 5.0, 7.0)
    assert caplog.messages == ["user 1 of 3", "user 3 of 3"]


def test_without_any_video_it_says_what_the_folder_should_hold(annotations: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"3 were left out because videos are missing.*such as aaa\.mp4"):
        evaluate_phd2(read_phd2(annotations), tmp_path, FakePredictor(), {"nearest": nearest})
