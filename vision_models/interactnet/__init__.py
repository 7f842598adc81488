"""InteractNet: who does what to which object, and why (Gkioxari et al., CVPR 2018, arXiv 1704.07333)."""

from vision_models.interactnet.cascade import Factors, Interaction
from vision_models.interactnet.config import InteractNetConfig
from vision_models.interactnet.interactions import Interactions
from vision_models.interactnet.predictor import InteractionPredictor

__all__ = ["Factors", "InteractNetConfig", "Interaction", "InteractionPredictor", "Interactions"]
