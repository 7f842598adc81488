"""The one function that turns a record into a verified file: from the Hub, its cache on this machine, or the package.

Everything that huggingface_hub can fail with while reading is translated here, and only here; `publish` does the same
for uploads.
"""

from __future__ import annotations

import os
import re
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from huggingface_hub import HfApi, constants, hf_hub_url, try_to_load_from_cache
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

from vision_models import __version__
from vision_models.errors import (
    HubLoginError,
    HubUnreachableError,
    RepositoryGatedError,
    RepositoryMissingError,
    RepositoryNameError,
    RevisionMissingError,
    WeightsCacheError,
    WeightsChecksumError,
    WeightsError,
    WeightsFileMissingError,
    WeightsNotCachedError,
    WeightsTruncatedError,
)
from vision_models.weights.checkpoint import bundled_file, difference, own_file, sha256_of
from vision_models.weights.record import REPO_VARIABLE, Weights, WeightsFile

if TYPE_CHECKING:
    from collections.abc import Iterator


COMMIT = re.compile(r"[0-9a-f]{40}")
LOGIN_NEEDED = (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN)


def fetch(
    weights: Weights,
    source: str | Path | None = None,
    *,
    revision: str | None = None,
    cache_dir: str | Path | None = None,
    local_files_only: bool = False,
    endpoint: str | None = None,
) -> WeightsFile:
    """Turn a record into a file that is complete and, unless it is the caller's own, verified.

    The first of these that applies is used; a failure is raised, never papered over:

    1. The caller's own file, if `source` is a path. `weights.bundled_path` is the bundled copy, and verified as such.
    2. The Hub, if a repository is named by `source` or the environment variable VISION_MODELS_REPO
       (read at each call). The revision is `revision`, else the commit after the "@", else that of
       the record if it names the same repository, else "main". A commit (40 hex digits) that is
       cached already needs no network; a branch or tag falls back to its cached state if the Hub
       cannot be reached.
    3. The copy bundled with the package.

    Args:
        weights: Which checkpoint.
        source: A safetensors file of the caller's own, as a `Path` or a name that ends in .safetensors; or
            "owner/name" or "owner/name@commit".
        revision: Commit, branch or tag.
        cache_dir: Download folder; huggingface_hub's own by default.
        local_files_only: Never use the network.
        endpoint: Address of the Hub; huggingface_hub's own (HF_ENDPOINT) by default.

    Raises:
        WeightsError: One subclass per cause, see `vision_models.errors`.
    """
    if isinstance(source, Path) or (source and source.endswith(".safetensors")):
        if Path(source) == weights.bundled_path:
            return WeightsFile(bundled_file(weights), "bundled", None, None, weights)
        return WeightsFile(own_file(Path(source)), "path", None, None, weights)

    repo_id, pinned = _named_repository(source)
    if repo_id is None:
        if revision is not None:
            raise RepositoryNameError(
                f"Revision {revision} was asked for, but of no repository. Name that too, or set {REPO_VARIABLE}."
            )
        return WeightsFile(bundled_file(weights), "bundled", None, None, weights)

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


# -------------------------------------------------------------------------- files of the Hub


def _named_repository(repo_id: str | None) -> tuple[str | None, str | None]:
    """Return (repository, commit) as named by the caller or the environment, or (None, None)."""
    if repo_id is not None:
        return parse_repository(repo_id, "The repository")
    value = os.environ.get(REPO_VARIABLE, "").strip()
    return parse_repository(value, REPO_VARIABLE) if value else (None, None)


def parse_repository(value: str, subject: str) -> tuple[str, str | None]:
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


def hub_client(endpoint: str | None, token: str | None = None) -> HfApi:
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
            path = hub_client(self.endpoint).hf_hub_download(
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
            found = hub_client(self.endpoint).get_hf_file_metadata(url=url, timeout=constants.HF_HUB_ETAG_TIMEOUT)
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
                return login_error(self.repo_id, error, "read")
            case _:
                return self._unreachable(f"is in trouble ({status(error)})")

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
            f"{self} is damaged, or belongs to another version of vision_models ({difference(digest, expected)}). "
            f"{advice}"
        )

    def _truncated(self) -> WeightsTruncatedError:
        return WeightsTruncatedError(f"The download of {self} ended early. Try again.")


# --------------------------------------------------------------------------- words


def login_error(repo_id: str, error: HfHubHTTPError, right: str) -> HubLoginError:
    """Return what it means that the Hub asks who is there."""
    return HubLoginError(
        f"The Hub refuses access to {repo_id} ({status(error)}). Log in with `hf auth login`, or set HF_TOKEN to a "
        f"token that may {right} {repo_id}."
    )


def status(error: HfHubHTTPError) -> str:
    """Return the Hub's answer in words."""
    return f"{error.response.status_code} {error.response.reason_phrase}"


def _short(revision: str) -> str:
    """Return a commit hash in the length people read, a branch or tag as it is."""
    return revision[:12] if COMMIT.fullmatch(revision) else revision
