"""Small vision models with learned weights of their own, usable from a few lines of Python.

    from vision_models import ExposurePredictor, HighlightPredictor, InteractionPredictor
    from vision_models import read_photo, write_gif, write_png

    correction = ExposurePredictor.from_pretrained().correct(read_photo("dark.jpg"))
    write_png(correction.image, "corrected.png")

    highlights = HighlightPredictor.from_pretrained().rank("match.mp4", history=["goal.gif"])
    clip = highlights.best(1, length_s=4)[0]
    write_gif("match.mp4", clip.start_s, clip.end_s, "highlight.gif", height=240)

    found = InteractionPredictor.from_pretrained().detect(read_photo("park.jpg"))
    print(found.filter(min_score=0.3).to_json())

Importing this package loads neither torch nor gradio, opens no connection and writes no file: a
name is looked up in its module the first time it is used (PEP 562).
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vision_models.errors import DataError, PhotoError, VideoError, VisionModelsError, WeightsError
    from vision_models.exposure import Correction, Estimate, ExposurePredictor
    from vision_models.gifs import HighlightPredictor, Highlights
    from vision_models.interactions import InteractionPredictor, Interactions
    from vision_models.media.clips import write_gif
    from vision_models.media.edits import Edits
    from vision_models.media.gain_map import write_hdr_jpeg
    from vision_models.media.photos import read_photo, write_photo, write_png
    from vision_models.media.radiance import write_radiance

__version__ = "0.2.0"

__all__ = [
    "Correction",
    "DataError",
    "Edits",
    "Estimate",
    "ExposurePredictor",
    "HighlightPredictor",
    "Highlights",
    "InteractionPredictor",
    "Interactions",
    "PhotoError",
    "VideoError",
    "VisionModelsError",
    "WeightsError",
    "read_photo",
    "write_gif",
    "write_hdr_jpeg",
    "write_photo",
    "write_png",
    "write_radiance",
]

# Where each public name lives; the imports above tell type checkers and editors the same.
_HOME = {
    "Correction": "vision_models.exposure",
    "Edits": "vision_models.media.edits",
    "Estimate": "vision_models.exposure",
    "ExposurePredictor": "vision_models.exposure",
    "HighlightPredictor": "vision_models.gifs",
    "Highlights": "vision_models.gifs",
    "InteractionPredictor": "vision_models.interactions",
    "Interactions": "vision_models.interactions",
    "DataError": "vision_models.errors",
    "PhotoError": "vision_models.errors",
    "VideoError": "vision_models.errors",
    "VisionModelsError": "vision_models.errors",
    "WeightsError": "vision_models.errors",
    "read_photo": "vision_models.media.photos",
    "write_gif": "vision_models.media.clips",
    "write_photo": "vision_models.media.photos",
    "write_png": "vision_models.media.photos",
    "write_hdr_jpeg": "vision_models.media.gain_map",
    "write_radiance": "vision_models.media.radiance",
}


def __getattr__(name: str) -> object:
    """Import the module that holds `name`, once, when the name is first used."""
    if name not in _HOME:
        msg = f"module {__name__!r} has no attribute {name!r}; it offers {', '.join(__all__)}"
        raise AttributeError(msg)
    value = getattr(import_module(_HOME[name]), name)
    globals()[name] = value  # the next use finds it without coming here
    return value


def __dir__() -> list[str]:
    """List the public names before their modules are imported, for tab completion."""
    return sorted({*globals(), *__all__})
