"""What the published networks make of training photos: computed once, in several processes, and kept in files."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Generic, TypeVar

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import IterableDataset
from torchvision.ops import box_iou

from vision_models.distributed import here, wait
from vision_models.interactions.boxes import encode
from vision_models.interactions.evaluation.vcoco_metrics import TruePeople
from vision_models.interactions.network import GEOMETRY, CompactInteractNet, geometry
from vision_models.interactions.training.weak_people import WeakPerson
from vision_models.interactions.vocabulary import ACTIONS, PERSON, VERB_OF_ACTION
from vision_models.media.photos import read_photo
from vision_models.training import loader, own_numbers
from vision_models.weights.checkpoint import load_tensors, save_tensors

LOG = logging.getLogger(__name__)

CHUNK = 100  # photos in a file
MATCH = 0.5  # IoU from which a detection is an annotated box
SAME = 0.85  # IoU from which it is hardly another one
TRUSTED = 0.15  # of a detection that is taken for what a topic names
CORNER = np.array([0, 0, 1, 1])  # what V-COCO takes from a box, whose corners are pixels of it

Item = TypeVar("Item")


@dataclass(frozen=True, eq=False)
class PhotoFeatures:
    """What the published networks make of a photo, and what is known of its people."""

    size: Tensor  # (2,) height and width
    people: Tensor  # (P, 4) people who are annotated, as they were found and as they are
    features: Tensor  # (2, P, ...) float16, see `CompactInteractNet.of_people`; [1]: of the mirrored photo
    verbs: Tensor  # (P, 26)
    away: Tensor  # (P, 25) does it, but with nothing whose box is known
    targets: Tensor  # (P, 25, 4) where the targets are, as `boxes.encode` writes places; NaN: nobody knows
    boxes: Tensor  # (N, 4) of what was found
    labels: Tensor  # (N,)
    scores: Tensor  # (N,)
    things: Tensor  # (N, ...) float16, see `CompactInteractNet.of_objects`
    pairs: Tensor  # (P, N, 25) whether the box is the person's target
    known: Tensor  # (N,) whether the box is that of an annotated person

    def mirrored(self) -> PhotoFeatures:
        """Return what a mirror shows. Of objects, whose looks hardly count, the features stay."""
        width = int(self.size[1])
        return replace(
            self,
            people=mirrored(self.people, width),
            features=self.features.flip(0),
            targets=self.targets * torch.tensor([-1, 1, 1, 1]),
            boxes=mirrored(self.boxes, width),
        )


def mirrored(boxes: Tensor, width: int) -> Tensor:
    """Return where boxes (N, 4) are in the mirror image of a picture."""
    left, top, right, bottom = boxes.unbind(-1)
    return torch.stack([width - right, top, width - left, bottom], dim=-1)


@torch.inference_mode()
def look_at_photo(network: CompactInteractNet, photo: tuple[Path, TruePeople]) -> dict[str, Tensor]:
    """Look once at a photo with annotated people, and return the fields of `PhotoFeatures`."""
    path, true = photo
    picture = _read(path, network.verb_photos.device)
    size = picture.shape[-2:]
    boxes, labels, scores = network.detect(picture)
    annotated = torch.from_numpy(true.people + CORNER).float().to(boxes.device)
    found = boxes[labels == PERSON]
    overlap = box_iou(found, annotated)
    is_known = overlap.amax(dim=1) >= MATCH
    known = torch.zeros(len(boxes), device=boxes.device)
    known[labels == PERSON] = is_known.float()
    is_new = (overlap < SAME).all(dim=0)
    people = torch.cat([found[is_known], annotated[is_new]])
    rows = torch.cat([overlap.argmax(dim=1)[is_known], is_new.nonzero()[:, 0]]).cpu().numpy()
    verbs, roles = true.verbs[rows], true.roles[rows] + CORNER
    wanted = torch.from_numpy(roles).float().to(boxes.device)
    scene = network.look_at(picture)
    parts = PhotoFeatures(
        size=torch.tensor(size),
        people=people,
        features=torch.stack(
            [
                network.of_people(picture, scene, people),
                network.of_people(picture.flip(-1), scene.flip(-1), mirrored(people, size[1])),
            ]
        ).half(),
        verbs=torch.from_numpy(verbs).float(),
        away=torch.from_numpy(verbs[:, list(VERB_OF_ACTION)] * np.isnan(roles[..., 0])).float(),
        targets=torch.from_numpy(encode(roles.astype(np.float32), people.cpu().numpy()[:, None])),
        boxes=boxes,
        labels=labels,
        scores=scores,
        things=network.of_objects(scene, boxes, size).half(),
        pairs=torch.stack([box_iou(boxes, one.nan_to_num(-1)) >= MATCH for one in wanted]).float(),
        known=known,
    )
    return {name: part.cpu() for name, part in vars(parts).items()}


@torch.inference_mode()
def look_at_person(network: CompactInteractNet, person: WeakPerson) -> dict[str, Tensor]:
    """Look once at a person, and at the objects of the photo where something is known of these.

    Returns:
        `features` (...) float16, see `CompactInteractNet.of_people`; `verbs` and `weights` (26,); of as many candidates
        as the network reports, of which those beyond have a score of 0: `labels`, `scores` (N,), `places` (N, 10) and
        `pairs` (N, 25), whether it is the target; `away` (25,), whether no candidate is. NaN where nobody knows.
    """
    picture = _read(person.photo, network.verb_photos.device)
    height, width = size = picture.shape[-2:]
    box = torch.from_numpy(person.box).to(picture.device) * torch.tensor([width, height] * 2, device=picture.device)
    features = network.of_people(picture, network.look_at(picture), box[None])[0]
    known = {"verbs": torch.from_numpy(person.verbs), "weights": torch.from_numpy(person.weights)}
    most, classes = network.config.boxes, torch.from_numpy(person.classes)
    labels, scores, places = torch.zeros(most, dtype=torch.int64), torch.zeros(most), torch.zeros(most, GEOMETRY)
    pairs, away = torch.full((most, len(ACTIONS)), torch.nan), torch.full((len(ACTIONS),), torch.nan)
    if not classes.isnan().all():
        found = network.detect(picture)
        many = len(found[0])
        boxes, labels[:many], scores[:many] = (part.cpu() for part in found)
        places[:many] = geometry(box[None], found[0], size)[0].cpu()
        pairs[:many], away = _roles(box.cpu(), boxes, labels[:many], scores[:many], classes)
    known |= {"labels": labels, "scores": scores, "places": places, "pairs": pairs, "away": away}
    return known | {"features": features.half().cpu()}


def _roles(person: Tensor, boxes: Tensor, labels: Tensor, scores: Tensor, classes: Tensor) -> tuple[Tensor, Tensor]:
    """Guess which boxes (N, 4) play the roles of a person (4,), given which classes do: (N, 25) and (25,).

    The surest box of such a class that reaches the person. What lies there too, and others of such a class, may be it.
    """
    may_be = classes[:, labels]  # (25, N)
    pairs, away = may_be.clone(), classes.amax(dim=1) * 0
    reaches = box_iou(boxes, person[None])[:, 0] > 0
    for action in (classes == 1).any(dim=1).nonzero()[:, 0].tolist():
        suitable = (may_be[action] == 1) & reaches & (scores >= TRUSTED)
        pairs[action, may_be[action] == 1] = torch.nan
        if suitable.any():
            best = int((scores * suitable).argmax())
            pairs[action, box_iou(boxes, boxes[best][None])[:, 0] >= MATCH] = torch.nan
            pairs[action, best] = 1
        else:
            away[action] = 1
    return pairs.T, away


def _read(path: Path, device: torch.device) -> Tensor:
    return torch.from_numpy(read_photo(path)).to(device).permute(2, 0, 1).float() / 255


class _Chunks(IterableDataset[int], Generic[Item]):
    """Looks at chunks of photos, writes what it saw, and yields the number of the chunk."""

    def __init__(
        self,
        network: CompactInteractNet,
        look: Callable[[CompactInteractNet, Item], dict[str, Tensor]],
        chunks: Sequence[Sequence[Item]],
        folder: Path,
    ) -> None:
        self.network, self.look, self.chunks, self.folder = network, look, chunks, folder
        self.part = here()

    def __iter__(self) -> Iterator[int]:
        torch.set_flush_denormal(True)  # per process
        for number in self.part.share(own_numbers(0, len(self.chunks))):
            if not self.file(number).exists():
                seen = [self.look(self.network, item) for item in self.chunks[number]]
                tensors = {f"{row}.{name}": part for row, one in enumerate(seen) for name, part in one.items()}
                save_tensors(self.file(number), tensors, {"items": len(seen)})
            yield number

    def file(self, number: int) -> Path:
        return self.folder / f"{number}.safetensors"


def collect(
    network: CompactInteractNet,
    look: Callable[[CompactInteractNet, Item], dict[str, Tensor]],
    items: Sequence[Item],
    folder: Path,
    workers: int,
) -> list[dict[str, Tensor]]:
    """Look at all items, and keep what was seen in a folder; what is there is not looked at again.

    Processes that train together share the work out.

    Args:
        network: that looks, in evaluation mode.
        look: what is done with each item.
        items: photos or people.
        folder: of the files.
        workers: processes that look, or 0 for this one alone.
    """
    chunks = _Chunks(network, look, [items[first : first + CHUNK] for first in range(0, len(items), CHUNK)], folder)
    for done, _ in enumerate(loader(chunks, None, workers), start=1):
        LOG.info(f"{min(done * CHUNK * chunks.part.size, len(items)):>7} of {len(items)} looked at for {folder.name}")
    wait()
    kept = []
    for number in range(len(chunks.chunks)):
        tensors, config = load_tensors(chunks.file(number))
        rows: list[dict[str, Tensor]] = [{} for _ in range(config["items"])]
        for name, part in tensors.items():
            row, field = name.split(".")
            rows[int(row)][field] = part
        kept += rows
    return kept
