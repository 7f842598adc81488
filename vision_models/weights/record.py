"""What is known of a checkpoint: a record pins its bytes by their sha256, whoever serves them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

REPO_VARIABLE = "VISION_MODELS_REPO"  # of the environment: the repository to use, "owner/name" or "owner/name@commit"
PACKAGE_FOLDER = Path(__file__).parent.parent


@dataclass(frozen=True)
class Weights:
    """One checkpoint: what it is, and which bytes it is made of.

    Attributes:
        name: Short name a person would use, such as "exposure-compact".
        filename: Path in a Hub repository, with forward slashes, such as
            "exposure/exposure-compact.safetensors".
        sha256: Of the file, 64 lower-case hex digits. The config is inside the file, so it covers both.
        license: SPDX identifier of the weights' licence.
        paper: Link to the article the model follows.
        bundled: The copy that ships with the package, relative to the package's folder.
        card: The model card (Markdown), relative to the package's folder.
        repo_id: Repository the authors published these bytes in, if any, as "owner/name". It is not
            contacted by itself: `fetch` goes to the Hub only when told to.
        revision: Commit in `repo_id` that holds the file; the default when that repository is named.
    """

    name: str
    filename: str
    sha256: str
    license: str
    paper: str
    bundled: str
    card: str
    repo_id: str | None = None
    revision: str | None = None

    @property
    def bundled_path(self) -> Path:
        """Where the bundled copy lies; as `source` of `fetch`, it stands for "without the Hub, whatever is set"."""
        return PACKAGE_FOLDER / self.bundled


@dataclass(frozen=True)
class WeightsFile:
    """A file on this machine that is ready to load, and where it came from.

    Attributes:
        path: The file.
        origin: "path" (the caller's own file, not verified), "hub" or "bundled" (both verified).
        repo_id: "owner/name" if it came from the Hub, else None.
        revision: The commit it came from (40 hex digits) if it came from the Hub, else None.
        weights: The record it was made from.
    """

    path: Path
    origin: Literal["path", "hub", "bundled"]
    repo_id: str | None
    revision: str | None
    weights: Weights
