"""DRHT: exposure correction by way of the HDR domain (Yang et al., CVPR 2018, arXiv 1804.04371)."""

from vision_models.drht.config import DRHTConfig
from vision_models.drht.predictor import Correction, Estimate, ExposurePredictor

__all__ = ["Correction", "DRHTConfig", "Estimate", "ExposurePredictor"]
