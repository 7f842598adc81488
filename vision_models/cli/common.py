"""What the commands share: options, and how an error of ours becomes one red line.

Commands import what they need when they run: `vision-models --help` should not wait for torch.
"""

from __future__ import annotations

import functools
import logging
import os
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, nullcontext, redirect_stdout
from pathlib import Path
from typing import Annotated, ParamSpec, TypeVar

import typer

from vision_models.errors import DataError, VisionModelsError

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")

WeightsOption = Annotated[
    Path | None, typer.Option("--weights", help="A .safetensors file of your own instead of the published weights.")
]
DeviceOption = Annotated[str | None, typer.Option(help="cpu or cuda; the GPU when there is one.")]
OutOption = Annotated[Path, typer.Option(help="Folder for checkpoints, log and weights.")]
WorkersOption = Annotated[int, typer.Option(min=0, help="Processes that prepare training data.")]


def one_line_errors(command: Callable[Arguments, Result]) -> Callable[Arguments, Result]:
    """Have a command say in one red line on standard error what went wrong, and leave with status 1."""

    @functools.wraps(command)
    def run(*args: Arguments.args, **kwargs: Arguments.kwargs) -> Result:
        _show_progress()
        try:
            return command(*args, **kwargs)
        except ModuleNotFoundError as error:
            for_many = str(error.name).partition(".")[0] in {"pyarrow", "ray"}
            what, extras = (
                ("Ray Data and tables", "batch") if for_many else ("training and evaluation", "train,evaluate")
            )
            needed = f"Install what {what} need: pip install 'vision-models[{extras}]'"
            raise _stop(f"{error.name} is missing. {needed}") from error
        except (VisionModelsError, ValueError, OSError) as error:
            raise _stop(str(error)) from error

    return run


def jointly(command: Callable[Arguments, Result]) -> Callable[Arguments, Result]:
    """Have a command that trains join the other processes, if torchrun has started several. The first one speaks."""

    @functools.wraps(command)
    def run(*args: Arguments.args, **kwargs: Arguments.kwargs) -> Result:
        if os.environ.get("WORLD_SIZE", "1") == "1":
            return command(*args, **kwargs)
        from vision_models.distributed import joined

        with joined() as part, redirect_stdout(None) if part.rank else nullcontext():
            logging.getLogger("vision_models").setLevel(logging.WARNING if part.rank else logging.INFO)
            return command(*args, **kwargs)

    return run


@contextmanager
def about(file: Path) -> Iterator[None]:
    """Begin an error of ours with the file that it is about."""
    try:
        yield
    except VisionModelsError as error:
        raise _stop(f"{file}: {error}") from error


def need_one_of(*options: str, given: bool) -> None:
    """Refuse an evaluation on nothing."""
    if not given:
        raise DataError(f"There is nothing to evaluate on. Give {' or '.join(options)}.")


def check_output(path: Path, endings: Collection[str], *inputs: Path, overwrite: bool = True) -> None:
    """Refuse, before any work, to write a file of another ending, over one of the inputs, or unasked over any other."""
    if path.suffix.lower() not in endings:
        raise DataError(f"{path} should end in {' or '.join(endings)}.")
    if any(path.exists() and path.samefile(one) for one in inputs if one.exists()):
        raise DataError(f"{path} is the file that is read. Name another one to write to; nothing was changed.")
    if path.exists() and not overwrite:
        raise DataError(f"{path} is there already. Choose another folder, or say --overwrite; nothing was changed.")


def _show_progress() -> None:
    """Print what long work logs to standard error, so that standard output holds the results alone."""
    log = logging.getLogger("vision_models")
    log.setLevel(logging.INFO)
    log.propagate = False
    log.handlers = [logging.StreamHandler()]  # made anew, as standard error may be another one now
    log.handlers[0].setFormatter(logging.Formatter("%(message)s"))


def _stop(why: str) -> typer.Exit:
    typer.secho(why, err=True, fg=typer.colors.RED)
    return typer.Exit(1)
