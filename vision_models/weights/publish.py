"""Upload of checkpoints and their model cards to the Hugging Face Hub."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from huggingface_hub import CommitOperationAdd
from huggingface_hub.errors import HfHubHTTPError
from huggingface_hub.utils import httpx  # type: ignore[attr-defined]  # exported lazily

from vision_models.errors import HubUnreachableError, PublishError, RepositoryNameError
from vision_models.weights.checkpoint import bundled_file, own_file
from vision_models.weights.hub import LOGIN_NEEDED, hub_client, login_error, parse_repository, status
from vision_models.weights.record import PACKAGE_FOLDER, REPO_VARIABLE, Weights

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


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
    repo_id, commit = parse_repository(repo_id, "The repository")
    if commit is not None:
        raise RepositoryNameError(f"An upload makes a new commit: name the repository alone, as {repo_id}.")
    uploads = {one.filename: bundled_file(one).read_bytes() for one in weights} | _cards(weights)
    operations = [CommitOperationAdd(name, content) for name, content in sorted(uploads.items())]
    summary = f"Publish {', '.join(one.name for one in weights)}"
    client = hub_client(endpoint, token)
    with _upload_errors_in_plain_words(repo_id, client.endpoint):
        client.create_repo(repo_id, private=private, exist_ok=True)
        done = client.create_commit(repo_id, operations, commit_message=summary)
    return f"{REPO_VARIABLE}={repo_id}@{done.oid}"


# --------------------------------------------------------------------------------- uploads


def _cards(weights: Sequence[Weights]) -> dict[str, bytes]:
    """Return the Markdown files of a repository that holds these weights, by their path in it."""
    cards = {_card_path(one): own_file(PACKAGE_FOLDER / one.card).read_bytes() for one in weights}
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
        code = error.response.status_code
        if code in LOGIN_NEEDED:
            raise login_error(repo_id, error, "write to") from error
        if code == httpx.codes.TOO_MANY_REQUESTS or code >= httpx.codes.INTERNAL_SERVER_ERROR:
            raise HubUnreachableError(
                f"The Hub ({endpoint}) is in trouble ({status(error)}). Publish again later."
            ) from error
        raise _refused(repo_id, error.server_message or status(error)) from error
    except (httpx.HTTPError, ConnectionError) as error:
        raise HubUnreachableError(
            f"The Hub ({endpoint}) cannot be reached. Check the network connection and HF_HUB_OFFLINE, then publish "
            "again."
        ) from error
    except (ValueError, OSError, RuntimeError) as error:  # a card's front matter; the storage behind the Hub
        raise _refused(repo_id, str(error)) from error


def _refused(repo_id: str, reason: str) -> PublishError:
    reason = " ".join(reason.split()).rstrip(".")
    return PublishError(f"The Hub did not accept the upload to {repo_id}: {reason}. Correct this and publish again.")
