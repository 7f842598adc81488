"""InteractNet: Faster R-CNN, a human-centric branch and an interaction branch on one feature pyramid.

Gkioxari, Girshick, Dollar & He, "Detecting and Recognizing Human-Object Interactions", CVPR 2018, arXiv 1704.07333,
section 3; Ren et al., "Faster R-CNN", NIPS 2015; Lin et al., "Feature Pyramid Networks", CVPR 2017.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torchvision.models.detection import FasterRCNN
from torchvision.models.detection.backbone_utils import resnet_fpn_backbone
from torchvision.models.detection.faster_rcnn import TwoMLPHead
from torchvision.models.detection.image_list import ImageList
from torchvision.models.detection.roi_heads import RoIHeads
from torchvision.models.detection.rpn import AnchorGenerator
from torchvision.ops import MultiScaleRoIAlign, roi_align

from vision_models.backbones.efficientnet import FEATURES
from vision_models.interactions.backbone import LEVELS, SCENE, SCENE_STRIDE, CompactBackbone
from vision_models.interactions.config import InteractNetConfig
from vision_models.interactions.ranking import LEAST_SCORE
from vision_models.interactions.relations import Relations
from vision_models.interactions.vocabulary import ACTIONS, OBJECTS, PERSON, VERB_NAMES

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of ImageNet, RGB in 0..1
SCENE_BINS = 2  # per side of a person, on the map of the scene


class BoxPredictor(nn.Module):
    """Region features (R, hidden) to class logits (R, 81), background first, and box offsets (R, 81 * 4)."""

    def __init__(self, hidden: int, *, class_agnostic: bool) -> None:
        super().__init__()
        self.classes = len(OBJECTS) + 1
        self.repeats = self.classes if class_agnostic else 1
        self.cls_score = nn.Linear(hidden, self.classes)
        self.bbox_pred = nn.Linear(hidden, 4 * self.classes // self.repeats)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return both."""
        return self.cls_score(x), self.bbox_pred(x).repeat(1, self.repeats)


class HumanBranch(nn.Module):
    """A person's features to what they do, and where the objects of it are to be expected (section 3.2)."""

    def __init__(self, inputs: int, hidden: int) -> None:
        super().__init__()
        self.head = TwoMLPHead(inputs, hidden)
        self.verbs = nn.Linear(hidden, len(VERB_NAMES))
        self.targets = nn.Linear(hidden, 4 * len(ACTIONS))
        nn.init.zeros_(self.targets.weight)  # the person's box alone says where, until the pixels know better
        nn.init.zeros_(self.targets.bias)

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Return action logits (P, 26) and offsets of the expected places (P, 25, 4) from (P, ...)."""
        x = self.head(features)
        return self.verbs(x), self.targets(x).unflatten(1, (len(ACTIONS), 4))


class ObjectBranch(nn.Module):
    """The object's half of the interaction branch: its logits are added to a person's (section 3.2)."""

    def __init__(self, inputs: int, hidden: int) -> None:
        super().__init__()
        self.head = TwoMLPHead(inputs, hidden)
        self.verbs = nn.Linear(hidden, len(VERB_NAMES))
        nn.init.zeros_(self.verbs.weight)
        nn.init.zeros_(self.verbs.bias)

    def forward(self, features: Tensor) -> Tensor:
        """Return logits (N, 26) from (N, C, bins, bins)."""
        logits: Tensor = self.verbs(self.head(features))
        return logits


class Found(NamedTuple):
    """What the network says about one photo, in pixels of the picture it was given."""

    boxes: Tensor  # (N, 4) xyxy, best first
    labels: Tensor  # (N,) 0..79
    scores: Tensor  # (N,)
    people: Tensor  # (P,) indices of those boxes that hold a person, and are not too unsure
    human_logits: Tensor  # (P, 26)
    targets: Tensor  # (P, 25, 4) mu of the target density: where the object of an action is expected
    object_logits: Tensor  # (N, 26)


class InteractionHeads(RoIHeads):  # type: ignore[misc]  # torchvision has no types
    """torchvision's box branch, joined by the other two."""

    def __init__(self, boxes: RoIHeads, channels: int, config: InteractNetConfig) -> None:
        super().__init__(
            boxes.box_roi_pool,
            boxes.box_head,
            boxes.box_predictor,
            boxes.proposal_matcher.high_threshold,
            boxes.proposal_matcher.low_threshold,
            boxes.fg_bg_sampler.batch_size_per_image,
            boxes.fg_bg_sampler.positive_fraction,
            None,
            boxes.score_thresh,
            boxes.nms_thresh,
            boxes.detections_per_img,
        )
        inputs = channels * config.pooled**2
        of_scene = FEATURES * (SCENE_BINS**2 + 1)
        self.human = HumanBranch(of_scene if config.backbone == "compact" else inputs, config.human_hidden)
        self.object = ObjectBranch(inputs, config.object_hidden)

    def class_logits(
        self, features: dict[str, Tensor], boxes: list[Tensor], shapes: list[tuple[int, int]]
    ) -> tuple[Tensor, Tensor]:
        """Return class logits (R, 81) and box offsets (R, 324) of regions."""
        logits, offsets = self.box_predictor(self.box_head(self.box_roi_pool(features, boxes, shapes)))
        return logits, offsets

    def of_people(self, features: dict[str, Tensor], people: list[Tensor], shapes: list[tuple[int, int]]) -> Tensor:
        """Return what the human-centric branch looks at, (P, ...), for the people of each picture, (_, 4) each.

        That is the regions of the pyramid, or those of the scene beside its mean, where the backbone has that.
        """
        if SCENE not in features:
            regions: Tensor = self.box_roi_pool(features, people, shapes)
            return regions
        scene = features[SCENE]
        whole = [scene.new_tensor([[0, 0, width, height]]) for height, width in shapes]
        places = scene.new_tensor([n for n, boxes in enumerate(people) for _ in boxes], dtype=torch.int64)
        theirs = roi_align(scene, people, SCENE_BINS, 1 / SCENE_STRIDE, aligned=True)
        around = roi_align(scene, whole, 1, 1 / SCENE_STRIDE, aligned=True)
        return torch.cat([theirs.flatten(1), around.flatten(1)[places]], dim=1)

    def look(
        self, features: dict[str, Tensor], found: Sequence[dict[str, Tensor]], shapes: list[tuple[int, int]]
    ) -> list[Found]:
        """Run both heads once per box, whatever the number of pairs (section 3.3).

        The targets are what the pixels of a person add to what `Relations` tells from their box.
        """
        boxes = [one["boxes"] for one in found]
        is_person = [(one["labels"] == PERSON + 1) & (one["scores"] >= LEAST_SCORE) for one in found]
        people = [one[mask] for one, mask in zip(boxes, is_person, strict=True)]
        human, offsets = self.human(self.of_people(features, people, shapes))
        counts = [int(mask.sum()) for mask in is_person]
        parts = zip(
            found,
            is_person,
            human.split(counts),
            offsets.split(counts),
            self.object(self.box_roi_pool(features, boxes, shapes)).split([len(one) for one in boxes]),
            strict=True,
        )
        return [
            Found(one["boxes"], one["labels"] - 1, one["scores"], mask.nonzero()[:, 0], verbs, places, objects)
            for one, mask, verbs, places, objects in parts
        ]


class InteractNet(nn.Module):
    """The whole network."""

    def __init__(self, config: InteractNetConfig) -> None:
        super().__init__()
        self.config = config
        compact = config.backbone == "compact"
        backbone = (
            CompactBackbone()
            if compact
            else resnet_fpn_backbone(backbone_name="resnet50", weights=None, trainable_layers=5)
        )
        channels = backbone.out_channels
        # The compact pyramid comes from a detector that expects objects of four to twelve strides on a level.
        pool = MultiScaleRoIAlign(
            list(LEVELS) if compact else ["0", "1", "2", "3"],
            config.pooled,
            2,
            canonical_scale=112 if compact else 224,
        )
        detector = FasterRCNN(
            backbone,
            min_size=config.min_side,
            max_size=config.max_side,
            image_mean=MEAN,
            image_std=STD,
            rpn_anchor_generator=AnchorGenerator(((16, 32), (48, 72), (104, 152), (224, 336)), ((0.5, 1.0, 2.0),) * 4)
            if compact
            else None,
            rpn_pre_nms_top_n_train=400 if compact else 2000,
            rpn_post_nms_top_n_train=config.proposals,
            rpn_pre_nms_top_n_test=min(config.proposals, 1000),
            rpn_post_nms_top_n_test=config.proposals,
            rpn_batch_size_per_image=128 if compact else 256,
            box_roi_pool=pool,
            box_head=TwoMLPHead(channels * config.pooled**2, config.box_hidden),
            box_predictor=BoxPredictor(config.box_hidden, class_agnostic=config.class_agnostic_boxes),
            box_score_thresh=config.min_box_score,
            box_nms_thresh=config.nms_iou,
            box_detections_per_img=config.boxes,
            box_batch_size_per_image=64,
            box_positive_fraction=0.25,
            **({"size_divisible": 64} if compact else {}),
        )
        self.transform, self.backbone, self.rpn = detector.transform, detector.backbone, detector.rpn
        self.heads = InteractionHeads(detector.roi_heads, channels, config)
        self.relations = Relations()
        self.verb_photos: Tensor
        self.register_buffer("verb_photos", torch.zeros(len(VERB_NAMES)))  # that training surely saw

    def forward(self, pictures: Sequence[Tensor]) -> list[Found]:
        """Find objects and what people do, in pictures (3, H, W), RGB in 0..1, of any sizes."""
        original = [picture.shape[-2:] for picture in pictures]
        images, _ = self.transform(list(pictures))
        features = self.backbone(images.tensors)
        proposals, _ = self.propose(images, features)
        detections, _ = self.heads(features, proposals, images.image_sizes)
        found = self.heads.look(features, detections, images.image_sizes)
        return [
            self._in_pixels_of(size, one, shape)
            for one, shape, size in zip(found, images.image_sizes, original, strict=True)
        ]

    def _in_pixels_of(self, size: Sequence[int], found: Found, shape: tuple[int, int]) -> Found:
        """Bring boxes from a resized picture's pixels to the original's, and add what they tell of the targets."""
        boxes = _rescaled(found.boxes, shape, size)
        expected = self.relations.targets(boxes[found.people], (size[1], size[0]))
        return found._replace(boxes=boxes, targets=expected + found.targets)

    def propose(
        self, images: ImageList, features: dict[str, Tensor], targets: list[dict[str, Tensor]] | None = None
    ) -> tuple[list[Tensor], dict[str, Tensor]]:
        """Return the regions (R, 4) that may hold something, for each picture, and while training two losses."""
        levels = {name: level for name, level in features.items() if name != SCENE}
        proposals, losses = self.rpn(images, levels, targets)
        return proposals, losses


def _rescaled(boxes: Tensor, shape: tuple[int, int], size: Sequence[int]) -> Tensor:
    (height, width), (full_height, full_width) = shape, size
    scale = boxes.new_tensor([full_width / width, full_height / height] * 2)
    return boxes * scale
