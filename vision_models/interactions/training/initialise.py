"""First weights of InteractNet, from public networks that were trained on COCO and ImageNet."""

from __future__ import annotations

import torch
from torch import Tensor

from vision_models.backbones.efficientnet import EfficientNetLite0
from vision_models.interactions.backbone import CompactBackbone, convolutions
from vision_models.interactions.network import MEAN, STD, InteractNet
from vision_models.interactions.training.teacher import Teacher
from vision_models.interactions.vocabulary import COCO_IDS, OBJECTS

CLASS_LOGIT, CLASS_SPREAD = -5.0, 4.0  # typical class logit of the teacher, and what its spread is divided by
HEADROOM = 3.0  # keeps what is passed on above zero, where a ReLU lets it through


def begin_with(network: InteractNet, teacher: Teacher, scene: EfficientNetLite0) -> None:
    """Initialise the compact network with a dense detector and an image classifier's trunk.

    The detector gives its pyramid, and what its class convolutions can tell.

    Its class logits become channels of the pyramid. The box branch starts by passing on their mean over the middle
    of a region, as a class score; everything else it has to learn.
    """
    if not isinstance(network.backbone, CompactBackbone):
        raise TypeError("only the compact backbone can begin with these")
    pyramid, trunk = network.backbone.pyramid, network.backbone.scene
    known = {name: tensor for name, tensor in teacher.pyramid.state_dict().items() if not name.startswith("outputs.")}
    pyramid.load_state_dict(pyramid.state_dict() | known)
    trunk.load_state_dict(scene.state_dict())
    trunk.expect(MEAN, STD)
    classes = len(OBJECTS)
    head, predictor = network.heads.box_head, network.heads.box_predictor
    bins, middle = network.config.pooled, network.config.pooled // 2
    with torch.no_grad():
        for output, dense in zip(convolutions(pyramid.outputs), teacher.dense.values(), strict=True):
            told = len(dense.weight)
            for ours, theirs in zip(output.parameters(), dense.parameters(), strict=True):  # weight, bias
                ours[:told] = theirs
                ours[:classes] /= CLASS_SPREAD
            list(output.parameters())[1][:classes] -= CLASS_LOGIT / CLASS_SPREAD
        first, second = head.fc6, head.fc7
        units = torch.arange(classes)
        first.weight[:classes] = 0
        regions = first.weight.view(len(first.weight), -1, bins, bins)
        regions[units, units, middle - 1 : middle + 2, middle - 1 : middle + 2] = 1 / 9
        first.bias[:classes] = HEADROOM
        second.weight[:classes] = 0
        second.weight[units, units] = 1
        second.bias[:classes] = 0
        predictor.cls_score.weight[1:, :classes] = torch.eye(classes) * CLASS_SPREAD
        predictor.cls_score.bias[1:] = CLASS_LOGIT - CLASS_SPREAD * HEADROOM
        predictor.cls_score.weight[0, :classes] = 0
        predictor.cls_score.bias[0] = 0
        predictor.cls_score.weight[:, classes:] *= 0.1


def load_torchvision_detector(network: InteractNet, state: dict[str, Tensor]) -> None:
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
    missing, unexpected = network.load_state_dict(renamed, strict=False)
    ours = ("heads.human", "heads.object", "relations", "verb_photos")  # of which the detector knows nothing
    wrong = unexpected + [name for name in missing if not name.startswith(ours)]
    if wrong:
        raise RuntimeError(f"these are not the tensors of fasterrcnn_resnet50_fpn: {', '.join(wrong[:3])}")
