"""Speed and memory of InteractNet, as ratios within one run, so that they hold on any machine."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from vision_models.bench import peak_memory, seconds
from vision_models.interactions.network import CompactInteractNet, InteractionNetwork, InteractNet
from vision_models.interactions.predictor import InteractionPredictor
from vision_models.interactions.vocabulary import PERSON

SIZE = (864, 1152)  # a megapixel
CROWD = 100  # people in a picture
REPEATS = 5  # of everything that is timed


def bench(predictor: InteractionPredictor) -> str:
    """Time a photo of a megapixel, the branches beside the detector, a hundred people, and how weights are loaded.

    Returns:
        Lines of text with the ratios.
    """
    photo = noisy_photo()
    network = predictor.network
    picture = torch.from_numpy(photo).to(predictor.device).permute(2, 0, 1).float() / 255
    predictor.detect(photo)  # warm up
    with torch.inference_mode():
        detector, branches = _parts(network, picture)

        whole = seconds(lambda: predictor.detect(photo), REPEATS)
        alone = seconds(_waiting(detector, predictor), REPEATS)
        ten, hundred = (seconds(_waiting(partial(branches, people), predictor), REPEATS) for people in (10, CROWD))
    file = Path(predictor.weights_file.path)
    loading = seconds(lambda: InteractionPredictor.from_pretrained(file, device=str(predictor.device)), REPEATS)
    megapixels = SIZE[0] * SIZE[1] / 1e6
    return "\n".join(
        [
            f"{torch.get_num_threads()} CPU threads, {predictor.device}, backbone {predictor.config.backbone}",
            f"a photo of {megapixels:.1f} megapixels, from pixels to interactions: {1000 * whole:.0f} ms",
            f"the branches with 10 people: {ten / alone:.2f} of the detector's time",
            f"with {CROWD} people: {hundred / alone:.2f} of it",
            f"loading the weights: {1000 * loading:.0f} ms",
            f"peak memory of the process: {peak_memory() / 1e9:.2f} GB",
        ]
    )


def _parts(network: InteractionNetwork, picture: torch.Tensor) -> tuple[Callable[[], object], Callable[[int], object]]:
    """Return what runs the detector, and the branches on so many people."""
    if isinstance(network, CompactInteractNet):
        crowd = crowd_of(CROWD, (picture.shape[1], picture.shape[2]), picture.device)

        def judge(people: int) -> object:
            boxes, labels, scores = (crowd[name][:people] for name in ("boxes", "labels", "scores"))
            return network.judge(picture, network.look_at(picture), boxes, labels - 1, scores)

        return lambda: network.detect(picture), judge
    if not isinstance(network, InteractNet):
        raise TypeError(f"a {type(network).__name__} has no parts to time")
    images, _ = network.transform([picture])
    features = network.backbone(images.tensors)
    crowd = crowd_of(CROWD, images.image_sizes[0], picture.device)

    def detector() -> object:
        levels = network.backbone(images.tensors)
        proposals, _ = network.propose(images, levels)
        return network.heads(levels, proposals, images.image_sizes)

    def branches(people: int) -> object:
        found = {name: part[:people] for name, part in crowd.items()}
        return network.heads.look(features, [found], images.image_sizes)

    return detector, branches


def noisy_photo() -> NDArray[np.uint8]:
    """A synthetic photo; what is on it does not matter for the time, which depends on proposals alone."""
    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 256, (SIZE[0] // 32, SIZE[1] // 32, 3), np.uint8)
    return np.kron(coarse, np.ones((32, 32, 1), np.uint8))


def crowd_of(people: int, shape: tuple[int, int], device: torch.device) -> dict[str, torch.Tensor]:
    """So many people, as the detector would report them in a picture of a shape (height, width)."""
    generator = torch.Generator().manual_seed(0)
    height, width = shape
    corner = torch.rand(people, 2, generator=generator) * torch.tensor([0.8 * width, 0.6 * height])
    size = torch.tensor([0.1 * width, 0.3 * height])
    return {
        "boxes": torch.cat([corner, corner + size], dim=1).to(device),
        "labels": torch.full((people,), PERSON + 1, device=device),
        "scores": torch.linspace(0.9, 0.5, people).to(device),
    }


def _waiting(work: Callable[[], object], predictor: InteractionPredictor) -> Callable[[], None]:
    """Return work that is over when a GPU is."""

    def run() -> None:
        work()
        if predictor.device.type == "cuda":
            torch.cuda.synchronize(predictor.device)

    return run
