"""The folder in which samples lie once they are made: the same for everyone, and nobody's."""

import tempfile
import threading
from collections import defaultdict
from collections.abc import Callable
from functools import cache
from pathlib import Path

from demos.files import appearing_whole

_one_at_a_time = threading.Lock()
_locks: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)  # by name of the file


@cache
def sample_folder() -> tempfile.TemporaryDirectory[str]:
    """Return the folder, which goes when the program does."""
    return tempfile.TemporaryDirectory(prefix="vision-models-samples-")


def made_before(name: str) -> Path | None:
    """Return the file of this name if somebody has made it."""
    file = Path(sample_folder().name, name)
    return file if file.exists() else None


def made_once(name: str, make: Callable[[Path], object]) -> Path:
    """Return the file of this name, and make it if nobody has yet.

    It is made in a folder beside, by one caller at a time, and appears when it is whole: visitors who click at once get
    the same file, nobody gets half of one, and work that fails leaves nothing.

    Args:
        name: of the file in `sample_folder`.
        make: writes it to the path it is given.
    """
    with _one_at_a_time:  # two first calls at once would make two folders, of which one goes at once
        file, lock = Path(sample_folder().name, name), _locks[name]
    if not file.exists():
        with lock:
            if not file.exists():
                with appearing_whole(file) as unfinished:
                    make(unfinished)
    return file
