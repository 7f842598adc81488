"""Files that others publish become what training reads, and files of another kind are refused in words."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from made_tflite import write_tflite
from typer.testing import CliRunner

from vision_models.backbones.efficientnet import EfficientNetLite3
from vision_models.cli.app import app
from vision_models.errors import DataError
from vision_models.interactions.evaluation.vcoco import read_vcoco
from vision_models.interactions.training import convert
from vision_models.interactions.training.label import clips_below, write_stills
from vision_models.interactions.training.subjects import TOPICS, read_verb_map
from vision_models.interactions.vocabulary import VERBS
from vision_models.media.photos import read_photo
from vision_models.weights.checkpoint import load_tensors

LAYERS = """7767517
3 3
Input                    data     0 1 data
Convolution              first    1 1 data 1 0=2 1=3 11=3 5=1 6=54 9=2
ConvolutionDepthWise     second   1 1 1 2 0=2 1=1 5=1 6=2 7=2
"""


def run(*arguments: object) -> None:
    result = CliRunner().invoke(app, ["convert", *map(str, arguments)])
    assert result.exit_code == 0, result.output


def ncnn_bytes(folder: Path) -> tuple[Path, Path]:
    """A layer that ncnn has quantised: bytes, biases, a scale for each output, for the input, for what follows."""
    param, weights = folder / "net.param", folder / "net.bin"
    param.write_text("7767517\n1 1\nConvolution one 1 1 data 1 0=2 1=1 6=6 8=102\n")
    numbers = np.array([1, 2, 3, -4, -5, -6], np.int8).tobytes() + b"\0\0"
    floats = np.array([7, 8, 2, 4, 100, 200], "<f4").tobytes()
    weights.write_bytes((0x000D4B38).to_bytes(4, "little") + numbers + floats)
    return param, weights


def ncnn(folder: Path, *, half: bool) -> tuple[Path, Path, dict[str, np.ndarray]]:
    """Two layers as ncnn writes them: a mark, weights padded to four bytes, biases."""
    rng = np.random.default_rng(0)
    arrays = {
        "first.weight": rng.integers(-8, 8, (2, 3, 3, 3)).astype(np.float32),
        "first.bias": np.array([1, 2], np.float32),
        "second.weight": np.array([[[[3]]], [[[4]]]], np.float32),
        "second.bias": np.array([5, 6], np.float32),
    }
    content = b""
    for name, array in arrays.items():
        if name.endswith("weight"):
            stored = array.astype(np.float16 if half else np.float32).tobytes()
            content += (0x01306B47 if half else 0).to_bytes(4, "little") + stored + b"\0" * (-len(stored) % 4)
        else:
            content += array.tobytes()
    param, weights = folder / "net.param", folder / "net.bin"
    param.write_text(LAYERS)
    weights.write_bytes(content)
    return param, weights, arrays


@pytest.mark.parametrize("half", [False, True])
def test_a_detector_of_ncnn_becomes_arrays_by_layer(tmp_path: Path, half: bool) -> None:
    param, weights, arrays = ncnn(tmp_path, half=half)
    run("nanodet", param, weights, "-o", tmp_path / "net.npz")
    with np.load(tmp_path / "net.npz") as stored:
        assert sorted(stored.files) == sorted(arrays)
        for name, array in arrays.items():
            assert np.array_equal(stored[name], array)


def test_quantised_weights_become_floats(tmp_path: Path) -> None:
    run("nanodet", *ncnn_bytes(tmp_path), "-o", tmp_path / "net.npz")
    with np.load(tmp_path / "net.npz") as stored:
        assert stored["one.weight"][:, :, 0, 0].tolist() == [[0.5, 1, 1.5], [-1, -1.25, -1.5]]
        assert stored["one.bias"].tolist() == [7, 8]


@pytest.mark.parametrize(
    "damage", [lambda whole: whole[:-4], lambda whole: whole + b"\0\0\0\0", lambda whole: b"\1" + whole[1:]]
)
def test_ncnn_files_that_do_not_belong_together_are_refused(tmp_path: Path, damage: object) -> None:
    param, weights, _ = ncnn(tmp_path, half=True)
    assert callable(damage)
    weights.write_bytes(damage(weights.read_bytes()))
    with pytest.raises(DataError, match=r"net\.bin"):
        convert.nanodet(param, weights, tmp_path / "net.npz")


def test_a_state_dict_of_torch_becomes_safetensors(tmp_path: Path) -> None:
    torch.save({"backbone.conv": torch.ones(2, 3)}, tmp_path / "detector.pth")
    run("torchvision-detector", tmp_path / "detector.pth", "-o", tmp_path / "detector.safetensors")
    tensors, _ = load_tensors(tmp_path / "detector.safetensors")
    assert tensors["backbone.conv"].tolist() == [[1, 1, 1], [1, 1, 1]]


def test_a_pickle_that_could_run_code_is_refused(tmp_path: Path) -> None:
    torch.save({"layer": Path("/")}, tmp_path / "evil.pth")
    with pytest.raises(DataError, match=r"evil\.pth is no file of torch's that can be read safely"):
        convert.torchvision_detector(tmp_path / "evil.pth", tmp_path / "out.safetensors")


def vcoco_files(folder: Path) -> tuple[Path, Path]:
    """One photo on which person 11 rides horse 12 and person 13 rides something that is not visible."""
    blocks = []
    for verb, roles in VERBS.items():
        names, rides = ["agent", *roles], verb == "ride"
        targets = [0, 0] + [12, 0] * rides + [0, 0] * (len(roles) - rides)
        blocks.append(
            {
                "action_name": verb,
                "role_name": names,
                "image_id": [7, 7],
                "ann_id": [11, 13],
                "label": [int(rides)] * 2,
                "role_object_id": [11, 13, *targets[2:]],
            }
        )
    labels, pairs = folder / "vcoco_val.json", folder / "instances_vcoco_val.json"
    labels.write_text(json.dumps(blocks))
    photo = {"file_name": "COCO_val2014_000000000007.jpg", "actions": [0], "objects": [1]}
    photo |= {"boxes_h": [[10, 10, 50, 90]], "boxes_o": [[5, 40, 80, 120]]}
    content = {"annotations": [photo], "classes": ["ride instr"], "objects": ["background", "horse"]}
    pairs.write_text(json.dumps(content))
    return labels, pairs


def test_boxes_of_vcoco_are_found_in_published_pairs(tmp_path: Path) -> None:
    labels, pairs = vcoco_files(tmp_path)
    run("vcoco-boxes", labels, pairs, "-o", tmp_path / "recovered_boxes_val.json")
    (scene,) = read_vcoco(tmp_path, "val")
    assert sorted(scene.boxes.tolist()) == [[5, 40, 80, 120], [10, 10, 50, 90]]
    assert not scene.complete  # person 13 is in no pair


def test_pairs_of_another_kind_are_refused(tmp_path: Path) -> None:
    labels, pairs = vcoco_files(tmp_path)
    with pytest.raises(DataError, match="does not hold the pairs of V-COCO"):
        convert.vcoco_boxes(labels, labels, tmp_path / "out.json")
    other = json.loads(pairs.read_text())
    other["annotations"][0]["file_name"] = "COCO_val2014_000000000008.jpg"
    pairs.write_text(json.dumps(other))
    with pytest.raises(DataError, match="different splits"):
        convert.vcoco_boxes(labels, pairs, tmp_path / "out.json")


def test_our_map_from_topics_to_verbs_comes_back_as_it_was(tmp_path: Path) -> None:
    run("verb-map", "-o", tmp_path / "map.json")
    again = read_verb_map(tmp_path / "map.json")
    assert {key: set(doings) for key, doings in again.items()} == {key: set(doings) for key, doings in TOPICS.items()}


def test_a_map_of_another_kind_is_refused(tmp_path: Path) -> None:
    (tmp_path / "map.json").write_text("[1, 2]")
    with pytest.raises(ValueError, match=r"map\.json is no map from topics to verbs"):
        read_verb_map(tmp_path / "map.json")


def test_stills_of_clips_are_put_among_the_photos(tmp_path: Path) -> None:
    folder = tmp_path / "clips" / "skateboarding"
    folder.mkdir(parents=True)
    video = cv2.VideoWriter(str(folder / "one.avi"), cv2.VideoWriter.fourcc(*"MJPG"), 10, (64, 48))
    for level in range(20):
        video.write(np.full((48, 64, 3), 10 * level, np.uint8))
    video.release()
    write_stills(clips_below(tmp_path / "clips"), tmp_path / "stills", 3)
    stills = [read_photo(path) for path in sorted((tmp_path / "stills").iterdir())]
    assert [still.shape for still in stills] == [(48, 64, 3)] * 3
    assert stills[0].mean() < stills[1].mean() < stills[2].mean()


def test_efficientnet_is_read_from_the_bytes_of_tensorflow_lite(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    layers, wanted, parts = [], {}, EfficientNetLite3().state_dict()
    for name, part in parts.items():
        if not name.endswith("weight"):
            continue
        depthwise = "depthwise" in name
        weights = rng.integers(-127, 127, part.shape).astype(np.int8)  # (out, in, k, k)
        biases = rng.integers(-999, 999, len(part)).astype(np.int32)
        scales = rng.uniform(0.001, 0.1, len(part)).astype(np.float32)
        layers.append((weights.transpose((1, 2, 3, 0) if depthwise else (0, 2, 3, 1)), biases, scales, depthwise))
        wanted[name] = weights * scales[:, None, None, None]
        wanted[name.replace("weight", "bias")] = biases.astype(np.float32) * scales
    write_tflite(tmp_path / "lite3.tflite", layers)
    run("efficientnet-lite3", tmp_path / "lite3.tflite", "--output", tmp_path / "lite3.npz")
    with np.load(tmp_path / "lite3.npz") as found:
        assert set(found.files) == set(parts)
        for name, array in wanted.items():
            np.testing.assert_array_equal(found[name], array)


@pytest.mark.parametrize("layers", [0, 1, 2])
def test_another_network_of_tensorflow_lites_is_refused(tmp_path: Path, layers: int) -> None:
    one = np.ones((32, 3, 3, 3), np.int8), np.ones(32, np.int32), np.ones(32, np.float32), False
    write_tflite(tmp_path / "other.tflite", [one] * layers)
    (tmp_path / "no.tflite").write_bytes(b"\x10\0\0\0TFL3" + bytes(60 * layers))
    for name in ("other.tflite", "no.tflite"):
        with pytest.raises(DataError, match=f"{name} does not hold EfficientNet-Lite3"):
            convert.efficientnet_lite3(tmp_path / name, tmp_path / "out.npz")
    assert not (tmp_path / "out.npz").exists()
