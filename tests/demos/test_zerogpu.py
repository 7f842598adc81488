"""What a visitor of a Space on ZeroGPU would notice, where each `spaces.GPU` function runs in a process of its own.

`spaces` gives such functions back as they are anywhere else. Here a stand-in does to them what its source does there:
arguments and results are pickled, and of any error but gr.Error no more is left than the name of its class.
"""

from __future__ import annotations

import ast
import dataclasses
import pickle
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import wraps
from pathlib import Path
from typing import Any

import gradio as gr
import imageio_ffmpeg
import numpy as np
import pytest
import skimage.data
import spaces
from torch import nn
from torch.nn.modules.module import register_module_forward_pre_hook

from app import build_app
from demos.gif_visit import HISTORY_GIFS
from vision_models.errors import VisionModelsError
from vision_models.exposure.predictor import ExposurePredictor
from vision_models.gifs.predictor import HighlightPredictor
from vision_models.interactions.predictor import InteractionPredictor
from vision_models.media.clips import write_gif
from vision_models.media.photos import write_png

ROOT = Path(__file__).parents[2]
SENTENCE = "This photo is of no use. Please try another one."


def copied(value: Any) -> Any:
    """What arrives in another process."""
    return pickle.loads(pickle.dumps(value))  # noqa: S301 - our own bytes


def same(one: Any, other: Any) -> bool:
    """Whether two values are equal and made of plain Python and NumPy alone; tensors are neither."""
    if type(one) is not type(other):
        return False
    if isinstance(one, np.ndarray):
        return one.dtype == other.dtype and np.array_equal(one, other, equal_nan=one.dtype.kind == "f")
    if isinstance(one, tuple | list):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if dataclasses.is_dataclass(one):
        return all(same(getattr(one, part.name), getattr(other, part.name)) for part in dataclasses.fields(one))
    return isinstance(one, str | float | int | Path | None) and one == other


@dataclass(frozen=True)
class Call:
    """What went to the GPU, for how many seconds it was asked for, and what came back."""

    function: str
    arguments: tuple[Any, ...]
    seconds: float
    result: Any


@dataclass
class ZeroGPU:
    """Stands in for ZeroGPU."""

    durations: dict[str, Any] = field(default_factory=dict)  # of each function
    calls: list[Call] = field(default_factory=list)
    is_lent: bool = False

    def decorator(self, *, duration: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
        """Take the place of `spaces.GPU`."""

        def decorate(task: Callable[..., Any]) -> Callable[..., Any]:
            self.durations[task.__name__] = duration

            @wraps(task)
            def in_a_worker(*args: Any) -> Any:
                seconds = duration(*args) if callable(duration) else duration
                self.is_lent = True
                try:
                    result = task(*copied(args))
                except Exception as error:  # noqa: BLE001 - as there
                    raise copied(error if isinstance(error, gr.Error) else gr.Error(type(error).__name__)) from None
                finally:
                    self.is_lent = False
                self.calls.append(Call(task.__name__, args, seconds, result))
                return copied(result)

            return in_a_worker

        return decorate


@dataclass(frozen=True)
class Space:
    """The page as it is on a Space."""

    gpu: ZeroGPU
    placed: tuple[nn.Module, ...]  # what lay on the GPU before anybody came
    moved: list[nn.Module]  # and what was moved there until now
    answers: dict[str, Callable[..., Any]]  # what programs call, by name
    questions: dict[str, tuple[Any, ...]]  # what they can send there

    def ask(self, name: str) -> Any:
        return self.answers[name](*self.questions[name])


@pytest.fixture(scope="module")
def space(page_files: Path) -> Iterator[Space]:
    """All tabs with the bundled weights."""
    gpu, moved, to = ZeroGPU(), [], nn.Module.to

    def place(module: nn.Module, *args: Any, **options: Any) -> nn.Module:
        moved.append(module)
        return to(module, *args, **options)

    photo = write_png(skimage.data.astronaut()[::2, ::2], page_files / "astronaut.png")
    video = page_files / "video.mp4"
    scene = ["-f", "lavfi", "-i", "testsrc2=size=160x120:rate=10:duration=3"]
    subprocess.run([imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-y", *scene, str(video)], check=True)
    gif = write_gif(video, 0, 1, page_files / "liked.gif")
    questions = {
        "correct": ({"path": str(photo)},),
        "interactions": ({"path": str(photo)},),
        "gifs": ({"path": str(video)}, [{"path": str(gif)}], 1, 1.0, 1.0, 72),
    }
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(spaces, "GPU", gpu.decorator)
        patch.setattr(nn.Module, "to", place)
        functions = build_app().fns.values()
        answers = {str(one.api_name): one.fn for one in functions if one.fn}
        yield Space(gpu, tuple(moved), moved, answers, questions)


@pytest.fixture(scope="module")
def calls(space: Space) -> list[Call]:
    """What goes to the GPU and back when every tab is asked once."""
    for name in space.questions:
        space.ask(name)
    return list(space.gpu.calls)


def test_every_function_that_borrows_the_gpu_is_tried_here(space: Space, calls: list[Call]) -> None:
    assert {call.function for call in calls} == space.gpu.durations.keys()


def test_answers_come_back_from_the_gpu_as_they_were(calls: list[Call]) -> None:
    for call in calls:
        assert same(call.arguments, copied(call.arguments)), call.function
        assert same(call.result, copied(call.result)), call.function


def test_nobody_is_asked_for_more_than_a_minute_of_their_quota(space: Space, calls: list[Call]) -> None:
    assert all(0 < call.seconds <= 60 for call in calls)
    assert space.gpu.durations["remember"]([Path("liked.gif")] * HISTORY_GIFS) <= 60


def test_networks_lie_on_the_gpu_before_the_first_visitor_comes(space: Space) -> None:
    """All that run on it, and these nowhere else: where no GPU is lent, it is only pretended."""
    lies_there = {part for network in space.placed for part in network.modules()}
    ran: set[tuple[nn.Module, bool]] = set()
    with register_module_forward_pre_hook(lambda module, _: ran.add((module, space.gpu.is_lent))):
        for name in space.questions:
            space.ask(name)
    assert len(ran) > 100
    assert [module for module, is_lent in ran if is_lent != (module in lies_there)] == []
    assert space.moved == [*space.placed]


@pytest.mark.parametrize(
    ("predictor", "method", "name", "sent"),
    [
        (ExposurePredictor, "estimate", "correct", 1),
        (InteractionPredictor, "detect", "interactions", 1),
        (HighlightPredictor, "encode", "gifs", 1),
        (HighlightPredictor, "remember", "gifs", 2),  # with a history
    ],
)
def test_what_went_wrong_on_the_gpu_is_said_in_our_words(
    space: Space, predictor: type[Any], method: str, name: str, sent: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any) -> None:
        raise VisionModelsError(SENTENCE)

    monkeypatch.setattr(predictor, method, fail)
    with pytest.raises(gr.Error) as raised:
        space.answers[name](*space.questions[name][:sent])
    assert SENTENCE in str(raised.value)
    assert not raised.value.print_exception


BORROWERS = [path for path in (ROOT / "app.py", *ROOT.glob("demos/*.py")) if "import spaces" in path.read_text("utf-8")]


@pytest.mark.parametrize("path", BORROWERS, ids=lambda path: path.name)
def test_spaces_is_imported_before_anything_that_could_touch_cuda(path: Path) -> None:
    first = ast.parse(path.read_text(encoding="utf-8")).body[1]  # [0] is the docstring
    assert ast.unparse(first) == "import spaces"
