"""What InteractNet learns from: the losses of Faster R-CNN, and those of the other two branches (section 3.4).

Gkioxari, Girshick, Dollar & He, CVPR 2018, arXiv 1704.07333.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional
from torchvision.models.detection.image_list import ImageList
from torchvision.models.detection.roi_heads import fastrcnn_loss

from vision_models.distributed import average, pooled
from vision_models.interactions.network import InteractionHeads, InteractNet, normalised
from vision_models.interactions.vocabulary import ACTIONS


class Labels(NamedTuple):
    """What is known of one training photo. Verb labels are 0..1, and count as much as their weights, also 0..1."""

    boxes: Tensor  # (G, 4) xyxy
    labels: Tensor  # (G,) 1..80; -1: perhaps something, perhaps nothing
    people: Tensor  # (A,) boxes of those whose actions are known
    verbs: Tensor  # (A, 26)
    verb_weights: Tensor  # (A, 26)
    pairs: Tensor  # (K, 2) one of `people`, one of `boxes`
    pair_verbs: Tensor  # (K, 26)
    pair_weights: Tensor  # (K, 26)
    pair_actions: Tensor  # (K, 25) bool: the box is what the action is done to


def rows_of_pairs(labels: Sequence[Labels]) -> Tensor:
    """Return whose each pair of a batch is, (K,), counted through the people of all its pictures."""
    firsts = torch.tensor([0, *(len(one.people) for one in labels[:-1])]).cumsum(0).tolist()
    return torch.cat([one.pairs[:, 0] + first for one, first in zip(labels, firsts, strict=True)])


def relative_places(objects: Tensor, people: Tensor) -> Tensor:
    """Do on tensors what `boxes.encode` does on arrays: (K, 4) and (K, 4) xyxy to (K, 4)."""
    size = (people[:, 2:] - people[:, :2]).clamp_min(1)
    shift = (objects[:, :2] + objects[:, 2:] - people[:, :2] - people[:, 2:]) / 2 / size
    scale = ((objects[:, 2:] - objects[:, :2]).clamp_min(1) / size).log()
    return torch.cat([shift, scale], dim=1)


def shaken(boxes: Tensor, strength: float = 0.06) -> Tensor:
    """Move each side of boxes (N, 4) a little, as a detector would."""
    size = (boxes[:, 2:] - boxes[:, :2]).repeat(1, 2)
    return boxes + torch.randn_like(boxes).clamp(-2, 2) * size * strength


def _weighted(logits: Tensor, wanted: Tensor, weights: Tensor) -> Tensor:
    """Binary cross entropy per person, (N, 26) each; a scalar."""
    losses = functional.binary_cross_entropy_with_logits(logits, wanted, weights, reduction="sum")
    return pooled(losses / max(len(logits), 1), len(logits))


def losses(network: InteractNet, pictures: Tensor, labels: Sequence[Labels]) -> dict[str, Tensor]:
    """Return the losses on pictures of one size, (B, 3, H, W) RGB in 0..1, sides multiples of 64.

    Several processes that train together have as many pictures each. Of every picture as many anchors are looked at.

    Args:
        network: in training mode.
        pictures: the batch.
        labels: what is on each.
    """
    shapes = [(pictures.shape[2], pictures.shape[3])] * len(pictures)
    images = ImageList(normalised(pictures), shapes)
    features = network.backbone(images.tensors)
    proposals, of_proposals = network.propose(images, features, [{"boxes": one.boxes} for one in labels])
    parts = {"objectness": of_proposals["loss_objectness"], "proposal": of_proposals["loss_rpn_box_reg"]}
    targets = [{"boxes": one.boxes, "labels": one.labels} for one in labels]
    regions, _, matched, wanted = network.heads.select_training_samples(proposals, targets)
    logits, offsets = network.heads.class_logits(features, regions, shapes)
    of_regions = fastrcnn_loss(logits, offsets, matched, wanted)
    parts["class"], parts["box"] = (pooled(loss, len(logits)) for loss in of_regions)
    height, width = shapes[0]
    with torch.no_grad():
        expected = [network.relations.targets(one.boxes[one.people], (width, height)) for one in labels]
    return parts | branch_losses(network.heads, features, shapes, labels, torch.cat(expected))


def branch_losses(
    heads: InteractionHeads,
    features: dict[str, Tensor],
    shapes: list[tuple[int, int]],
    labels: Sequence[Labels],
    expected: Tensor,
) -> dict[str, Tensor]:
    """Return the losses of the human-centric and the interaction branch on labelled people and pairs.

    Args:
        heads: in training mode.
        features: the pyramid.
        shapes: (height, width) of each picture.
        labels: of each picture.
        expected: (all people, 25, 4) where their boxes alone let the objects be expected.
    """
    people = [one.boxes[one.people] for one in labels]
    if not average(expected.new_tensor(sum(map(len, people)))):  # nor are there any in another process's pictures
        return {}
    objects = [one.boxes[one.pairs[:, 1]] for one in labels]
    rows = rows_of_pairs(labels)
    verbs, weights = torch.cat([one.verbs for one in labels]), torch.cat([one.verb_weights for one in labels])
    pair_verbs = torch.cat([one.pair_verbs for one in labels])
    pair_weights = torch.cat([one.pair_weights for one in labels])
    human, offsets = heads.human(heads.box_roi_pool(features, [shaken(one) for one in people], shapes))
    object_logits = heads.object(heads.box_roi_pool(features, [shaken(one) for one in objects], shapes))
    places = relative_places(torch.cat(objects), torch.cat(people)[rows])[:, None]  # (K, 1, 4)
    wanted = torch.cat([one.pair_actions for one in labels])  # (K, 25)
    distance = functional.smooth_l1_loss(
        (expected[rows] + offsets[rows])[wanted], places.expand(-1, len(ACTIONS), -1)[wanted], reduction="sum"
    )
    return {
        "action": _weighted(human, verbs, weights),
        "interaction": _weighted(human[rows] + object_logits, pair_verbs, pair_weights),
        "target": pooled(distance / wanted.sum().clamp_min(1), wanted.sum()),
    }
