"""Files between visitors and the server: where uploads and results lie, and when they are deleted.

Gradio keeps both in one folder, named by a documented environment variable, and deletes on schedule what it has noted.
All that is used here of what Gradio does not document is that note, and nothing breaks without it.
"""

import errno
import logging
import mimetypes
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

import gradio as gr

from demos.front import address
from vision_models.errors import VisionModelsError

LOG = logging.getLogger(__name__)
NO_ROOM = "This server has no room for files at the moment. Please try again in some minutes."


def upload_folder() -> Path:
    """Return the folder in which Gradio keeps uploads and results: nobody else's, since old files there are deleted."""
    user = getattr(os, "getuid", lambda: "")()
    return Path(os.environ.get("GRADIO_TEMP_DIR") or Path(tempfile.gettempdir(), f"vision-models-{user}")).resolve()


@contextmanager
def new_folder() -> Iterator[Path]:
    """Make a folder in Gradio's; what is shown from it is deleted on schedule, or at once if the work fails."""
    with _room_on_disk():
        upload_folder().mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(dir=upload_folder()))
        try:
            yield folder
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)  # a disk that cannot be written to keeps it
            raise


@contextmanager
def appearing_whole(file: Path) -> Iterator[Path]:
    """Give a path to write to; the file appears in its place when it is whole, and work that fails leaves nothing."""
    with tempfile.TemporaryDirectory(dir=file.parent) as folder:
        yield (unfinished := Path(folder, file.name))
        unfinished.replace(file)


def deleted_on_schedule(file: Path) -> Path:
    """Have Gradio delete a file when it is an hour old, as it does with those that go through one of its components.

    Outside an event there is no page that could, and the file is returned as it is.
    """
    try:
        from gradio.context import LocalContext

        page = LocalContext.blocks.get(None)
        if page is not None:
            page.upload_file_set.add(str(file))
    except (ImportError, AttributeError) as error:
        LOG.warning(f"This Gradio notes no files to be deleted: {error}")
    return file


def uploaded(file: object) -> Path | None:
    """Return where an uploaded file lies, or None: only a file in Gradio's folder can have been uploaded."""
    path = file.get("path") if isinstance(file, dict) else None
    if not isinstance(path, str) or not path:
        return None
    try:
        inside = Path(path).resolve().is_relative_to(upload_folder())
    except (OSError, ValueError):  # ValueError: a null byte
        return None
    return Path(path) if inside else None


def fetchable(file: Path, request: gr.Request | None) -> gr.FileData:
    """Describe a file for programs: with the address at which anything that speaks HTTP can fetch it."""
    url = None
    if request is not None:
        url = f"{address(request.request.scope)}/gradio_api/file={quote(str(file))}"
    kind = mimetypes.guess_type(file.name)[0]
    return gr.FileData(path=str(file), url=url, size=file.stat().st_size, orig_name=file.name, mime_type=kind)


@contextmanager
def errors_on_page() -> Iterator[None]:
    """Show our own errors to the visitor. Of any other, Gradio says no more than that there was one."""
    with _room_on_disk():
        try:
            yield
        except VisionModelsError as error:
            raise gr.Error(str(error), print_exception=False) from error


@contextmanager
def _room_on_disk() -> Iterator[None]:
    """Say so where the disk is full, or may not be written to any more."""
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EROFS):
            raise
        LOG.warning(f"No file can be written: {error}")
        raise gr.Error(NO_ROOM, print_exception=False) from error
