"""Safetensors files with their config inside: written whole, read strictly, never a pickle."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from vision_models.errors import WeightsChecksumError, WeightsFileMissingError, WeightsFormatError
from vision_models.weights.record import REPO_VARIABLE, Weights

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from torch import Tensor, nn


def sha256_of(path: str | Path) -> str:
    """Return the sha256 of a file of any size as 64 lower-case hex digits."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def load_tensors(path: str | Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Read a safetensors file and the config inside it.

    Args:
        path: A file written by `save_tensors`, or any safetensors file whose metadata holds a JSON
            object under the key "config".

    Returns:
        The tensors by name, on the CPU with the dtypes of the file, and the config. What `compressed` put into 8 bits
        is float32 again.

    Raises:
        WeightsFileMissingError: There is no such file.
        WeightsFormatError: It is not a complete safetensors file, or holds no config. A pickle is
            never opened, since loading one can run foreign code.
    """
    path = own_file(Path(path))
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  (not a dict)
    except (SafetensorError, OSError) as error:
        raise WeightsFormatError(
            f"{path.name} cannot be read as safetensors. Only complete safetensors files are loaded, since a pickle "
            "can run foreign code: convert it, or use the weights that come with the package."
        ) from error
    try:
        config = json.loads(metadata["config"])
    except (KeyError, json.JSONDecodeError) as error:
        raise WeightsFormatError(_NO_CONFIG.format(path.name)) from error
    if not isinstance(config, dict):
        raise WeightsFormatError(_NO_CONFIG.format(path.name))
    for name in [name for name in tensors if name.endswith(_SCALE)]:
        scale, rows = tensors.pop(name), tensors.get(name.removesuffix(_SCALE))
        if rows is None or len(rows) != len(scale):
            raise WeightsFormatError(f"{path.name} holds {name}, but nothing that it scales. Get the file again.")
        tensors[name.removesuffix(_SCALE)] = rows * scale.view(-1, *[1] * (rows.dim() - 1))
    return tensors, config


_NO_CONFIG = (
    "{} holds tensors, but not the config they belong to (a JSON object in its metadata under the key "
    '"config"). Use a file written by `vision-models train`, or the weights that come with the package.'
)


def save_tensors(path: str | Path, tensors: Mapping[str, Tensor], config: Mapping[str, Any]) -> str:
    """Write tensors and their config into one safetensors file that `load_tensors` reads.

    The same tensors and config give the same bytes, in whichever order they come. The file appears
    only when it is complete, so that an interrupted run leaves the former one in place.

    Args:
        path: Where to; its folder is made if missing.
        tensors: By name, of any shape, dtype and device.
        config: Anything JSON can hold, except NaN and infinity.

    Returns:
        The file's sha256, for the `Weights` record.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    # A clone each: safetensors refuses tensors that share memory, as a state dict's may.
    separate = {name: tensors[name].detach().cpu().contiguous().clone() for name in sorted(tensors)}
    # A single metadata entry, for safetensors writes several in random order.
    content = save(separate, {"config": json.dumps(config, sort_keys=True, allow_nan=False)})
    unfinished = path.with_name(path.name + ".unfinished")
    unfinished.write_bytes(content)
    unfinished.replace(path)
    return hashlib.sha256(content).hexdigest()


def compressed(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Make weights smaller, for `save_tensors`: large ones to 8 bits with a scale per output, others to 16 bits.

    Integers stay as they are.
    """
    smaller: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        if not tensor.is_floating_point():
            smaller[name] = tensor
        elif tensor.dim() > 1 and tensor.numel() >= _LARGE:
            rows = tensor.detach().float().cpu()
            scale = rows.flatten(1).abs().amax(dim=1).clamp_min(1e-12) / 127
            smaller[name] = (rows / scale.view(-1, *[1] * (rows.dim() - 1))).round().to(torch.int8)
            smaller[name + _SCALE] = scale
        else:
            smaller[name] = tensor.half()
    return smaller


_SCALE = ":scale"  # no parameter's name can end like that
_LARGE = 2**15  # numbers; smaller tensors are little of the size, and some of them much of the precision


def load_strictly(module: nn.Module, tensors: Mapping[str, Tensor]) -> None:
    """Load tensors into a module if, and only if, every name and shape agrees.

    Unlike `load_state_dict(strict=True)`, which raises when half of the module is already changed,
    this leaves the module untouched on error.

    Raises:
        WeightsFormatError: Names the first few tensors that are missing, unexpected or of another shape.
    """
    wanted = module.state_dict()
    problems = {
        "missing": [name for name in wanted if name not in tensors],
        "not expected": [name for name in tensors if name not in wanted],
        "of another shape": [
            f"{name} {tuple(tensors[name].shape)} instead of {tuple(wanted[name].shape)}"
            for name in wanted
            if name in tensors and tensors[name].shape != wanted[name].shape
        ],
    }
    found = [f"{_first_few(names)} {kind}" for kind, names in problems.items() if names]
    if found:
        raise WeightsFormatError(
            f"These weights do not fit {type(module).__name__}: {'; '.join(found)}. "
            "Use weights made for this model and this version of vision_models."
        )
    module.load_state_dict(dict(tensors), strict=True)


# ------------------------------------------------------------------------- files of this machine


def own_file(path: Path) -> Path:
    """Return a path at which there is a file, or raise a WeightsFileMissingError."""
    if not path.is_file():
        raise WeightsFileMissingError(
            f"There is no weights file at {path}. Check the path, or leave it out to use the weights that come with "
            "the package."
        )
    return path


def bundled_file(weights: Weights) -> Path:
    """Return the copy inside the package, verified, or raise what is wrong with it."""
    path = weights.bundled_path
    if not path.is_file():
        raise WeightsFileMissingError(
            f"The package lacks its own copy of {weights.name} ({weights.bundled}). Install vision_models again, or "
            f"name a repository with {REPO_VARIABLE}."
        )
    digest = sha256_of(path)
    if digest != weights.sha256:
        raise WeightsChecksumError(
            f"The package's own copy of {weights.name} ({weights.bundled}) is damaged "
            f"({difference(digest, weights.sha256)}). Install vision_models again."
        )
    return path


def difference(digest: str, expected: str) -> str:
    """Return two digests in words."""
    return f"sha256 {digest[:12]}..., expected {expected[:12]}..."


def _first_few(names: Sequence[str], shown: int = 3) -> str:
    rest = f" and {len(names) - shown} more" if len(names) > shown else ""
    return ", ".join(names[:shown]) + rest
