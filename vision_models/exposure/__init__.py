"""DRHT: exposure correction by way of the HDR domain (Yang et al., CVPR 2018, arXiv 1804.04371)."""

from vision_models.exposure.config import DRHTConfig
from vision_models.exposure.predictor import ExposurePredictor
from vision_models.exposure.result import Correction, Estimate

__all__ = ["Correction", "DRHTConfig", "Estimate", "ExposurePredictor"]
