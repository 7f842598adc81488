"""InteractNet: who does what to which object, and why (Gkioxari et al., CVPR 2018, arXiv 1704.07333)."""

from vision_models.interactions.config import InteractNetConfig
from vision_models.interactions.predictor import InteractionPredictor
from vision_models.interactions.ranking import Factors, Interaction
from vision_models.interactions.result import Interactions

__all__ = ["Factors", "InteractNetConfig", "Interaction", "InteractionPredictor", "Interactions"]
