"""Damaged files at every door: `python tests/fuzz.py [--files 2000] [--seed 0] [--page URL --sent 100]`.

Makes photos and videos of all kinds, damages them (bits, bytes, lengths, pieces cut out, doubled or swapped), and opens
them as the package does, in a process of their own that has little memory. What may come is pixels or our own error.
With a page's address, some are uploaded there, too. Nothing but a page of your own should be the target.
"""

from __future__ import annotations

import argparse
import itertools
import json
import multiprocessing
import queue
import resource
import subprocess
import tempfile
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.error import HTTPError

import imageio_ffmpeg
import numpy as np
from load import ask, call, upload

from vision_models.errors import VisionModelsError

LONGEST_SECONDS = 30.0  # for one file; then it hangs
MEMORY_BYTES = 6 * 1024**3  # of addresses, of which torch alone takes a good part
DAMAGES = 4  # of one file, at most
VIDEOS = {
    "mp4": ["-c:v", "libx264"],
    "mov": ["-c:v", "mpeg4"],
    "mkv": ["-c:v", "libx264"],
    "webm": ["-c:v", "libvpx-vp9"],
    "avi": ["-c:v", "mjpeg"],
    "ts": ["-c:v", "mpeg2video"],
    "gif": [],
    "webp": ["-c:v", "libwebp_anim"],
}
PHOTOS: dict[str, tuple[str, str, dict[str, Any]]] = {  # by ending: Pillow's mode, format and options
    "jpg": ("RGB", "JPEG", {}),
    "progressive.jpg": ("RGB", "JPEG", {"progressive": True}),
    "cmyk.jpg": ("CMYK", "JPEG", {}),
    "png": ("RGB", "PNG", {}),
    "grey16.png": ("I;16", "PNG", {}),
    "palette.png": ("P", "PNG", {}),
    "webp": ("RGB", "WEBP", {}),
    "avif": ("RGB", "AVIF", {}),
    "tiff": ("RGB", "TIFF", {"compression": "tiff_lzw"}),
    "plain.tiff": ("RGB", "TIFF", {}),
    "bmp": ("RGB", "BMP", {}),
    "gif": ("P", "GIF", {}),
    "jp2": ("RGB", "JPEG2000", {}),
}


def whole_files(folder: Path) -> list[Path]:
    """Make one file of each kind."""
    from PIL import Image

    pixels = np.random.default_rng(0).integers(0, 256, (12, 16, 3)).astype(np.uint8)
    photo, files = Image.fromarray(pixels).resize((96, 72)), []
    for name, (mode, kind, options) in PHOTOS.items():
        files.append(folder / f"photo.{name}")
        (photo.convert("L").convert(mode) if mode == "I;16" else photo.convert(mode)).save(files[-1], kind, **options)
    for name, codec in VIDEOS.items():
        files.append(folder / f"video.{name}")
        scene = ["-f", "lavfi", "-i", "testsrc2=size=96x72:rate=10:duration=2"]
        subprocess.run([imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", *scene, *codec, files[-1]], check=True)
    return files


def damaged(content: bytes, rng: np.random.Generator) -> bytes:
    """Damage a file in one to four places; most of its beginning, where sizes are told."""
    data = bytearray(content)
    for _ in range(int(rng.integers(1, DAMAGES + 1))):
        end = len(data) if rng.random() < 0.5 else min(len(data), 256)
        if end < 8:
            break
        place, length = int(rng.integers(end)), int(rng.integers(1, 64))
        match int(rng.integers(7)):
            case 0:
                data[place] ^= 1 << int(rng.integers(8))
            case 1:
                data[place : place + length] = rng.bytes(length)
            case 2:  # a number that a decoder may take for a size
                data[place : place + 4] = int(rng.choice([0, 1, 0x7FFFFFFF, 0xFFFFFFFF, 65536])).to_bytes(4, "big")
            case 3:
                del data[place : place + length]
            case 4:
                data[place:place] = data[place : place + length]
            case 5:
                del data[max(place, 8) :]
            case _:
                other = int(rng.integers(end))
                data[place : place + length], data[other : other + length] = (
                    data[other : other + length],
                    data[place : place + length],
                )
    return bytes(data)


def open_it(path: Path) -> None:
    """Open a file by every door that takes one of its kind."""
    from vision_models.media.photos import read_photo
    from vision_models.media.videos import probe, read_frames

    def watch(path: Path) -> None:
        for _ in itertools.islice(read_frames(probe(path), fps=4), 30):
            pass

    for door in (read_photo, watch):
        with suppress(VisionModelsError):
            door(path)


def work(asked: Any, answers: Any) -> None:
    """Open files until there are no more; a process of its own, which may die of one."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    for name in iter(asked.get, None):
        try:
            open_it(Path(name))
            answers.put("read, or refused in our words")
        except BaseException as error:  # noqa: BLE001 - which ones there are is the question
            answers.put(f"FOREIGN: {type(error).__name__}: {error} ({name})"[:300])


def through_the_doors(files: list[Path], count: int, seed: int, folder: Path) -> tuple[Counter[str], float, list[Path]]:
    """Open damaged files; how they ended, the longest time of one, and where those lie that went wrong."""
    spawn, ended, longest, bad = multiprocessing.get_context("spawn"), Counter[str](), 0.0, []
    asked, answers = spawn.Queue(), spawn.Queue()
    worker: Any = None
    for number in range(count):
        whole = files[number % len(files)]
        path = folder / f"{number}-{whole.name}"
        path.write_bytes(damaged(whole.read_bytes(), np.random.default_rng([seed, number])))
        is_first = worker is None or not worker.is_alive()
        if is_first:
            asked, answers = spawn.Queue(), spawn.Queue()
            worker = spawn.Process(target=work, args=(asked, answers), daemon=True)
            worker.start()
        begun = time.monotonic()
        asked.put(str(path))
        said = _said(worker, answers, LONGEST_SECONDS + (30 if is_first else 0))
        longest = max(longest, 0 if is_first else time.monotonic() - begun)
        ended[said if said.startswith("read") else f"{said} ({path.name})"] += 1
        if said.startswith("read"):
            path.unlink()
        else:
            bad.append(path)
            worker.kill()
            worker.join()
    asked.put(None)
    return ended, longest, bad


def _said(worker: Any, answers: Any, seconds: float) -> str:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        try:
            return str(answers.get(timeout=0.2))
        except queue.Empty:
            if not worker.is_alive():
                return f"CRASH: exit status {worker.exitcode}"
    return f"HANG: more than {seconds:.0f} s"


def through_the_page(files: list[Path], count: int, seed: int, url: str) -> Counter[str]:
    """Upload damaged files and ask about them; what the page said."""
    ended: Counter[str] = Counter()
    for number in range(count):
        whole = files[number % len(files)]
        content = damaged(whole.read_bytes(), np.random.default_rng([seed, 1, number]))
        try:
            file = upload(url, 0, whole.name, content)
            if whole.name.startswith("video"):
                kind, said = call(url, 0, "gifs", file, [], 1, 1.0, 1.0, 72, 10.0, 5.0)  # Gradio wants all of them
            else:
                kind, said = call(url, 0, "correct", file, 1.0)
            if kind == "complete":
                ended["answered"] += 1
            elif "." in str(said):
                ended["refused in a sentence"] += 1
            else:
                ended[f"WITHOUT A SENTENCE: {str(said)[:100]} ({whole.name}, {number})"] += 1
        except HTTPError as error:
            ended[f"status {error.code}"] += 1
    ended[f"and then the page says {json.loads(ask(f'{url}/health', 0))}"] += 1
    return ended


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split(":")[0] if __doc__ else "")
    parser.add_argument("--files", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--page")
    parser.add_argument("--sent", type=int, default=100)
    wish = parser.parse_args()
    with tempfile.TemporaryDirectory() as made:
        files = whole_files(Path(made))
        kept = Path(tempfile.mkdtemp(prefix="fuzz-"))
        ended, longest, bad = through_the_doors(files, wish.files, wish.seed, kept)
        lines = [f"{wish.files} files through the doors, the longest {longest:.1f} s:"]
        lines += [f"  {count} {how}" for how, count in ended.most_common()]
        lines += [f"What went wrong lies in {kept}"] if bad else []
        if wish.page:
            lines += [f"{wish.sent} files through the page:"]
            said = through_the_page(files, wish.sent, wish.seed, wish.page.rstrip("/"))
            lines += [f"  {count} {how}" for how, count in said.most_common()]
    print("\n".join(lines))  # noqa: T201 - what it is for
    if not bad:
        kept.rmdir()


if __name__ == "__main__":
    main()
