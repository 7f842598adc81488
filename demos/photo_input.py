"""What the tabs that take a photo share: the field for it, and what becomes of a photo that was dropped there."""

import math
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np
from numpy.typing import NDArray

from demos.files import errors_on_page, uploaded
from vision_models.errors import PhotoError
from vision_models.media.photos import MIN_SIDE, read_photo, resize_to_fit

PHOTO_MEGABYTES = 60  # of an upload; the page as a whole takes more, for videos
SHOWN_BY_BROWSERS = {".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp", ".avif"}

NO_PHOTO = "There is no photo yet. Drop one in, paste one, or pick a sample."
GONE = "This photo is no longer on the server. Please drop it in again."


def photo_input() -> gr.Image:
    """Lay out the field that takes a photo."""
    return gr.Image(
        label="Your photo",
        placeholder="Drop a photo here\nor click to choose one",
        type="filepath",
        sources=["upload", "clipboard", "webcam"],
        height=280,
        buttons=[],
    )


def sent(photo: object) -> Path:
    """Return where the photo lies that a program has sent, or say how to send one."""
    path = uploaded(photo)
    if path is None:
        how = 'No photo arrived. Upload it as a file; with gradio_client: handle_file("photo.jpg").'
        raise gr.Error(how, print_exception=False)
    return path


def open_photo(path: Path) -> NDArray[np.uint8]:
    """Read a photo unless its file is larger than a photo's is."""
    if path.is_file() and path.stat().st_size > PHOTO_MEGABYTES * 1024**2:
        raise PhotoError(
            f"This file is larger than {PHOTO_MEGABYTES} MB. Please save the photo as a JPEG and try again."
        )
    return read_photo(path)


def pixels(path: Path) -> NDArray[np.uint8]:
    """Read a photo; one that cannot be read, or was deleted meanwhile, is explained to the visitor."""
    with errors_on_page():
        return open_photo(path)


def shrink(image: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    """Shrink a photo to `side` pixels on the long side, but never so far that it is too thin to be read again."""
    short, long = sorted(image.shape[:2])
    return resize_to_fit(image, max(side, math.ceil(MIN_SIDE * long / short)))


def pixel_size(image: NDArray[np.uint8]) -> str:
    """Return width and height in words."""
    return f"{image.shape[1]} × {image.shape[0]}"


def readable(photo: Path, copy: Path) -> Any:
    """Return what the field shows of an uploaded photo: the photo, or a copy where browsers cannot show it."""
    return gr.skip() if photo.suffix.lower() in SHOWN_BY_BROWSERS else str(copy)
