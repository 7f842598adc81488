"""InteractNet: Faster R-CNN, a human-centric branch and an interaction branch on one feature pyramid.

Gkioxari, Girshick, Dollar & He, "Detecting and Recognizing Human-Object Interactions", CVPR 2018, arXiv 1704.07333,
section 3; Ren et al., "Faster R-CNN", NIPS 2015; Lin et al., "Feature Pyramid Networks", CVPR 2017.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional
from torchvision.models.detection import FasterRCNN
from torchvision.models.detection.backbone_utils import resnet_fpn_backbone
from torchvision.models.detection.faster_rcnn import TwoMLPHead
from torchvision.models.detection.image_list import ImageList
from torchvision.models.detection.roi_heads import RoIHeads
from torchvision.ops import MultiScaleRoIAlign, batched_nms, clip_boxes_to_image, roi_align

from vision_models.backbones.efficientnet import FEATURES, STRIDE, EfficientNetLite3
from vision_models.interactions.backbone import NanoDet
from vision_models.interactions.config import InteractNetConfig
from vision_models.interactions.ranking import LEAST_SCORE
from vision_models.interactions.relations import PLACE, Prominence, Relations, person_place
from vision_models.interactions.vocabulary import ACTIONS, OBJECTS, PERSON, VERB_NAMES, VERB_OF_ACTION

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of ImageNet, RGB in 0..1
# Of the compact network:
SCENE_SIDE = 288  # pixels of the longer side, at which EfficientNet-Lite3 sees a photo
PERSON_SIDE = 192  # pixels of a square, at which it sees each person
AROUND = 1.25  # sides of that square, in longer sides of the person's box
CROPS = 8  # people seen at once: more do not fit into a CPU's cache
CROPPED_SIDE = 1280  # pixels: larger photos are made smaller before people are cut out
GEOMETRY = 10  # numbers that say where a pair is
ENLARGED = 1.3  # how much small photos are enlarged for the detector


class BoxPredictor(nn.Module):
    """Region features (R, hidden) to class logits (R, 81), background first, and box offsets (R, 81 * 4)."""

    def __init__(self, hidden: int) -> None:
        super().__init__()
        self.cls_score = nn.Linear(hidden, len(OBJECTS) + 1)
        self.bbox_pred = nn.Linear(hidden, 4 * (len(OBJECTS) + 1))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return both."""
        return self.cls_score(x), self.bbox_pred(x)


class HumanBranch(nn.Module):
    """A person's features to what they do, and where the objects of it are to be expected (section 3.2)."""

    def __init__(self, head: nn.Module, hidden: int) -> None:
        super().__init__()
        self.head = head
        self.verbs = nn.Linear(hidden, len(VERB_NAMES))
        self.targets = nn.Linear(hidden, 4 * len(ACTIONS))
        nn.init.zeros_(self.targets.weight)  # the person's box alone says where, until the pixels know better
        nn.init.zeros_(self.targets.bias)

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Return action logits (P, 26) and offsets of the expected places (P, 25, 4) from (P, ...)."""
        return self.tell(self.head(features))

    def tell(self, hidden: Tensor) -> tuple[Tensor, Tensor]:
        """Return the same from the last layer, (P, hidden)."""
        return self.verbs(hidden), self.targets(hidden).unflatten(1, (len(ACTIONS), 4))


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
    pairs: Tensor | None = None  # (2, 2, P, 25, N + 1) see `ranking.Factors`
    prominence: Tensor | None = None  # (P,) 0..1


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
        self.human = HumanBranch(TwoMLPHead(inputs, config.human_hidden), config.human_hidden)
        self.object = ObjectBranch(inputs, config.object_hidden)

    def class_logits(
        self, features: dict[str, Tensor], boxes: list[Tensor], shapes: list[tuple[int, int]]
    ) -> tuple[Tensor, Tensor]:
        """Return class logits (R, 81) and box offsets (R, 324) of regions."""
        logits, offsets = self.box_predictor(self.box_head(self.box_roi_pool(features, boxes, shapes)))
        return logits, offsets

    def look(
        self, features: dict[str, Tensor], found: Sequence[dict[str, Tensor]], shapes: list[tuple[int, int]]
    ) -> list[Found]:
        """Run both heads once per box, whatever the number of pairs (section 3.3).

        The targets are what the pixels of a person add to what `Relations` tells from their box.
        """
        boxes = [one["boxes"] for one in found]
        is_person = [(one["labels"] == PERSON + 1) & (one["scores"] >= LEAST_SCORE) for one in found]
        people = [one[mask] for one, mask in zip(boxes, is_person, strict=True)]
        human, offsets = self.human(self.box_roi_pool(features, people, shapes))
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


class InteractionNetwork(nn.Module):
    """What both networks have: what boxes alone tell, and how often training saw each verb."""

    def __init__(self, config: InteractNetConfig) -> None:
        super().__init__()
        self.config = config
        self.relations = Relations()
        self.verb_photos: Tensor
        self.register_buffer("verb_photos", torch.zeros(len(VERB_NAMES)))  # that training surely saw

    def forward(self, pictures: Sequence[Tensor]) -> list[Found]:
        """Find objects and what people do, in pictures (3, H, W), RGB in 0..1, of any sizes."""
        raise NotImplementedError

    def in_pixels_of(self, size: Sequence[int], found: Found, shape: Sequence[int]) -> Found:
        """Bring boxes from a resized picture's pixels to the original's, and add what they tell of the targets."""
        boxes = _rescaled(found.boxes, shape, size)
        expected = self.relations.targets(boxes[found.people], (size[1], size[0]))
        return found._replace(boxes=boxes, targets=expected + found.targets)


class InteractNet(InteractionNetwork):
    """The paper's: Faster R-CNN, whose regions the branches look at."""

    def __init__(self, config: InteractNetConfig) -> None:
        super().__init__(config)
        backbone = resnet_fpn_backbone(backbone_name="resnet50", weights=None, trainable_layers=5)
        channels = backbone.out_channels
        pool = MultiScaleRoIAlign(["0", "1", "2", "3"], config.pooled, 2)
        detector = FasterRCNN(
            backbone,
            min_size=config.min_side,
            max_size=config.max_side,
            image_mean=MEAN,
            image_std=STD,
            rpn_post_nms_top_n_train=config.proposals,
            rpn_pre_nms_top_n_test=min(config.proposals, 1000),
            rpn_post_nms_top_n_test=config.proposals,
            box_roi_pool=pool,
            box_head=TwoMLPHead(channels * config.pooled**2, config.box_hidden),
            box_predictor=BoxPredictor(config.box_hidden),
            box_score_thresh=config.min_box_score,
            box_nms_thresh=config.nms_iou,
            box_detections_per_img=config.boxes,
            box_batch_size_per_image=64,
            box_positive_fraction=0.25,
        )
        self.transform, self.backbone, self.rpn = detector.transform, detector.backbone, detector.rpn
        self.heads = InteractionHeads(detector.roi_heads, channels, config)

    def forward(self, pictures: Sequence[Tensor]) -> list[Found]:
        """Find objects and what people do, in pictures (3, H, W), RGB in 0..1, of any sizes."""
        original = [picture.shape[-2:] for picture in pictures]
        images, _ = self.transform(list(pictures))
        features = self.backbone(images.tensors)
        proposals, _ = self.propose(images, features)
        detections, _ = self.heads(features, proposals, images.image_sizes)
        found = self.heads.look(features, detections, images.image_sizes)
        return [
            self.in_pixels_of(size, one, shape)
            for one, shape, size in zip(found, images.image_sizes, original, strict=True)
        ]

    def propose(
        self, images: ImageList, features: dict[str, Tensor], targets: list[dict[str, Tensor]] | None = None
    ) -> tuple[list[Tensor], dict[str, Tensor]]:
        """Return the regions (R, 4) that may hold something, for each picture, and while training two losses."""
        proposals, losses = self.rpn(images, features, targets)
        return proposals, losses


class PairBranch(nn.Module):
    """How likely a person does something with an object, judged by the person, the object's class, and both places."""

    def __init__(self, person: int, hidden: int = 256) -> None:
        super().__init__()
        self.person, self.kind = nn.Linear(person, 64), nn.Embedding(len(OBJECTS), 32)
        self.first = nn.Linear(64 + 32 + GEOMETRY + 1, hidden)
        self.second, self.last = nn.Linear(hidden, hidden), nn.Linear(hidden, len(ACTIONS))
        self.verbs = nn.Parameter(torch.full((len(ACTIONS),), 0.5))  # how much the person's own logit counts
        self.absent = nn.Linear(person, len(ACTIONS))
        nn.init.normal_(self.kind.weight, std=0.3)
        nn.init.zeros_(self.last.weight)
        nn.init.constant_(self.last.bias, -2.0)

    def forward(
        self,
        people: Tensor,
        verbs: Tensor,
        things: tuple[Tensor, Tensor],
        places: Tensor,
        *,
        see: tuple[Tensor | float, Tensor | float] = (1.0, 1.0),
        dropout: float = 0.0,
    ) -> Tensor:
        """Return logits (P, N, 25).

        Args:
            people: (P, person) features of the human-centric branch.
            verbs: (P, 26) its logits.
            things: labels and scores of the objects, (N,), or (P, N) where everybody has their own.
            places: (P, N, 10), see `geometry`.
            see: what is multiplied with places and with things: 0 hides them. Numbers, or (P, 1, 1).
            dropout: share of the units that are left out in training.
        """
        labels, scores = things
        place, thing = see
        shape = places.shape[:2]
        kind = torch.cat([self.kind(labels), scores[..., None]], dim=-1).expand(*shape, -1)
        who = functional.relu(self.person(people))[:, None].expand(*shape, -1)
        x = torch.cat([who, kind * thing, places * place], dim=-1)
        x = functional.dropout(functional.relu(self.first(x)), dropout)
        x = functional.dropout(functional.relu(self.second(x)), dropout)
        logits: Tensor = self.last(x) + (self.verbs * verbs[:, list(VERB_OF_ACTION)])[:, None]
        return logits


class CompactInteractNet(InteractionNetwork):
    """NanoDet-Plus finds people and objects; the branches look at the maps of EfficientNet-Lite3 beside it.

    Both stay as they were published, so that the detector is as good as its teacher: only the branches are trained, on
    features that are computed once.
    """

    def __init__(self, config: InteractNetConfig) -> None:
        super().__init__(config)
        self.detector, self.scene = NanoDet("m-1.5x"), EfficientNetLite3()
        # Two layers, as the paper has them, tell less: so few photos do not teach a second one anything.
        head = nn.Sequential(nn.Linear(2 * FEATURES + PLACE, config.human_hidden), nn.ReLU())
        self.human = HumanBranch(head, config.human_hidden)
        self.object = ObjectBranch(FEATURES, config.object_hidden)
        self.pairs = PairBranch(config.human_hidden)
        self.prominence = Prominence()

    def forward(self, pictures: Sequence[Tensor]) -> list[Found]:
        """Find objects and what people do, in pictures (3, H, W), RGB in 0..1, of any sizes."""
        return [self._found(picture) for picture in pictures]

    def _found(self, picture: Tensor) -> Found:
        return self.judge(picture, self.look_at(picture), *self.detect(picture))

    def judge(self, picture: Tensor, scene: Tensor, boxes: Tensor, labels: Tensor, scores: Tensor) -> Found:
        """Run the branches on boxes (N, 4) in a picture (3, H, W), RGB in 0..1, of which `look_at` made a map."""
        size = picture.shape[-2:]
        people = ((labels == PERSON) & (scores >= LEAST_SCORE)).nonzero()[:, 0]
        features = self.human.head(self.of_people(picture, scene, boxes[people]))
        verbs, offsets = self.human.tell(features)
        found = Found(boxes, labels, scores, people, verbs, offsets, self.object(self.of_objects(scene, boxes, size)))
        places, away = geometry(boxes[people], boxes, size), self.pairs.absent(features)[..., None]
        seen = [
            torch.cat([self.pairs(features, verbs, (labels, scores), places, see=see).mT, away], dim=-1)
            for see in product((1.0, 0.0), repeat=2)
        ]
        prominence = self.prominence(boxes[people], scores[people], (size[1], size[0])).sigmoid()
        return self.in_pixels_of(size, found, size)._replace(
            pairs=torch.stack(seen).unflatten(0, (2, 2)), prominence=prominence
        )

    def detect(self, picture: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return boxes (N, 4) in pixels of a picture (3, H, W), RGB in 0..1, their labels and scores, best first."""
        config = self.config
        height, width = picture.shape[-2:]
        side = min(max(ENLARGED * max(height, width), config.min_side), config.max_side)
        scale = side / max(height, width)
        resized = normalised(_resized(picture, round(height * scale), round(width * scale)))
        sides = resized.shape[-2:]
        padded = functional.pad(resized, (0, -sides[1] % 64, 0, -sides[0] % 64))
        probabilities, places = (part[0] for part in self.detector(padded[None]))
        rows, labels = (probabilities > config.min_box_score).nonzero(as_tuple=True)
        scores = probabilities[rows, labels]
        boxes = clip_boxes_to_image(_rescaled(places[rows], sides, (height, width)), (height, width))
        keep = batched_nms(boxes, scores, labels, config.nms_iou)[: config.boxes]
        return boxes[keep], labels[keep], scores[keep]

    def look_at(self, picture: Tensor) -> Tensor:
        """Return a map (1, 1280, h, w) at stride 32 of a picture (3, H, W), RGB in 0..1."""
        height, width = picture.shape[-2:]
        scale = SCENE_SIDE / max(height, width)
        sides = (max(round(side * scale / STRIDE), 1) * STRIDE for side in (height, width))
        return self.scene.spatial(normalised(_resized(picture, *sides))[None])

    def of_people(self, picture: Tensor, scene: Tensor, people: Tensor) -> Tensor:
        """Return what the human-centric branch looks at, of people (P, 4): their own pixels, the photo, their place."""
        crops = _squares(picture, people).split(CROPS)
        theirs = [self.scene.spatial(normalised(some)).mean(dim=(2, 3)) for some in crops if len(some)]
        whole = scene.mean(dim=(2, 3)).expand(len(people), -1)
        height, width = picture.shape[-2:]
        return torch.cat([torch.cat(theirs or [whole]), whole, person_place(people, (width, height))], dim=1)

    def of_objects(self, scene: Tensor, boxes: Tensor, size: Sequence[int]) -> Tensor:
        """Return what the interaction branch looks at, of boxes (N, 4) in a picture of a size (height, width)."""
        placed = _rescaled(boxes, size, scene.shape[-2:])
        return roi_align(scene, [placed], 1, sampling_ratio=2, aligned=True).flatten(1)


def build(config: InteractNetConfig) -> InteractionNetwork:
    """Make the network of a configuration."""
    return (CompactInteractNet if config.backbone == "nanodet" else InteractNet)(config)


def geometry(people: Tensor, boxes: Tensor, size: Sequence[int]) -> Tensor:
    """Where boxes (N, 4) lie as seen from people (P, 4) in a picture of a size (height, width): (P, N, 10)."""
    area = float(size[0] * size[1])
    ours, theirs = people[:, None], boxes[None]
    (w_h, h_h), (w_o, h_o) = (
        (one[..., 2:] - one[..., :2]).clamp_min(1).expand(len(people), len(boxes), 2).unbind(-1)
        for one in (ours, theirs)
    )
    away = (theirs[..., :2] + theirs[..., 2:] - ours[..., :2] - ours[..., 2:]) / 2
    x, y = (away / torch.stack([w_h, h_h], dim=-1)).clamp(-4, 4).unbind(-1)
    corners = torch.minimum(ours[..., 2:], theirs[..., 2:]) - torch.maximum(ours[..., :2], theirs[..., :2])
    shared, area_h, area_o = corners.clamp_min(0).prod(dim=-1), w_h * h_h, w_o * h_o
    overlap = shared / (area_h + area_o - shared)
    sizes = [(w_o / w_h).log(), (h_o / h_h).log(), overlap, shared / area_o]
    return torch.stack([x, y, *sizes, (area_o / area).log() / 4, (area_h / area).log() / 4, x.abs(), y.abs()], dim=-1)


def _squares(picture: Tensor, people: Tensor) -> Tensor:
    """Cut people (P, 4) out of a picture (3, H, W), black outside of it: (P, 3, 192, 192)."""
    size = picture.shape[-2:]
    scale = min(CROPPED_SIDE / max(size), 1)
    if scale < 1:
        picture = _resized(picture, *(round(side * scale) for side in size))
    placed = _rescaled(people, size, picture.shape[-2:])
    middle = (placed[:, :2] + placed[:, 2:]) / 2
    reach = AROUND / 2 * (placed[:, 2:] - placed[:, :2]).amax(dim=1, keepdim=True)
    squares = torch.cat([middle - reach, middle + reach], dim=1)
    return roi_align(picture[None], [squares], PERSON_SIDE, aligned=True)


def _resized(picture: Tensor, height: int, width: int) -> Tensor:
    """Resize a picture (3, H, W), averaging where it becomes smaller."""
    sides = (max(height, 1), max(width, 1))
    resized: Tensor = functional.interpolate(
        picture[None], sides, mode="bilinear", antialias=sides < picture.shape[-2:]
    )
    return resized[0]


def normalised(pictures: Tensor) -> Tensor:
    """Bring pictures (..., 3, H, W), RGB in 0..1, to the range that the pyramids take."""
    mean, std = (pictures.new_tensor(values)[:, None, None] for values in (MEAN, STD))
    return (pictures - mean) / std


def _rescaled(boxes: Tensor, shape: Sequence[int], size: Sequence[int]) -> Tensor:
    (height, width), (full_height, full_width) = shape, size
    scale = boxes.new_tensor([full_width / width, full_height / height] * 2)
    return boxes * scale
