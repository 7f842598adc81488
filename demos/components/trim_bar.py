"""The film around a GIF, with its start and its end to be dragged."""

from typing import TYPE_CHECKING

import cv2
import numpy as np

from demos.components import render
from demos.samples.photos import data_uri
from vision_models.errors import VideoError
from vision_models.media.videos import read_frames

if TYPE_CHECKING:
    from vision_models.media.videos import Video

AROUND_S = 6.0  # of the video that is shown on each side of the GIF
PICTURES = 10
HEIGHT = 64  # pixels


def trim_bar(video: "Video", start_s: float, end_s: float) -> str:
    """Return HTML with the film from some seconds before a GIF to some seconds after it, in the times of a player."""
    low_s, high_s = max(start_s - AROUND_S, 0.0), min(end_s + AROUND_S, video.duration_s)
    width = min(max(round(HEIGHT * video.width / video.height), 16), 160)
    try:
        rate = PICTURES / (high_s - low_s)
        frames = [f for _, f in read_frames(video, fps=rate, size=(width, HEIGHT), start_s=low_s, end_s=high_s)]
        film = np.hstack(frames)
    except VideoError:  # the handles work all the same
        film = np.full((HEIGHT, width * PICTURES, 3), 128, np.uint8)
    film = cv2.resize(film, (width * PICTURES, HEIGHT), interpolation=cv2.INTER_AREA)
    times = {"low_s": low_s, "high_s": high_s, "start_s": start_s, "end_s": end_s}
    shown = {name: time + video.lead_s for name, time in times.items()}
    return render("trim_bar", film=data_uri(film, max(film.shape)), **shown)
