"""The door of InteractNet: a photo in, its objects and interactions out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from vision_models.interactions.config import WEIGHTS, InteractNetConfig
from vision_models.interactions.network import Found, InteractionNetwork, build
from vision_models.interactions.ranking import Factors
from vision_models.interactions.result import Interactions
from vision_models.interactions.vocabulary import OBJECTS, VERB_NAMES
from vision_models.media.photos import check_photo
from vision_models.predictor import Predictor

MIN_SCORE = 0.01  # interactions that score less are left out


class InteractionPredictor(Predictor[InteractionNetwork]):
    """Finds people, objects, and who does what to which of them with InteractNet.

    A photo's result depends on nothing but the photo and the weights. A CPU's and a GPU's may differ by rounding.

    Example:
        >>> predictor = InteractionPredictor.from_pretrained()
        >>> found = predictor.detect(read_photo("park.jpg"))
        >>> print(found.filter(min_score=0.3).to_json())
    """

    weights = WEIGHTS

    @classmethod
    def build(cls, config: Mapping[str, Any]) -> InteractionNetwork:
        """Make the network from the config inside a weights file."""
        return build(InteractNetConfig(**config))

    @classmethod
    def place(cls, network: InteractionNetwork, device: torch.device) -> InteractionNetwork:
        """Move the network to a device, with the channels of its maps side by side, which convolutions like."""
        return network.to(device).to(memory_format=torch.channels_last)

    @property
    def config(self) -> InteractNetConfig:
        """Sizes of the network, and its switches."""
        return self.network.config

    @property
    def training_photos(self) -> dict[str, int]:
        """How many training photos surely showed each verb; of a verb with 0, the network has seen guesses at best."""
        return {verb: round(n) for verb, n in zip(VERB_NAMES, self.network.verb_photos.tolist(), strict=True)}

    def detect(self, image: NDArray[np.uint8]) -> Interactions:
        """Find the objects and interactions of a photo.

        Args:
            image: (H, W, 3) uint8 sRGB, from 32 x 32 pixels to 50 megapixels.

        Raises:
            PhotoError: for an array that is no photo, or is too small or too large.
        """
        return self.detect_many([image])[0]

    def detect_many(self, images: Sequence[NDArray[np.uint8]]) -> list[Interactions]:
        """Find the objects and interactions of several photos, of any sizes, in one pass.

        Args:
            images: each as `detect` takes it. All are held in memory as floats: some dozens at once.

        Raises:
            PhotoError: if one of them is no photo, before any is looked at.
        """
        for image in images:
            check_photo(image)
        if self.device.type == "cpu":
            torch.set_flush_denormal(True)  # per thread
        with torch.inference_mode():
            arrays = (torch.from_numpy(np.require(image, requirements=["C", "W"])) for image in images)
            found = self.network([one.to(self.device).permute(2, 0, 1).float() / 255 for one in arrays])
            return [self._ranked(one, image.shape[:2]) for one, image in zip(found, images, strict=True)]

    def _ranked(self, found: Found, size: tuple[int, ...]) -> Interactions:
        height, width = size
        factors = self._factors(found, (width, height))
        if not self.config.extras:
            factors = factors.without_extras()
        labels = tuple(OBJECTS[label] for label in found.labels.tolist())
        boxes, scores = found.boxes.cpu().numpy(), found.scores.cpu().numpy()
        return Interactions(width, height, boxes, labels, scores, (), factors).rank_again().filter(MIN_SCORE)

    def _factors(self, found: Found, picture: tuple[int, int]) -> Factors:
        relations = self.network.relations
        compatibility = relations.compatibility(found.labels, found.boxes, picture)
        return Factors(
            people=found.people.cpu().numpy(),
            human_logits=found.human_logits.cpu().numpy(),
            object_logits=found.object_logits.cpu().numpy(),
            targets=found.targets.cpu().numpy(),
            sigmas=relations.sigmas.cpu().numpy(),
            compatibility=compatibility.cpu().numpy(),
            vacancy=relations.vacancy.cpu().numpy(),
            relative=True,
            pairs=None if found.pairs is None else found.pairs.cpu().numpy(),
            prominence=None if found.prominence is None else found.prominence.cpu().numpy(),
        )
