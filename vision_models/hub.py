"""Weights: a record per checkpoint, and the one function that turns it into a verified file.

A record pins its bytes by their sha256, so that it does not matter who serves them: the Hugging
Face Hub, its cache on this machine, and the copy bundled with the package all hold the same file,
or are refused. Everything huggingface_hub can fail with is translated here, and only here.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import torch
from huggingface_hub import (
    CommitOperationAdd,
    HfApi,
    constants,
    hf_hub_url,
    try_to_load_from_cache,
)
from huggingface_hub.errors import (
    DisabledRepoError,
    GatedRepoError,
    HfHubHTTPError,
    HFValidationError,
    LocalEntryNotFoundError,
    OfflineModeIsEnabled,
    RemoteEntryNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from huggingface_hub.utils import httpx, validate_repo_id  # type: ignore[attr-defined]  # exported lazily
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from vision_models import __version__
from vision_models.errors import (
    HubLoginError,
    HubUnreachableError,
    PublishError,
    RepositoryGatedError,
    RepositoryMissingError,
    RepositoryNameError,
    RevisionMissingError,
    WeightsCacheError,
    WeightsChecksumError,
    WeightsError,
    WeightsFileMissingError,
    WeightsFormatError,
    WeightsNotCachedError,
    WeightsTruncatedError,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from torch import Tensor, nn

Network = TypeVar("Network", bound="nn.Module")

REPO_VARIABLE = "VISION_MODELS_REPO"
PACKAGE_FOLDER = Path(__file__).parent
COMMIT = re.compile(r"[0-9a-f]{40}")
LOGIN_NEEDED = (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN)


@dataclass(frozen=True)
class Weights:
    """One checkpoint: what it is, and which bytes it is made of.

    Attributes:
        name: Short name a person would use, such as "drht-compact".
        filename: Path in a Hub repository, with forward slashes, such as
            "drht/drht-compact.safetensors".
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
        """Where the bundled copy lies; as `path` of `fetch`, it stands for "without the Hub, whatever is set"."""
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


def fetch(
    weights: Weights,
    *,
    path: str | Path | None = None,
    repo_id: str | None = None,
    revision: str | None = None,
    cache_dir: str | Path | None = None,
    local_files_only: bool = False,
    endpoint: str | None = None,
) -> WeightsFile:
    """Turn a record into a file that is complete and, unless it is the caller's own, verified.

    The first of these that applies is used; a failure is raised, never papered over:

    1. `path`, the caller's own file. `weights.bundled_path` is the bundled copy, and verified as such.
    2. The Hub, if a repository is named by `repo_id` or the environment variable VISION_MODELS_REPO
       (read at each call). The revision is `revision`, else the commit after the "@", else that of
       the record if it names the same repository, else "main". A commit (40 hex digits) that is
       cached already needs no network; a branch or tag falls back to its cached state if the Hub
       cannot be reached.
    3. The copy bundled with the package.

    Args:
        weights: Which checkpoint.
        path: A safetensors file of the caller's own.
        repo_id: "owner/name" or "owner/name@commit".
        revision: Commit, branch or tag.
        cache_dir: Download folder; huggingface_hub's own by default.
        local_files_only: Never use the network.
        endpoint: Address of the Hub; huggingface_hub's own (HF_ENDPOINT) by default.

    Raises:
        WeightsError: One subclass per cause, see `vision_models.errors`.
    """
    if path is not None and Path(path) == weights.bundled_path:
        return WeightsFile(_bundled_file(weights), "bundled", None, None, weights)
    if path is not None:
        return WeightsFile(_own_file(Path(path)), "path", None, None, weights)

    repo_id, pinned = _named_repository(repo_id)
    if repo_id is None:
        if revision is not None:
            raise RepositoryNameError(
                f"Revision {revision} was asked for, but of no repository. Pass repo_id too, or set {REPO_VARIABLE}."
            )
        return WeightsFile(_bundled_file(weights), "bundled", None, None, weights)

    recorded = weights.revision if repo_id == weights.repo_id else None
    hub_file = _HubFile(
        repo_id=repo_id,
        revision=revision or pinned or recorded or constants.DEFAULT_REVISION,
        filename=weights.filename,
        cache_dir=Path(cache_dir or constants.HF_HUB_CACHE).expanduser(),
        endpoint=endpoint or constants.ENDPOINT,
    )
    verified = hub_file.verified(weights.sha256, local_files_only=local_files_only)
    return WeightsFile(verified, "hub", repo_id, hub_file.commit_of(verified), weights)


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
    path = _own_file(Path(path))
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


def load_network(
    weights: Weights,
    build: Callable[[dict[str, Any]], Network],
    model: str,
    *,
    path: str | Path | None,
    repo_id: str | None,
    revision: str | None,
    cache_dir: str | Path | None,
    local_files_only: bool,
) -> tuple[Network, WeightsFile]:
    """Do what `from_pretrained` of every predictor does: fetch a checkpoint, build its network, fill it.

    Args:
        weights: Which checkpoint.
        build: Makes the network from the config inside the file.
        model: The model's name, for the error when that fails.
        path: This and the others are those of `fetch`.
        repo_id: Likewise.
        revision: Likewise.
        cache_dir: Likewise.
        local_files_only: Likewise.

    Returns:
        The network, on the CPU, for evaluation only, and the file that its weights are from.

    Raises:
        WeightsError: One subclass per cause, see `vision_models.errors`.
    """
    found = fetch(
        weights,
        path=path,
        repo_id=repo_id,
        revision=revision,
        cache_dir=cache_dir,
        local_files_only=local_files_only,
    )
    tensors, config = load_tensors(found.path)
    try:
        network = build(config)
    except (KeyError, TypeError, ValueError) as error:
        raise WeightsFormatError(
            f"The config inside {found.path.name} is not one of {model}: {error}. Use a file that this version wrote."
        ) from error
    load_strictly(network, tensors)
    network.eval().requires_grad_(requires_grad=False)
    return network, found


def publish(
    repo_id: str,
    weights: Sequence[Weights],
    *,
    private: bool = False,
    token: str | None = None,
    endpoint: str | None = None,
) -> str:
    """Upload checkpoints and their model cards to the Hub, in one commit.

    Every file goes to its record's `filename`. The card of a single model becomes the repository's
    README.md; several are put beside their weights, and the README.md links them. Publishing what is
    there already changes nothing and returns the present commit.

    Args:
        repo_id: "owner/name"; made if it does not exist.
        weights: Which checkpoints; the bundled copies are uploaded, after a check of their sha256.
        private: Whether a repository that is made is private; an existing one stays as it is.
        token: Access token that may write; by default the one `hf auth login` stored, or HF_TOKEN.
        endpoint: Address of the Hub; huggingface_hub's own (HF_ENDPOINT) by default.

    Returns:
        The line for the settings of a Space: "VISION_MODELS_REPO=owner/name@commit".

    Raises:
        WeightsChecksumError, WeightsFileMissingError: The package's own copy is damaged or missing.
        HubLoginError, HubUnreachableError, PublishError: The Hub did not take the upload.
    """
    repo_id, commit = _parse_repository(repo_id, "The repository")
    if commit is not None:
        raise RepositoryNameError(f"An upload makes a new commit: name the repository alone, as {repo_id}.")
    uploads = {one.filename: _bundled_file(one).read_bytes() for one in weights} | _cards(weights)
    operations = [CommitOperationAdd(name, content) for name, content in sorted(uploads.items())]
    summary = f"Publish {', '.join(one.name for one in weights)}"
    client = _client(endpoint, token)
    with _upload_errors_in_plain_words(repo_id, client.endpoint):
        client.create_repo(repo_id, private=private, exist_ok=True)
        done = client.create_commit(repo_id, operations, commit_message=summary)
    return f"{REPO_VARIABLE}={repo_id}@{done.oid}"


# ------------------------------------------------------------------------- files of this machine


def _own_file(path: Path) -> Path:
    if not path.is_file():
        raise WeightsFileMissingError(
            f"There is no weights file at {path}. Check the path, or leave it out to use the weights that come with "
            "the package."
        )
    return path


def _bundled_file(weights: Weights) -> Path:
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
            f"({_difference(digest, weights.sha256)}). Install vision_models again."
        )
    return path


# -------------------------------------------------------------------------- files of the Hub


def _named_repository(repo_id: str | None) -> tuple[str | None, str | None]:
    """Return (repository, commit) as named by the caller or the environment, or (None, None)."""
    if repo_id is not None:
        return _parse_repository(repo_id, "The repository")
    value = os.environ.get(REPO_VARIABLE, "").strip()
    return _parse_repository(value, REPO_VARIABLE) if value else (None, None)


def _parse_repository(value: str, subject: str) -> tuple[str, str | None]:
    """Split "owner/name" or "owner/name@commit"; `subject` says in an error who wrote it."""
    match = re.fullmatch(r"([^/@]+/[^/@]+)(?:@([0-9a-f]{40}))?", value)
    if match is None or not _may_be_repository(match[1]):
        raise RepositoryNameError(
            f'{subject} is "{value}". Write it as OWNER/NAME or OWNER/NAME@COMMIT, where COMMIT is the full 40-digit '
            "commit hash that `vision-models publish` prints."
        )
    return match[1], match[2]


def _may_be_repository(name: str) -> bool:
    try:
        validate_repo_id(name)
    except HFValidationError:
        return False
    return True


def _client(endpoint: str | None, token: str | None = None) -> HfApi:
    """Return the Hub's client; our name and version are for its download statistics."""
    return HfApi(endpoint=endpoint, token=token, library_name="vision_models", library_version=__version__)


@dataclass(frozen=True)
class _HubFile:
    """One file at one revision of one repository; its methods are the downloads of this package."""

    repo_id: str
    revision: str
    filename: str
    cache_dir: Path
    endpoint: str

    def __str__(self) -> str:
        return f"{self.filename} of {self.repo_id}@{_short(self.revision)}"

    def verified(self, sha256: str, *, local_files_only: bool) -> Path:
        """Return the file with these bytes, from the cache if it need not be asked for, or raise."""
        path = self._latest(local_files_only=local_files_only)
        digest = sha256_of(path)
        if digest == sha256:
            return path
        if local_files_only:
            raise self._wrong_bytes(digest, sha256, "Allow downloads, so that it can be replaced.")
        # The client trusts its cache, so that a file damaged there would be served for ever: download it anew, once.
        try:
            path = self._download(instead_of=path)
        except WeightsError as error:
            raise self._wrong_bytes(digest, sha256, f"It could not be replaced: {error}") from error
        digest = sha256_of(path)
        if digest != sha256:
            advice = f"Upload it again with `vision-models publish {self.repo_id}`, or name another revision."
            raise self._wrong_bytes(digest, sha256, advice)
        return path

    def commit_of(self, path: Path) -> str:
        """Return the commit of a file in the cache, which lies at .../snapshots/<commit>/<filename>."""
        return path.parts[-1 - len(PurePosixPath(self.filename).parts)]

    def _latest(self, *, local_files_only: bool) -> Path:
        """Return the file from the cache if a download may not, need not or cannot replace it."""
        found = try_to_load_from_cache(self.repo_id, self.filename, cache_dir=self.cache_dir, revision=self.revision)
        cached = Path(found) if isinstance(found, str) else None
        if cached is not None and (local_files_only or COMMIT.fullmatch(self.revision)):
            return cached
        if local_files_only:
            raise self._not_cached()
        try:
            return self._download()
        except (HubUnreachableError, WeightsNotCachedError):
            if cached is None:
                raise
            return cached  # a branch as it was when last seen

    def _download(self, *, instead_of: Path | None = None) -> Path:
        """Download the file unless its cached copy is the Hub's; `instead_of` is a cached copy not to trust."""
        with self._errors_in_plain_words():
            self._ask()
            if instead_of is not None:  # the client keeps an entry that is there, even where it has to download
                instead_of.unlink(missing_ok=True)
            path = _client(self.endpoint).hf_hub_download(
                self.repo_id,
                self.filename,
                revision=self.revision,
                cache_dir=self.cache_dir,
                force_download=instead_of is not None,
            )
        return Path(path)

    def _ask(self) -> None:
        """Ask the Hub for the file once, without retries.

        `hf_hub_download` alone retries an unreachable Hub for 23 seconds, and one that never answers
        for minutes; this gives up after HF_HUB_ETAG_TIMEOUT (10 seconds if not set).
        """
        url = hf_hub_url(self.repo_id, self.filename, revision=self.revision, endpoint=self.endpoint)
        try:
            found = _client(self.endpoint).get_hf_file_metadata(url=url, timeout=constants.HF_HUB_ETAG_TIMEOUT)
        except (httpx.RequestError, httpx.InvalidURL) as error:
            raise self._unreachable("cannot be reached") from error
        if found.commit_hash is None or found.etag is None:
            raise self._unreachable("does not answer as the Hub does (a proxy or a login page may be in between)")

    @contextmanager
    def _errors_in_plain_words(self) -> Iterator[None]:
        try:
            yield
        except HfHubHTTPError as error:
            raise self._refusal(error) from error
        except OfflineModeIsEnabled as error:  # before its base, ConnectionError
            raise self._not_cached() from error
        except (LocalEntryNotFoundError, ConnectionError, ValueError) as error:
            # Lost since `_ask`, which had an answer; a ValueError is how a forced download says so.
            raise self._unreachable("cannot be reached") from error
        except OSError as error:
            if error.errno is None:  # the client's "Consistency check failed", or hf_xet's own errors
                raise self._truncated() from error
            raise WeightsCacheError(
                f"{self} cannot be stored ({error.strerror}). Make room or allow writing in {self.cache_dir}, or "
                "choose another folder with cache_dir or HF_HOME."
            ) from error
        except (httpx.HTTPError, RuntimeError) as error:  # connection lost; RuntimeError is how hf_xet says so
            raise self._truncated() from error

    def _refusal(self, error: HfHubHTTPError) -> WeightsError:
        """Return what the Hub's answer means, if it is not the file."""
        page = f"{self.endpoint}/{self.repo_id}"
        match error:
            case GatedRepoError():  # before its base, RepositoryNotFoundError
                return RepositoryGatedError(
                    f"Access to {self.repo_id} has to be granted by its owner. Ask for it on {page}, then log in with "
                    "`hf auth login` or set HF_TOKEN."
                )
            case RepositoryNotFoundError() | DisabledRepoError():
                return RepositoryMissingError(
                    f"The Hub has no model repository {self.repo_id} that you may read. Check the name; if the "
                    "repository is private, log in with `hf auth login` or set HF_TOKEN."
                )
            case RevisionNotFoundError():
                return RevisionMissingError(
                    f"{self.repo_id} has no revision {_short(self.revision)}. Check it on {page}/commits/main, or "
                    "leave it out to use main."
                )
            case RemoteEntryNotFoundError():
                return WeightsFileMissingError(
                    f"{self.repo_id}@{_short(self.revision)} holds no file {self.filename}. Upload it with "
                    f"`vision-models publish {self.repo_id}`, or name another repository or revision."
                )
            case _ if error.response.status_code in LOGIN_NEEDED:
                return _login_error(self.repo_id, error, "read")
            case _:
                return self._unreachable(f"is in trouble ({_status(error)})")

    def _unreachable(self, what: str) -> HubUnreachableError:
        return HubUnreachableError(
            f"The Hub ({self.endpoint}) {what}, so {self} cannot be downloaded. Check the network connection and try "
            "again."
        )

    def _not_cached(self) -> WeightsNotCachedError:
        return WeightsNotCachedError(
            f"{self} is not in the local cache, and downloads are switched off. Allow them once "
            "(local_files_only=False, HF_HUB_OFFLINE unset) to fill it."
        )

    def _wrong_bytes(self, digest: str, expected: str, advice: str) -> WeightsChecksumError:
        return WeightsChecksumError(
            f"{self} is damaged, or belongs to another version of vision_models ({_difference(digest, expected)}). "
            f"{advice}"
        )

    def _truncated(self) -> WeightsTruncatedError:
        return WeightsTruncatedError(f"The download of {self} ended early. Try again.")


# --------------------------------------------------------------------------------- uploads


def _cards(weights: Sequence[Weights]) -> dict[str, bytes]:
    """Return the Markdown files of a repository that holds these weights, by their path in it."""
    cards = {_card_path(one): _own_file(PACKAGE_FOLDER / one.card).read_bytes() for one in weights}
    if len(cards) == 1:
        return {"README.md": next(iter(cards.values()))}
    rows = "\n".join(
        f"| [{one.name}]({_card_path(one)}) | [{one.filename}]({one.filename}) | {one.license} | {one.paper} |"
        for one in weights
    )
    licenses = {one.license.lower() for one in weights}
    overview = (
        f"---\nlibrary_name: vision_models\nlicense: {licenses.pop() if len(licenses) == 1 else 'other'}\n---\n\n"
        "# Weights of vision_models\n\n"
        f"| Model card | File | Licence | Article |\n| --- | --- | --- | --- |\n{rows}\n"
    )
    return cards | {"README.md": overview.encode()}


def _card_path(weights: Weights) -> str:
    """Return where a card goes among several: beside its weights, or in a folder of their name."""
    folder = PurePosixPath(weights.filename).parent
    return str((folder if folder.name else PurePosixPath(weights.name)) / "README.md")


@contextmanager
def _upload_errors_in_plain_words(repo_id: str, endpoint: str) -> Iterator[None]:
    try:
        yield
    except HfHubHTTPError as error:
        status = error.response.status_code
        if status in LOGIN_NEEDED:
            raise _login_error(repo_id, error, "write to") from error
        if status == httpx.codes.TOO_MANY_REQUESTS or status >= httpx.codes.INTERNAL_SERVER_ERROR:
            raise HubUnreachableError(
                f"The Hub ({endpoint}) is in trouble ({_status(error)}). Publish again later."
            ) from error
        raise _refused(repo_id, error.server_message or _status(error)) from error
    except (httpx.HTTPError, ConnectionError) as error:
        raise HubUnreachableError(
            f"The Hub ({endpoint}) cannot be reached. Check the network connection and HF_HUB_OFFLINE, then publish "
            "again."
        ) from error
    except (ValueError, OSError, RuntimeError) as error:  # a card's front matter; the storage behind the Hub
        raise _refused(repo_id, str(error)) from error


# --------------------------------------------------------------------------- words


def _login_error(repo_id: str, error: HfHubHTTPError, right: str) -> HubLoginError:
    return HubLoginError(
        f"The Hub refuses access to {repo_id} ({_status(error)}). Log in with `hf auth login`, or set HF_TOKEN to a "
        f"token that may {right} {repo_id}."
    )


def _refused(repo_id: str, reason: str) -> PublishError:
    reason = " ".join(reason.split()).rstrip(".")
    return PublishError(f"The Hub did not accept the upload to {repo_id}: {reason}. Correct this and publish again.")


def _status(error: HfHubHTTPError) -> str:
    return f"{error.response.status_code} {error.response.reason_phrase}"


def _difference(digest: str, expected: str) -> str:
    return f"sha256 {digest[:12]}..., expected {expected[:12]}..."


def _short(revision: str) -> str:
    """Return a commit hash in the length people read, a branch or tag as it is."""
    return revision[:12] if COMMIT.fullmatch(revision) else revision


def _first_few(names: Sequence[str], shown: int = 3) -> str:
    rest = f" and {len(names) - shown} more" if len(names) > shown else ""
    return ", ".join(names[:shown]) + rest
