"""The folder in which samples lie once they are made: the same for everyone, and nobody's."""

import tempfile
import threading
from collections.abc import Callable
from functools import cache
from pathlib import Path

_locks: dict[str, threading.Lock] = {}  # by name of the file


@cache
def sample_folder() -> tempfile.TemporaryDirectory[str]:
    """Return the folder, which goes when the program does."""
    return tempfile.TemporaryDirectory(prefix="vision-models-samples-")


def made_once(name: str, make: Callable[[Path], object]) -> Path:
    """Return the file of this name, and make it if nobody has yet.

    It is made under another name with the same ending, by one caller at a time, and appears when it is whole: visitors
    who click at once get the same file, and nobody gets half of one.

    Args:
        name: of the file in `sample_folder`.
        make: writes it to the path it is given.
    """
    file = Path(sample_folder().name, name)
    if not file.exists():
        with _locks.setdefault(name, threading.Lock()):
            if not file.exists():
                unfinished = file.with_stem(f"{file.stem}-unfinished")
                make(unfinished)
                unfinished.replace(file)
    return file
