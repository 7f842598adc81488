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
    from vision_models.drht import Correction, Estimate, ExposurePredictor
    from vision_models.errors import PhotoError, VideoError, VisionModelsError, WeightsError
    from vision_models.interactnet import InteractionPredictor, Interactions
    from vision_models.phd_gifs import HighlightPredictor, Highlights
    from vision_models.photos import read_photo, write_png, write_radiance
    from vision_models.videos import write_gif

__version__ = "0.1.0"

__all__ = [
    "Correction",
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
    "write_png",
    "write_radiance",
]

# Where each public name lives; the imports above tell type checkers and editors the same.
_HOME = {
    "Correction": "vision_models.drht",
    "Estimate": "vision_models.drht",
    "ExposurePredictor": "vision_models.drht",
    "HighlightPredictor": "vision_models.phd_gifs",
    "Highlights": "vision_models.phd_gifs",
    "InteractionPredictor": "vision_models.interactnet",
    "Interactions": "vision_models.interactnet",
    "PhotoError": "vision_models.errors",
    "VideoError": "vision_models.errors",
    "VisionModelsError": "vision_models.errors",
    "WeightsError": "vision_models.errors",
    "read_photo": "vision_models.photos",
    "write_gif": "vision_models.videos",
    "write_png": "vision_models.photos",
    "write_radiance": "vision_models.photos",
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
