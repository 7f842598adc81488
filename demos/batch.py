"""Several photos in, one archive out: a photo that cannot be used is named in it, and the others come all the same."""

import zipfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import gradio as gr

from demos.files import new_folder
from demos.shell import HIDE, SHOW, line, status_line
from vision_models.errors import PhotoError, VisionModelsError

MOST = 50  # photos
ARCHIVE = "photos.zip"
NOTE = "not-done.txt"
NOTHING = "There are no photos yet. Drop some in."
TOO_MANY = f"These are more than {MOST} photos. Please take fewer at a time."
STOPPED = "Stopped."

Work = Callable[[Path, Path], Path]  # a photo's path and a folder to the file that is made of it there


def make_archive(paths: Sequence[Path], work: Work, folder: Path) -> Iterator[tuple[int, Path | None, int]]:
    """Work through photos.

    Args:
        paths: the photos.
        work: makes a file of a photo; a `VisionModelsError` that it raises goes into the archive as a line.
        folder: where the archive is made.

    Yields:
        How many photos are through, the archive when all are, and how many could not be used.

    Raises:
        PhotoError: none, too many, or not one that can be used.
    """
    if not paths:
        raise PhotoError(NOTHING)
    if len(paths) > MOST:
        raise PhotoError(TOO_MANY)
    refusals: list[str] = []
    archive = folder / ARCHIVE
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_STORED) as whole:
        for number, path in enumerate(paths):
            yield number, None, len(refusals)
            try:
                file = work(path, folder)
            except VisionModelsError as error:
                refusals.append(f"{path.name}: {error}")
                if len(refusals) == len(paths):
                    raise PhotoError(f"None of these photos could be used. {error}") from error
                continue
            taken = set(whole.namelist())
            name = next(name for name in _names(file) if name not in taken)
            whole.write(file, name)
            file.unlink()
        if refusals:
            whole.writestr(NOTE, "\n".join(refusals) + "\n")
    yield len(paths), archive, len(refusals)


def _names(file: Path) -> Iterator[str]:
    """The file's name, and others like it for when that is taken."""
    yield file.name
    number = 2
    while True:
        yield f"{file.stem}-{number}{file.suffix}"
        number += 1


def batch(name: str, button: str, done: str, work: Work) -> None:
    """Lay it out below a tab and wire it.

    Args:
        name: of the tab; ids begin with it.
        button: what the button says.
        done: what has become of a photo, in one word.
        work: makes a file of a photo.
    """
    with gr.Accordion("Several photos at once", open=False, elem_id=f"{name}-batch"):
        files = gr.File(label=f"Photos, up to {MOST}", file_count="multiple", height=160, elem_id=f"{name}-batch-files")
        with gr.Row():
            start = gr.Button(button)
            stop = gr.Button("Stop", visible=False)
        status = status_line(f"{name}-batch-status")
        archive = gr.DownloadButton("Save all (.zip)", visible=False, elem_id=f"{name}-batch-save")
    outcome = [status, start, stop, archive]

    def work_through(paths: list[str] | None) -> Iterator[tuple[object, ...]]:
        photos = [Path(path) for path in paths or []]
        try:
            with new_folder() as folder:
                for number, file, refused in make_archive(photos, work, folder):
                    if file is None:
                        yield line(f"Photo {number + 1} of {len(photos)}: {photos[number].name}"), HIDE, SHOW, HIDE
                        continue
                    said = f"{number - refused} of {number} photos {done}."
                    if refused:
                        said += f" Why the others were not is in {NOTE}."
                    yield line(said), SHOW, HIDE, gr.update(value=str(file), visible=True)
        except VisionModelsError as error:
            yield line(str(error), "problem"), SHOW, HIDE, HIDE

    quiet = {"api_visibility": "private", "show_progress": "hidden"}
    running = start.click(work_through, files, outcome, concurrency_id="batch", concurrency_limit=1, **quiet)
    stop.click(lambda: (line(STOPPED), SHOW, HIDE, HIDE), None, outcome, cancels=[running], queue=False, **quiet)
