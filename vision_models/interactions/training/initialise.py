"""First weights of the paper's network, from a public one that was trained on COCO."""

from __future__ import annotations

import torch
from torch import Tensor

from vision_models.interactions.network import InteractNet
from vision_models.interactions.vocabulary import COCO_IDS


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
