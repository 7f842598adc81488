"""How people move: the same for a mirrored video, nothing where there is nobody; the public weights are read right."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from vision_models.backbones.movenet import JOINTS, JointMaps, MoveNet, find_joints
from vision_models.errors import DataError
from vision_models.gifs.pose import MOVES_SIZE, STILL_SIZE, describe_pose, joints_in, pose_part
from vision_models.gifs.training.teacher import _names, read_movenet


def somebody(looks: int, seed: int = 0, sure: float = 0.9) -> NDArray[np.float32]:
    """Joints of a person who moves a little from look to look."""
    rng = np.random.default_rng(seed)
    body = rng.uniform(0.2, 0.8, (1, JOINTS, 2)) + rng.normal(0, 0.02, (looks, JOINTS, 2))
    return np.concatenate([body, np.full((looks, JOINTS, 1), sure)], axis=2).astype(np.float32)


def test_a_mirrored_person_is_described_alike() -> None:
    joints = somebody(3)
    mirrored = joints[:, [0, 2, 1, 4, 3, 6, 5, 8, 7, 10, 9, 12, 11, 14, 13, 16, 15]] * (1, -1, 1) + (0, 1, 0)
    one, other = describe_pose(joints, 1.5), describe_pose(mirrored.astype(np.float32), 1.5)
    assert np.allclose(one.still, other.still, atol=1e-5)
    assert np.allclose(one.moves, other.moves, atol=1e-5)


def test_where_somebody_stands_and_how_large_they_are_does_not_matter() -> None:
    joints = somebody(3)
    elsewhere = joints * (0.5, 0.5, 1) + (0.1, 0.3, 0)
    one, other = describe_pose(joints, 1.0), describe_pose(elsewhere.astype(np.float32), 1.0)
    assert np.allclose(one.still, other.still, atol=1e-4)
    assert np.allclose(one.moves, other.moves, atol=1e-4)


def test_who_stands_still_does_not_move() -> None:
    assert np.allclose(describe_pose(np.repeat(somebody(1), 3, axis=0), 1.0).moves, 0, atol=1e-6)
    assert describe_pose(somebody(3), 1.0).moves.max() > 0.01


def test_a_video_without_people_loses_nothing() -> None:
    nobody = describe_pose(somebody(3, sure=0.05), 1.0)
    assert nobody.presence == 0
    part = pose_part(nobody.still[None], nobody.moves[None], np.array([nobody.presence]), 0.9)
    assert part.shape == (1, STILL_SIZE + MOVES_SIZE)
    assert not part.any()


def test_the_person_in_the_middle_is_read_off_the_maps() -> None:
    heat = torch.full((1, JOINTS, 48, 48), -9.0)
    centre = torch.full((1, 1, 48, 48), -9.0)
    reach, offset = torch.zeros(1, 2 * JOINTS, 48, 48), torch.full((1, 2 * JOINTS, 48, 48), 0.5)
    for y, x in ((24, 22), (5, 40)):
        centre[0, 0, y, x] = 2.0
        heat[0, :, y + 3, x] = 3.0
    reach[0, ::2] = 3.0
    joints = find_joints(JointMaps(heat, reach, centre, offset))
    assert joints.shape == (1, JOINTS, 3)
    assert torch.allclose(joints[0, :, 0], torch.tensor(27.5 / 48))
    assert torch.allclose(joints[0, :, 1], torch.tensor(22.5 / 48))
    assert torch.allclose(joints[0, :, 2], torch.tensor(3.0).sigmoid())


def test_frames_of_any_size_and_none_at_all_can_be_looked_at() -> None:
    torch.manual_seed(0)
    network = MoveNet().eval()
    assert joints_in(network, np.zeros((2, 64, 80, 3), np.uint8)).shape == (2, JOINTS, 3)
    assert joints_in(network, np.zeros((0, 192, 192, 3), np.uint8)).shape == (0, JOINTS, 3)


def test_the_public_weights_are_read_as_they_are(tmp_path: Path) -> None:
    torch.manual_seed(1)
    network = MoveNet().eval()
    state, entries, stored = network.state_dict(), [], b""
    for ours, (weight, bias) in _names().items():
        order = (2, 3, 0, 1) if ours.endswith("depthwise") else (2, 3, 1, 0)
        arrays = {weight: state[f"{ours}.weight"].permute(*order).numpy()}
        if bias:
            arrays[bias] = state[f"{ours}.bias"].numpy()
        for name, array in arrays.items():
            entries.append({"name": name, "shape": list(array.shape), "dtype": "float32"})
            stored += np.ascontiguousarray(array).tobytes()
    (tmp_path / "net.bin").write_bytes(stored)
    model = tmp_path / "net.json"
    model.write_text(json.dumps({"weightsManifest": [{"paths": ["net.bin"], "weights": entries}]}))
    for name, tensor in read_movenet(model).state_dict().items():
        assert torch.equal(tensor, state[name])
    (tmp_path / "net.bin").unlink()
    with pytest.raises(DataError, match=r"net.json is not MoveNet"):
        read_movenet(model)
