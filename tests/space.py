"""What a Space builds, built here: `python tests/space.py [--torch 2.13.0]`.

Copies the files that a tag uploads, makes a fresh virtual environment with the Python that the README's front matter
names (or this one, where that is not to be had), installs what a Space's platform brings and `requirements.txt` on top,
starts `python app.py`, and sends one photo through. Prints how long each step took. The environment takes 5 GB; all of
it is deleted in the end. Uses uv where it is installed, and pip otherwise.
"""

from __future__ import annotations

import argparse
import fnmatch
import io
import itertools
import os
import shlex
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml
from load import SIDE, ask, call, first_answer, free_port, own_photo, upload

ROOT = Path(__file__).parents[1]
NEWEST_TORCH = "2.13.0"  # that ZeroGPU runs


def front_matter() -> dict[str, Any]:
    """What the README tells the Hub about the Space."""
    found: dict[str, Any] = yaml.safe_load((ROOT / "README.md").read_text(encoding="utf-8").split("---\n")[1])
    return found


def upload_command() -> list[str]:
    """The words of the command with which a tag brings the Space up to date."""
    workflow = yaml.safe_load((ROOT / ".github/workflows/space.yml").read_text(encoding="utf-8"))
    commands = [shlex.split(step.get("run", "")) for step in workflow["jobs"]["sync"]["steps"]]
    return next(words for words in commands if words[:2] == ["hf", "upload"])


def uploaded(files: list[str]) -> list[str]:
    """Those files that this command uploads."""
    excluded = [value for option, value in itertools.pairwise(upload_command()) if option == "--exclude"]
    return [file for file in files if not any(fnmatch.fnmatchcase(file, pattern) for pattern in excluded)]


def git(*words: str) -> bytes:
    """What git says."""
    return subprocess.run(["git", *words], cwd=ROOT, capture_output=True, check=True).stdout  # noqa: S607 - whichever there is


@contextmanager
def step(what: str) -> Iterator[None]:
    """Say what was done, and how long it took."""
    begun = time.monotonic()
    yield
    print(f"{what}: {time.monotonic() - begun:.1f} s", flush=True)  # noqa: T201 - what it is for


def python_of(version: str) -> str:
    """A Python of a version, or this one."""
    found = shutil.which(f"python{version}")
    works = found and subprocess.run([found, "-c", ""], capture_output=True, check=False).returncode == 0
    return found if found and works else sys.executable


def install(environment: Path, torch: str, requirements: Path) -> Path:
    """Make the environment; returns its Python."""
    settings, uv, python = front_matter(), shutil.which("uv"), environment / "bin" / "python"
    origin = python_of(settings["python_version"])
    make: list[str | Path] = [uv, "venv", "--python", origin] if uv else [origin, "-m", "venv"]
    pip: list[str | Path] = [uv, "pip", "install", "--python", python] if uv else [python, "-m", "pip", "install"]
    platform = [f"gradio[oauth,mcp]=={settings['sdk_version']}", "uvicorn", "spaces", f"torch=={torch}"]
    with step(f"An environment of {origin}"):
        subprocess.run([*make, environment], check=True, capture_output=True)
    with step(f"The platform's {', '.join(platform)}"):
        subprocess.run([*pip, "--quiet", *platform], check=True)
    with step("requirements.txt"):
        subprocess.run([*pip, "--quiet", "-r", requirements], check=True)
    return python


@contextmanager
def started(python: Path, folder: Path) -> Iterator[tuple[str, str]]:
    """Start the page in its folder, knowing nothing of this machine; gives its address and what it answers first."""
    port = free_port()
    url, home = f"http://127.0.0.1:{port}", str(folder.parent)
    known = {"PATH": os.environ["PATH"], "HOME": home, "TMPDIR": home, "GRADIO_SERVER_PORT": str(port)}
    known |= {"SYSTEM": "spaces", "SPACE_ID": "owner/vision-models"}  # by which Gradio knows a Space
    page = subprocess.Popen([python, "app.py"], cwd=folder, env=known)
    try:
        with step("Until the page answered"):
            answer = first_answer(page, url)
        yield url, answer
    finally:
        page.terminate()
        try:
            page.wait(30)
        except subprocess.TimeoutExpired:
            page.kill()


def correct(url: str) -> None:
    """Send a photo through, as a program does."""
    from PIL import Image

    photo, width = own_photo(0)
    kind, said = call(url, 0, "correct", upload(url, 0, "p.png", photo), 1.0)
    if kind != "complete":
        raise SystemExit(f"The photo was not corrected: {said}")
    size = Image.open(io.BytesIO(ask(said[0]["url"], 0))).size
    if size != (width, SIDE):
        raise SystemExit(f"The corrected photo has {size} pixels, not {(width, SIDE)}.")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split(":")[0] if __doc__ else "")
    parser.add_argument("--torch", default=NEWEST_TORCH, help="of the Space's hardware")
    wish = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="space-") as made:
        folder, files = Path(made, "app"), uploaded(git("ls-tree", "-r", "--name-only", "HEAD").decode().splitlines())
        with tarfile.open(fileobj=io.BytesIO(git("archive", "HEAD", *files))) as packed:
            packed.extractall(folder, filter="data")
        python = install(Path(made, "environment"), wish.torch, folder / "requirements.txt")
        with started(python, folder) as (url, answer):
            if f"<title>{front_matter()['title']}</title>" not in answer:
                raise SystemExit("The page answers, but not with our title.")
            with step("One photo"):
                correct(url)


if __name__ == "__main__":
    main()
