"""Deletes what visitors have left when its hour is over, whoever forgot it: a former process, a broken upload."""

import ctypes
import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

LOG = logging.getLogger(__name__)

EVERY_SECONDS = 60.0
MOST_BYTES = 20 * 1024**3  # of all that visitors have here; beyond, the oldest goes before its hour


class Found(NamedTuple):
    """A file, when it came, and how large it is."""

    came: float
    bytes: int
    path: Path


def sweep(folder: Path, keep_s: float, most_bytes: int = MOST_BYTES, now: float | None = None) -> int:
    """Delete old files and folders in which nothing is left.

    Args:
        folder: in which the page keeps uploads and results, and nobody anything else.
        keep_s: how old files get.
        most_bytes: how much all of them take.
        now: seconds since 1970.

    Returns:
        How many bytes are left.
    """
    now = time.time() if now is None else now
    files = sorted(files_in(folder))
    total = sum(file.bytes for file in files)
    for file in files:
        if file.came > now - keep_s and total <= most_bytes:
            break
        with suppress(OSError):  # somebody was quicker, or may not; the next sweep tries again
            file.path.unlink()
            total -= file.bytes
    places = sorted((path for path in folder.rglob("*") if path.is_dir() and not path.is_symlink()), reverse=True)
    for place in places:  # the deepest first
        with suppress(OSError):  # it is not empty
            if place.stat().st_ctime <= now - EVERY_SECONDS:  # or somebody is about to write there
                place.rmdir()
    return total


def files_in(folder: Path) -> Iterator[Found]:
    """All files below a folder; one that goes meanwhile is left out."""
    for path in folder.rglob("*"):
        with suppress(OSError):
            if path.is_file() or path.is_symlink():
                facts = path.lstat()
                # Not when it was made, which a copy keeps, but when it came.
                yield Found(facts.st_ctime, facts.st_size, path)


def give_memory_back() -> None:
    """Return to the system what the C library keeps of memory that photos took; after a crowd that is a lot."""
    with suppress(OSError, AttributeError):  # other systems have another library, or one that needs no telling
        ctypes.CDLL("libc.so.6").malloc_trim(0)


def start_sweeping(folder: Path, keep_s: float, forget: Callable[[float], None]) -> threading.Thread:
    """Sweep now, and then every minute as long as the program runs.

    Args:
        folder: What to sweep.
        keep_s: How old files may become.
        forget: Called with that age; forgets what else is older.
    """

    def work() -> None:
        while True:
            try:
                sweep(folder, keep_s)
                forget(keep_s)
                give_memory_back()
            except Exception:
                LOG.exception("Sweeping failed; it is tried again in a minute.")
            time.sleep(EVERY_SECONDS)

    thread = threading.Thread(target=work, name="sweeper", daemon=True)
    thread.start()
    return thread
