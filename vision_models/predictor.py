"""What every predictor is: the door of a model, with one way to load its weights."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Generic, Self, TypeVar

import torch
from torch import nn

from vision_models.devices import choose_device
from vision_models.errors import WeightsFormatError
from vision_models.weights.checkpoint import load_strictly, load_tensors
from vision_models.weights.hub import fetch
from vision_models.weights.record import Weights, WeightsFile

Network = TypeVar("Network", bound=nn.Module)


class Predictor(Generic[Network]):
    """The door of a model. A subclass says which weights it loads and how to build the network that they fill.

    A class without `weights` or without its own `build` is refused with a TypeError when it is defined.

    Attributes:
        weights: The checkpoint that `from_pretrained` loads unless told otherwise.
        network: In evaluation mode, on `device`.
        weights_file: Which weights answer, and where they came from.
        device: Where the network runs.
    """

    weights: ClassVar[Weights]

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        if not isinstance(getattr(cls, "weights", None), Weights):
            raise TypeError(f"{cls.__name__} is a predictor without weights. Set weights = Weights(...) in its class.")
        if not any("build" in vars(base) for base in cls.__mro__[: cls.__mro__.index(Predictor)]):
            raise TypeError(f"{cls.__name__} is a predictor without a network. Define build(config) in its class.")

    def __init__(self, network: Network, weights_file: WeightsFile, device: torch.device) -> None:
        self.network = self.place(network, device)
        self.weights_file = weights_file
        self.device = device

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.weights_file.weights.name}, {self.weights_file.origin}, {self.device})"

    @classmethod
    def build(cls, config: Mapping[str, Any]) -> Network:
        """Make the network from the config inside a weights file.

        Raises:
            KeyError, TypeError, ValueError: for a config of another model.
        """
        raise NotImplementedError

    @classmethod
    def place(cls, network: Network, device: torch.device) -> Network:
        """Move to a device what has to run there: all of the network, unless a model knows better."""
        return network.to(device)

    @classmethod
    def from_pretrained(
        cls,
        source: str | Path | None = None,
        *,
        device: str | torch.device | None = None,
        revision: str | None = None,
        cache_dir: str | Path | None = None,
        local_files_only: bool = False,
    ) -> Self:
        """Load weights and make them ready to answer.

        Args:
            source: "owner/name" or "owner/name@commit" on the Hugging Face Hub; or a .safetensors file of your own, as
                `vision-models train` writes it. By default the repository that the environment variable
                VISION_MODELS_REPO names, or else the copy inside the package.
            device: "cpu", "cuda", ...; the GPU when there is one.
            revision: commit, branch or tag of the repository; a full commit hash that is cached needs no network.
            cache_dir: where the Hub's files are kept, instead of the usual cache.
            local_files_only: never use the network.

        Raises:
            WeightsError: one subclass per cause, each with a sentence that says what to do.
        """
        found = fetch(cls.weights, source, revision=revision, cache_dir=cache_dir, local_files_only=local_files_only)
        tensors, config = load_tensors(found.path)
        try:
            network = cls.build(config)
        except (KeyError, TypeError, ValueError) as error:
            raise WeightsFormatError(
                f"The config inside {found.path.name} does not fit {cls.__name__}: {error}. "
                "Use a file that this version wrote."
            ) from error
        load_strictly(network, tensors)
        network.eval().requires_grad_(requires_grad=False)
        return cls(network, found, choose_device(device))
