"""PHD-GIFs: the GIFs that you would cut out of a video (Garcia del Molino & Gygli, ACM MM 2018, arXiv 1804.06604)."""

from vision_models.gifs.config import PHDConfig
from vision_models.gifs.predictor import HighlightPredictor
from vision_models.gifs.result import Clip, Highlights, Segment, VideoIndex

__all__ = ["Clip", "HighlightPredictor", "Highlights", "PHDConfig", "Segment", "VideoIndex"]
