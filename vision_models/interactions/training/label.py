"""Labels the photos of a folder with a teacher's detections, and takes stills out of clips to be labelled too."""

from __future__ import annotations

import gzip
import json
import logging
from pathlib import Path

import cv2

from vision_models.errors import DataError
from vision_models.interactions.training.teacher import Teacher
from vision_models.media.photos import decode_bgr
from vision_models.media.videos import VIDEO_SUFFIXES, probe, read_frames
from vision_models.training import find_photos

LOG = logging.getLogger(__name__)

BATCH = 8


def label(folder: Path, teacher: Teacher, out: Path) -> Path:
    """Find the objects of all photos below `folder`, and write them down as `data.read_samples` reads them.

    Args:
        folder: photos, in folders of any depth.
        teacher: who finds the objects.
        out: gzip JSON: file name below `folder` -> size, boxes [class 0..79, score, x1, y1, x2, y2] in pixels.

    Raises:
        DataError: there are no photos.
    """
    paths = find_photos(folder)
    if not paths:
        raise DataError(f"There are no photos below {folder}. Name the folder that holds them.")
    found = {}
    for start in range(0, len(paths), BATCH):
        pictures = {}
        for path in paths[start : start + BATCH]:
            bgr = decode_bgr(path)
            if bgr is not None:
                pictures[str(path.relative_to(folder))] = bgr[..., ::-1]
        for (name, picture), rows in zip(pictures.items(), teacher.label(list(pictures.values())), strict=True):
            boxes = [[int(row[0]), round(float(row[1]), 3), *(round(float(n), 1) for n in row[2:])] for row in rows]
            found[name] = {"size": [picture.shape[1], picture.shape[0]], "boxes": boxes}
        if start % (100 * BATCH) == 0:
            LOG.info(f"{start:>7} of {len(paths)} photos labelled")
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_bytes(gzip.compress(json.dumps(found).encode()))
    return out


def write_stills(clips: list[Path], out: Path, each: int) -> None:
    """Write pictures of clips to a folder as JPEG: `each` from every one, evenly spread, 480 pixels high at most."""
    out.mkdir(parents=True, exist_ok=True)
    for clip in clips:
        video = probe(clip)
        height = min(video.height, 480)
        size = (round(video.width * height / video.height), height)
        fps = each / max(video.duration_s, 0.1)
        for number, (_, picture) in enumerate(read_frames(video, fps=fps, size=size)):
            cv2.imwrite(str(out / f"{clip.stem}-{number}.jpg"), picture[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 92])


def clips_below(folder: Path) -> list[Path]:
    """List the clips below a folder, in a fixed order."""
    return sorted(path for path in folder.rglob("*") if path.suffix.lower() in VIDEO_SUFFIXES)
