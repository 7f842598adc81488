"""How somebody holds themselves and moves in a segment, from the joints found in a few of its frames."""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from vision_models.backbones.movenet import JOINTS, SIDE, MoveNet, find_joints
from vision_models.devices import in_batches

_MIRROR = [0, 2, 1, 4, 3, 6, 5, 8, 7, 10, 9, 12, 11, 14, 13, 16, 15]  # left and right joints change places
_TORSO = [5, 6, 11, 12]  # shoulders and hips
STILL_SIZE = 2 * 3 * JOINTS
MOVES_SIZE = 2 * 4 * JOINTS
POSE_SIZE = STILL_SIZE + MOVES_SIZE
_USUAL, _SURE = 0.15, 0.4  # how sure the network is of the joints of nobody, and of somebody's


class Pose(NamedTuple):
    """What is known of the person in a segment, the same for its mirror image."""

    still: NDArray[np.float32]  # (102,) where each joint is beside the body's middle, in body sizes; how sure that is
    moves: NDArray[np.float32]  # (136,) how much each joint leaves its place, and from look to look; zeros for one look
    presence: float  # 0..1, whether there is anybody


def joints_in(network: MoveNet, frames: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Find the joints of a person in every frame, (N, h, w, 3) sRGB: (N, 17, 3), y, x and sureness, all 0..1."""
    if not len(frames):
        return np.empty((0, JOINTS, 3), np.float32)
    if frames.shape[1:3] != (SIDE, SIDE):
        frames = np.stack([cv2.resize(frame, (SIDE, SIDE)) for frame in frames])
    return in_batches(network, frames, (0, 3, 1, 2), find_joints)


def describe_pose(joints: NDArray[np.float32], aspect: float) -> Pose:
    """Describe a segment by the joints found at its looks.

    Args:
        joints: (L, 17, 3) in time order, L >= 1.
        aspect: Width by height of the video.
    """
    mirrored = joints[:, _MIRROR] * (1, -1, 1) + (0, 1, 0)
    both = np.stack([_one_way(joints, aspect), _one_way(mirrored, aspect)])  # (2, 7, 17)
    symmetric = np.concatenate([both.mean(axis=0), np.abs(both[0] - both[1]) / 2], axis=1)  # (7, 34)
    sure = float(joints[..., 2].mean())
    presence = min(max((sure - _USUAL) / (_SURE - _USUAL), 0.0), 1.0)
    still, moves = np.split(symmetric.astype(np.float32), [3])
    return Pose(still.ravel(), moves.ravel(), presence)


def pose_part(
    still: NDArray[np.floating], moves: NDArray[np.floating], presence: NDArray[np.floating], weight: float
) -> NDArray[np.float32]:
    """Return the part of a segment's vector that says how somebody moves: nothing where there is nobody.

    Args:
        still: (..., 102) standardised.
        moves: (..., 136) standardised.
        presence: (...,) 0..1.
        weight: The length of this part for somebody who is surely there, beside 1 for what the segment shows.

    Returns:
        (..., 238).
    """
    told = np.tanh(np.concatenate([still, moves], axis=-1) / 2)
    told /= np.linalg.norm(told, axis=-1, keepdims=True).clip(1e-6)
    return (weight * presence[..., None] * told).astype(np.float32)


def _one_way(joints: NDArray[np.float32], aspect: float) -> NDArray[np.float32]:
    """Where and how sure (3 x 17), then how far from there and from look to look (4 x 17), all times the sureness."""
    places, sure = joints[..., :2] * (1.0, aspect), joints[..., 2].clip(0, 1)
    torso = sure[:, _TORSO, None] + 1e-3
    middle = (places[:, _TORSO] * torso).sum(axis=1, keepdims=True) / torso.sum(axis=1, keepdims=True)
    around = places - middle
    size = 2 * np.median(np.sqrt((around**2).sum(axis=-1).mean(axis=-1)).clip(0.03))
    around, usual = around / size, sure.mean(axis=0)
    steps = np.abs(np.diff(around, axis=0)).mean(axis=0) if len(around) > 1 else np.zeros_like(around[0])
    told = [around.mean(axis=0).T * usual, usual[None] - 0.4, around.std(axis=0).T * usual, steps.T * usual]
    return np.concatenate(told)
