"""InteractNet: Faster R-CNN, a human-centric branch and an interaction branch on one feature pyramid.

Gkioxari, Girshick, Dollar & He, "Detecting and Recognizing Human-Object Interactions", CVPR 2018, arXiv 1704.07333,
section 3; Ren et al., "Faster R-CNN", NIPS 2015; Lin et al., "Feature Pyramid Networks", CVPR 2017.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional
from torchvision.models.detection import FasterRCNN
from torchvision.models.detection.backbone_utils import resnet_fpn_backbone
from torchvision.models.detection.faster_rcnn import TwoMLPHead
from torchvision.models.detection.image_list import ImageList
from torchvision.models.detection.roi_heads import RoIHeads, fastrcnn_loss
from torchvision.models.detection.rpn import AnchorGenerator
from torchvision.ops import MultiScaleRoIAlign, roi_align

from vision_models.backbones.efficientnet import FEATURES, EfficientNetLite0
from vision_models.interactions.backbone import LEVELS, SCENE, SCENE_STRIDE, CompactBackbone, convolutions
from vision_models.interactions.config import InteractNetConfig
from vision_models.interactions.ranking import LEAST_SCORE
from vision_models.interactions.relations import Relations
from vision_models.interactions.training.teacher import CLASSES, Teacher
from vision_models.interactions.vocabulary import ACTIONS, COCO_IDS, OBJECTS, PERSON, VERB_NAMES

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of ImageNet, RGB in 0..1
CLASS_LOGIT, CLASS_SPREAD = -5.0, 4.0  # typical class logit of the teacher, and what its spread is divided by
NAMED = 0.3  # weight of the labels' classes beside what the origin says of them
SCENE_BINS = 2  # per side of a person, on the map of the scene
HEADROOM = 3.0  # keeps what is passed on above zero, where a ReLU lets it through


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


class Found(NamedTuple):
    """What the network says about one photo, in pixels of the picture it was given."""

    boxes: Tensor  # (N, 4) xyxy, best first
    labels: Tensor  # (N,) 0..79
    scores: Tensor  # (N,)
    people: Tensor  # (P,) indices of those boxes that hold a person, and are not too unsure
    human_logits: Tensor  # (P, 26)
    target_offsets: Tensor  # (P, 25, 4) to be added to what a person's box alone says
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

    def box_losses(
        self,
        features: dict[str, Tensor],
        proposals: list[Tensor],
        shapes: list[tuple[int, int]],
        labels: Sequence[Labels],
        origin: Callable[[list[Tensor]], tuple[Tensor, Tensor]] | None,
    ) -> dict[str, Tensor]:
        """Return the losses of the box branch.

        Whether there is something is learned from the labels. Which class it is, is learned from them and, if there is
        an `origin` that returns class logits (R, 81) for regions, from what that says of every region too: the photos
        at hand show mostly people, and a network that learns from labels alone forgets what else there is.
        """
        targets = [{"boxes": one.boxes, "labels": one.labels} for one in labels]
        regions, _, matched, wanted = self.select_training_samples(proposals, targets)
        logits, offsets = self.class_logits(features, regions, shapes)
        classification, regression = fastrcnn_loss(logits, offsets, matched, wanted)
        if origin is None:
            return {"class": classification, "box": regression}
        label = torch.cat(matched)
        objects = label > 0
        something = logits[:, 1:].logsumexp(dim=1) - logits[:, 0]
        present = functional.binary_cross_entropy_with_logits(something, objects.float())
        named = functional.cross_entropy(logits[objects, 1:], label[objects] - 1, reduction="sum") / len(label)
        known = functional.log_softmax(logits[:, 1:], dim=1)
        with torch.no_grad():
            was_known = origin(regions)[0][:, 1:].softmax(dim=1)
        kept = functional.kl_div(known, was_known, reduction="batchmean")
        return {"class": present + NAMED * named + kept, "box": regression}

    def look(
        self, features: dict[str, Tensor], found: Sequence[dict[str, Tensor]], shapes: list[tuple[int, int]]
    ) -> list[Found]:
        """Run both heads once per box, whatever the number of pairs (section 3.3)."""
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

    def losses(
        self, features: dict[str, Tensor], shapes: list[tuple[int, int]], labels: Sequence[Labels], expected: Tensor
    ) -> dict[str, Tensor]:
        """Return the losses of both branches on labelled people and pairs.

        Args:
            features: the pyramid.
            shapes: (height, width) of each picture.
            labels: of each picture.
            expected: (all people, 25, 4) where their boxes alone let the objects be expected.
        """
        people = [one.boxes[one.people] for one in labels]
        if not sum(map(len, people)):
            return {}
        objects = [one.boxes[one.pairs[:, 1]] for one in labels]
        rows = rows_of_pairs(labels)
        verbs, weights = torch.cat([one.verbs for one in labels]), torch.cat([one.verb_weights for one in labels])
        pair_verbs = torch.cat([one.pair_verbs for one in labels])
        pair_weights = torch.cat([one.pair_weights for one in labels])
        human, offsets = self.human(self.of_people(features, [shaken(one) for one in people], shapes))
        object_logits = self.object(self.box_roi_pool(features, [shaken(one) for one in objects], shapes))
        places = relative_places(torch.cat(objects), torch.cat(people)[rows])[:, None]  # (K, 1, 4)
        wanted = torch.cat([one.pair_actions for one in labels])  # (K, 25)
        distance = functional.smooth_l1_loss(
            (expected[rows] + offsets[rows])[wanted], places.expand(-1, len(ACTIONS), -1)[wanted], reduction="sum"
        )
        return {
            "action": _weighted(human, verbs, weights),
            "interaction": _weighted(human[rows] + object_logits, pair_verbs, pair_weights),
            "target": distance / wanted.sum().clamp_min(1),
        }


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
            one._replace(boxes=_rescaled(one.boxes, shape, size))
            for one, shape, size in zip(found, images.image_sizes, original, strict=True)
        ]

    def losses(
        self, pictures: Tensor, labels: Sequence[Labels], origin: InteractNet | None = None, *, heads: bool
    ) -> dict[str, Tensor]:
        """Return the losses on pictures of one size, (B, 3, H, W) RGB in 0..1, sides multiples of 64.

        Args:
            pictures: the batch.
            labels: what is on each.
            origin: a network whose knowledge of classes should not be forgotten.
            heads: whether the human-centric and the interaction branch learn too, not only the detector.
        """
        shapes = [(pictures.shape[2], pictures.shape[3])] * len(pictures)
        images = ImageList(normalised(pictures), shapes)
        features = self.backbone(images.tensors)
        proposals, of_proposals = self.propose(images, features, [{"boxes": one.boxes} for one in labels])
        losses = {"objectness": of_proposals["loss_objectness"], "proposal": of_proposals["loss_rpn_box_reg"]}

        knowledge = None
        if origin is not None:
            with torch.no_grad():
                knowledge = partial(origin.heads.class_logits, origin.before(images.tensors), shapes=shapes)
        losses |= self.heads.box_losses(features, proposals, shapes, labels, knowledge)
        if heads:
            height, width = shapes[0]
            with torch.no_grad():
                expected = [self.relations.targets(one.boxes[one.people], (width, height)) for one in labels]
            losses |= self.heads.losses(features, shapes, labels, torch.cat(expected))
        return losses

    def propose(
        self, images: ImageList, features: dict[str, Tensor], targets: list[dict[str, Tensor]] | None = None
    ) -> tuple[list[Tensor], dict[str, Tensor]]:
        """Return the regions (R, 4) that may hold something, for each picture, and while training two losses."""
        levels = {name: level for name, level in features.items() if name != SCENE}
        proposals, losses = self.rpn(images, levels, targets)
        return proposals, losses

    def before(self, pictures: Tensor) -> dict[str, Tensor]:
        """Return the features of normalised pictures, as they were before anything joined the pyramid."""
        backbone = self.backbone
        levels: dict[str, Tensor] = (backbone.pyramid if isinstance(backbone, CompactBackbone) else backbone)(pictures)
        return levels

    def begin_with(self, teacher: Teacher, scene: EfficientNetLite0) -> None:
        """Begin where a dense detector and a network of whole pictures left off.

        The detector gives its pyramid, and what its class convolutions can tell.

        Its class logits become channels of the pyramid. The box branch starts by passing on their mean over the middle
        of a region, as a class score; everything else it has to learn.
        """
        if not isinstance(self.backbone, CompactBackbone):
            raise TypeError("only the compact backbone can begin with these")
        pyramid, trunk = self.backbone.pyramid, self.backbone.scene
        pyramid.load_state_dict(teacher.pyramid.state_dict())
        trunk.load_state_dict(scene.state_dict())
        head, predictor = self.heads.box_head, self.heads.box_predictor
        bins, middle = self.config.pooled, self.config.pooled // 2
        with torch.no_grad():
            weight, bias = trunk.stem.parameters()  # for pictures in 0..255, less 127, by 128
            bias.add_((weight.sum(dim=(2, 3)) * (torch.tensor(MEAN) * 255 - 127) / 128).sum(dim=1))
            weight.mul_((torch.tensor(STD) * 255 / 128)[:, None, None])
            stem = pyramid.body.stem
            stem.weight.copy_(stem.weight.flip(1))  # the teacher reads BGR
            for output, dense in zip(convolutions(pyramid.outputs), convolutions(teacher.dense), strict=True):
                known = len(dense.weight)
                for ours, theirs in zip(output.parameters(), dense.parameters(), strict=True):  # weight, bias
                    ours[:known] = theirs
                    ours[:CLASSES] /= CLASS_SPREAD
                list(output.parameters())[1][:CLASSES] -= CLASS_LOGIT / CLASS_SPREAD
            first, second = head.fc6, head.fc7
            units = torch.arange(CLASSES)
            first.weight[:CLASSES] = 0
            regions = first.weight.view(len(first.weight), -1, bins, bins)
            regions[units, units, middle - 1 : middle + 2, middle - 1 : middle + 2] = 1 / 9
            first.bias[:CLASSES] = HEADROOM
            second.weight[:CLASSES] = 0
            second.weight[units, units] = 1
            second.bias[:CLASSES] = 0
            predictor.cls_score.weight[1:, :CLASSES] = torch.eye(CLASSES) * CLASS_SPREAD
            predictor.cls_score.bias[1:] = CLASS_LOGIT - CLASS_SPREAD * HEADROOM
            predictor.cls_score.weight[0, :CLASSES] = 0
            predictor.cls_score.bias[0] = 0
            predictor.cls_score.weight[:, CLASSES:] *= 0.1

    def load_torchvision_detector(self, state: dict[str, Tensor]) -> None:
        """Load torchvision's `fasterrcnn_resnet50_fpn` as trained on COCO, of whose 91 numbers 80 are classes.

        Raises:
            RuntimeError: if the tensors do not fit.
        """
        rows = torch.tensor([0, *COCO_IDS])
        renamed = {}
        for name, tensor in state.items():
            if name.startswith("roi_heads.box_predictor"):
                per_class = tensor.unflatten(0, (91, -1))[rows]
                tensor = per_class.flatten(0, 1)  # noqa: PLW2901  # the same tensor, without the unused numbers
            renamed[name.replace("roi_heads.", "heads.", 1)] = tensor
        missing, unexpected = self.load_state_dict(renamed, strict=False)
        ours = ("heads.human", "heads.object", "relations", "verb_photos")  # of which the detector knows nothing
        wrong = unexpected + [name for name in missing if not name.startswith(ours)]
        if wrong:
            raise RuntimeError(f"these are not the tensors of fasterrcnn_resnet50_fpn: {', '.join(wrong[:3])}")


def normalised(pictures: Tensor) -> Tensor:
    """Bring pictures (B, 3, H, W), RGB in 0..1, to the range that the pyramids take."""
    mean, std = (pictures.new_tensor(values)[:, None, None] for values in (MEAN, STD))
    return (pictures - mean) / std


def rows_of_pairs(labels: Sequence[Labels]) -> Tensor:
    """Return whose each pair of a batch is, (K,), counted through the people of all its pictures."""
    firsts = torch.tensor([0, *(len(one.people) for one in labels[:-1])]).cumsum(0).tolist()
    return torch.cat([one.pairs[:, 0] + first for one, first in zip(labels, firsts, strict=True)])


def relative_places(objects: Tensor, people: Tensor) -> Tensor:
    """Do on tensors what `geometry.encode` does on arrays: (K, 4) and (K, 4) xyxy to (K, 4)."""
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
    return losses / max(len(logits), 1)


def _rescaled(boxes: Tensor, shape: tuple[int, int], size: Sequence[int]) -> Tensor:
    (height, width), (full_height, full_width) = shape, size
    scale = boxes.new_tensor([full_width / width, full_height / height] * 2)
    return boxes * scale
