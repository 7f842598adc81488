"""The door of InteractNet: a photo in, its objects and interactions out."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray

from vision_models.devices import choose_device
from vision_models.hub import WeightsFile, load_network
from vision_models.interactnet.actions import OBJECTS, VERB_NAMES
from vision_models.interactnet.cascade import Factors
from vision_models.interactnet.config import WEIGHTS, InteractNetConfig
from vision_models.interactnet.interactions import Interactions
from vision_models.interactnet.network import Found, InteractNet
from vision_models.photos import check_photo

MIN_SCORE = 0.01  # interactions that score less are left out


@dataclass(frozen=True)
class InteractionPredictor:
    """Finds people, objects, and who does what to which of them with InteractNet.

    A photo's result depends on nothing but the photo and the weights. A CPU's and a GPU's may differ by rounding.

    Example:
        >>> predictor = InteractionPredictor.from_pretrained()
        >>> found = predictor.detect(read_photo("park.jpg"))
        >>> print(found.filter(min_score=0.3).to_json())
    """

    network: InteractNet = field(repr=False)
    weights_file: WeightsFile  # which weights answer, and where they came from
    device: torch.device

    @classmethod
    def from_pretrained(
        cls,
        device: str | torch.device | None = None,
        repo_id: str | None = None,
        revision: str | None = None,
        cache_dir: str | Path | None = None,
        local_files_only: bool = False,
        *,
        path: str | Path | None = None,
    ) -> Self:
        """Load weights: from `path`, else from a Hub repository when one is named, else the copy inside the package.

        Args:
            device: "cpu", "cuda", ...; the GPU when there is one.
            repo_id: "owner/name" on the Hub; by default what the environment variable VISION_MODELS_REPO names, if any.
            revision: commit of that repository; a full commit hash that is cached already needs no network.
            cache_dir: where the Hub's files are kept, instead of the usual cache.
            local_files_only: never use the network.
            path: a .safetensors file of your own, as `vision-models train interactnet` writes it.

        Raises:
            WeightsError: one subclass per cause, each with a sentence that says what to do.
        """
        network, found = load_network(
            WEIGHTS,
            lambda config: InteractNet(InteractNetConfig(**config)),
            "InteractNet",
            path=path,
            repo_id=repo_id,
            revision=revision,
            cache_dir=cache_dir,
            local_files_only=local_files_only,
        )
        where = choose_device(device)
        return cls(network.to(where).to(memory_format=torch.channels_last), found, where)

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
        check_photo(image)
        height, width = image.shape[:2]
        if self.device.type == "cpu":
            torch.set_flush_denormal(True)  # per thread
        with torch.inference_mode():
            picture = torch.from_numpy(np.require(image, requirements=["C", "W"])).to(self.device)
            found = self.network([picture.permute(2, 0, 1).float() / 255])[0]
            factors = self._factors(found, (width, height))
        if not self.config.extras:
            factors = factors.without_extras()
        labels = tuple(OBJECTS[label] for label in found.labels.tolist())
        unranked = Interactions(
            width, height, found.boxes.cpu().numpy(), labels, found.scores.cpu().numpy(), (), factors
        )
        return unranked.rank_again().filter(MIN_SCORE)

    def _factors(self, found: Found, picture: tuple[int, int]) -> Factors:
        relations = self.network.relations
        targets = relations.targets(found.boxes[found.people], picture) + found.target_offsets
        compatibility = relations.compatibility(found.labels, found.boxes, picture)
        return Factors(
            people=found.people.cpu().numpy(),
            human_logits=found.human_logits.cpu().numpy(),
            object_logits=found.object_logits.cpu().numpy(),
            targets=targets.cpu().numpy(),
            sigmas=relations.sigmas.cpu().numpy(),
            compatibility=compatibility.cpu().numpy(),
            vacancy=relations.vacancy.cpu().numpy(),
            relative=True,
        )
