"""Weights from a path, the Hub or the package, with the real Hub client and a Hub on this machine."""

from __future__ import annotations

import hashlib
import pickle
import socket
import zipfile
from dataclasses import replace
from functools import partial
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import torch
from hub_server import WRITE_TOKEN, LoopbackHub
from huggingface_hub import close_session, constants
from safetensors.torch import save_file
from typer.testing import CliRunner

from vision_models import __version__
from vision_models.cli.app import app
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
from vision_models.exposure import ExposurePredictor
from vision_models.weights.checkpoint import compressed, load_strictly, load_tensors, save_tensors, sha256_of
from vision_models.weights.hub import fetch
from vision_models.weights.publish import publish
from vision_models.weights.record import REPO_VARIABLE, Weights, WeightsFile

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Download = Callable[..., WeightsFile]

# huggingface_hub 2.4 uploads large files with an argument that httpx2 has renamed.
pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=<...>':DeprecationWarning")

REPO = "owner/name"
FILE = "tiny/tiny.safetensors"
CONFIG = {"width": 4, "working_size": 32}
TENSORS = {"weight": torch.arange(12.0).reshape(3, 4), "bias": torch.tensor([1.0, 2.0, 3.0])}


@pytest.fixture(autouse=True)
def _own_hub_settings(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let no setting of this machine decide: not its proxy, not its login, not its Hub switches."""
    monkeypatch.delenv(REPO_VARIABLE, raising=False)
    monkeypatch.setenv("NO_PROXY", "*")
    monkeypatch.delenv("HF_TOKEN", raising=False)
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", "/nonexistent/token")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    # Xet, the Hub's newer storage, cannot be served from here; LFS is the client's way without it.
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
    close_session()  # its connections were made with other settings
    yield
    close_session()


@pytest.fixture
def hub() -> Iterator[LoopbackHub]:
    with LoopbackHub() as hub:
        yield hub


@pytest.fixture
def weights(tmp_path: Path) -> Weights:
    """Return a record whose bundled copy and card lie in a temporary folder instead of the package."""
    bundled, card = tmp_path / "bundled.safetensors", tmp_path / "MODEL_CARD.md"
    sha256 = save_tensors(bundled, TENSORS, CONFIG)
    card.write_text("---\nlicense: apache-2.0\n---\n\n# Tiny\n")
    return Weights(
        name="tiny",
        filename=FILE,
        sha256=sha256,
        license="Apache-2.0",
        paper="https://example.org/article",
        bundled=str(bundled),
        card=str(card),
    )


@pytest.fixture
def content(weights: Weights) -> bytes:
    """Return the bytes that the record stands for."""
    return Path(weights.bundled).read_bytes()


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


@pytest.fixture
def download(hub: LoopbackHub, weights: Weights, cache: Path) -> Download:
    """Return `fetch` for the Hub on this machine and an empty cache."""
    return partial(fetch, weights, cache_dir=cache, endpoint=hub.url)


@pytest.fixture
def commit(hub: LoopbackHub, content: bytes) -> str:
    """Return the commit of a repository that holds the right file."""
    return hub.add(REPO, {FILE: content})


# ----------------------------------------------------------------------------- which file answers


def test_the_bundled_copy_answers_when_no_repository_is_named(weights: Weights) -> None:
    found = fetch(weights)
    assert (str(found.path), found.origin, found.repo_id, found.revision) == (weights.bundled, "bundled", None, None)
    assert found.weights is weights


def test_an_own_path_comes_first_and_is_not_compared_with_the_record(
    weights: Weights, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(REPO_VARIABLE, REPO)
    own = tmp_path / "own.safetensors"
    own.write_bytes(b"mine")
    found = fetch(weights, own)
    assert (found.path, found.origin) == (own, "path")


def test_an_own_path_that_is_not_there_is_named(weights: Weights, tmp_path: Path) -> None:
    with pytest.raises(WeightsFileMissingError, match=r"no weights file at .*nowhere\.safetensors"):
        fetch(weights, tmp_path / "nowhere.safetensors")


def test_a_named_repository_is_downloaded(download: Download, commit: str, content: bytes) -> None:
    found = download(source=REPO)
    assert found.path.read_bytes() == content
    assert (found.origin, found.repo_id, found.revision) == ("hub", REPO, commit)


def test_the_environment_names_repository_and_commit(
    hub: LoopbackHub, download: Download, commit: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.add(REPO, {FILE: b"a later upload"})
    monkeypatch.setenv(REPO_VARIABLE, f"{REPO}@{commit}")
    found = download()
    assert (found.origin, found.repo_id, found.revision) == ("hub", REPO, commit)


@pytest.mark.usefixtures("commit")
def test_a_repository_in_the_call_comes_before_the_environment(
    download: Download, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(REPO_VARIABLE, f"someone/else@{'0' * 40}")
    assert download(source=REPO).repo_id == REPO


def test_the_revision_may_stand_in_the_call_in_the_name_or_in_the_record(
    hub: LoopbackHub, weights: Weights, commit: str, cache: Path
) -> None:
    hub.add(REPO, {FILE: b"a later upload"})
    recorded = replace(weights, repo_id=REPO, revision=commit)
    for record, repo_id, revision in [
        (weights, REPO, commit),
        (weights, f"{REPO}@{commit}", None),
        (recorded, REPO, None),
    ]:
        found = fetch(record, source=repo_id, revision=revision, cache_dir=cache, endpoint=hub.url)
        assert found.revision == commit


def test_the_records_revision_is_not_asked_of_another_repository(
    hub: LoopbackHub, weights: Weights, commit: str, cache: Path
) -> None:
    recorded = replace(weights, repo_id="someone/else", revision="0" * 40)
    assert fetch(recorded, source=REPO, cache_dir=cache, endpoint=hub.url).revision == commit


def test_a_revision_of_no_repository_is_an_error_not_the_bundled_copy(weights: Weights) -> None:
    with pytest.raises(RepositoryNameError, match="of no repository"):
        fetch(weights, revision="main")


@pytest.mark.parametrize(
    "value",
    ["name", "owner/", "/name", "a/b/c", f"{REPO}@", f"{REPO}@v1", f"{REPO}@{'A' * 40}", "own er/name", "own--er/name"],
)
def test_a_malformed_setting_says_how_to_write_it(
    weights: Weights, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(REPO_VARIABLE, value)
    with pytest.raises(RepositoryNameError) as error:
        fetch(weights)
    assert str(error.value).startswith(f'{REPO_VARIABLE} is "{value}". Write it as OWNER/NAME or OWNER/NAME@COMMIT')


def test_the_bundled_copy_can_be_asked_for_whatever_is_set(weights: Weights, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(REPO_VARIABLE, REPO)
    assert fetch(weights, weights.bundled_path).origin == "bundled"
    with pytest.raises(WeightsChecksumError):
        fetch(replace(weights, sha256="0" * 64), weights.bundled_path)


@pytest.mark.parametrize("value", ["", "  "])
def test_an_empty_setting_counts_as_none(weights: Weights, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(REPO_VARIABLE, value)
    assert fetch(weights).origin == "bundled"


# ------------------------------------------------------------------------ with and without network


def test_a_cached_commit_starts_without_a_single_request(hub: LoopbackHub, download: Download, commit: str) -> None:
    first = download(source=REPO, revision=commit)
    assert hub.requests
    hub.requests.clear()
    assert download(source=REPO, revision=commit) == first
    assert hub.requests == []


@pytest.mark.usefixtures("commit")
def test_a_cached_branch_is_asked_for_but_not_downloaded_again(hub: LoopbackHub, download: Download) -> None:
    download(source=REPO)
    hub.requests.clear()
    download(source=REPO)
    assert set(hub.requests) == {f"HEAD /{REPO}/resolve/main/{FILE}"}


@pytest.mark.usefixtures("commit")
@pytest.mark.parametrize("trouble", ["down", "offline", "local files only"])
def test_a_cached_branch_outlives_the_hub(
    hub: LoopbackHub, download: Download, monkeypatch: pytest.MonkeyPatch, trouble: str
) -> None:
    before = download(source=REPO)
    if trouble == "down":
        hub.close()
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", trouble == "offline")
    hub.requests.clear()
    assert download(source=REPO, local_files_only=trouble == "local files only") == before
    assert hub.requests == []


@pytest.mark.usefixtures("commit")
def test_the_hub_is_told_which_library_asks(hub: LoopbackHub, download: Download) -> None:
    download(source=REPO)
    assert hub.agents
    assert all(agent.startswith(f"vision_models/{__version__};") for agent in hub.agents)


def test_a_hub_that_is_down_is_reported(weights: Weights, cache: Path) -> None:
    with socket.socket() as taken:  # bound but not listening: nothing else can answer on this port
        taken.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(HubUnreachableError, match=f"{address}.* cannot be reached.*Check the network") as error:
            fetch(weights, source=REPO, cache_dir=cache, endpoint=address)
    assert error.value.__cause__ is not None


def test_a_hub_that_never_answers_is_given_up_after_one_attempt(
    hub: LoopbackHub, download: Download, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(constants, "HF_HUB_ETAG_TIMEOUT", 0.1)
    hub.silence_s = 1.0
    with pytest.raises(HubUnreachableError, match="cannot be reached"):
        download(source=REPO)
    assert len(hub.requests) == 1


def test_a_hub_in_trouble_is_asked_once_and_its_status_told(hub: LoopbackHub, download: Download) -> None:
    hub.status = HTTPStatus.SERVICE_UNAVAILABLE
    with pytest.raises(HubUnreachableError, match=r"in trouble \(503 Service Unavailable\)"):
        download(source=REPO)
    assert len(hub.requests) == 1


def test_a_login_page_in_between_is_not_taken_for_weights(hub: LoopbackHub, download: Download) -> None:
    hub.captive = True
    with pytest.raises(HubUnreachableError, match="does not answer as the Hub does"):
        download(source=REPO)


@pytest.mark.usefixtures("commit")
@pytest.mark.parametrize("switch", ["local_files_only", "HF_HUB_OFFLINE"])
def test_offline_with_an_empty_cache_says_what_to_allow(
    hub: LoopbackHub, download: Download, monkeypatch: pytest.MonkeyPatch, switch: str
) -> None:
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", switch == "HF_HUB_OFFLINE")
    with pytest.raises(WeightsNotCachedError, match="not in the local cache, and downloads are switched off") as error:
        download(source=REPO, local_files_only=switch == "local_files_only")
    assert switch in str(error.value)
    assert hub.requests == []


# ------------------------------------------------------------------------------ what the Hub refuses


def _gate(hub: LoopbackHub) -> None:
    hub.gated.add(REPO)


def _remove_repository(hub: LoopbackHub) -> None:
    del hub.repositories[REPO]


def _remove_file(hub: LoopbackHub) -> None:
    for files in hub.repositories[REPO].values():
        del files[FILE]


def _expire_token(hub: LoopbackHub) -> None:
    hub.status = HTTPStatus.UNAUTHORIZED


def _truncate(hub: LoopbackHub) -> None:
    hub.truncate = True


@pytest.mark.usefixtures("commit")
@pytest.mark.parametrize(
    ("trouble", "kind", "words"),
    [
        (_gate, RepositoryGatedError, "granted by its owner.*hf auth login"),
        (_remove_repository, RepositoryMissingError, "no model repository owner/name.*Check the name"),
        (_remove_file, WeightsFileMissingError, f"owner/name@main holds no file {FILE}.*publish owner/name"),
        (_expire_token, HubLoginError, "401 Unauthorized.*hf auth login"),
        (_truncate, WeightsTruncatedError, f"download of {FILE} of owner/name@main ended early. Try again"),
    ],
)
def test_each_refusal_has_its_own_error_and_advice(
    hub: LoopbackHub,
    download: Download,
    trouble: Callable[[LoopbackHub], None],
    kind: type[WeightsError],
    words: str,
) -> None:
    trouble(hub)
    with pytest.raises(WeightsError, match=words) as error:
        download(source=REPO)
    assert type(error.value) is kind
    assert error.value.__cause__ is not None  # the client's own words, for a bug report


@pytest.mark.usefixtures("commit")
@pytest.mark.parametrize(("revision", "words"), [("no-such-branch", "no-such-branch"), ("0" * 40, "000000000000")])
def test_a_revision_that_is_not_there_is_named(download: Download, revision: str, words: str) -> None:
    with pytest.raises(RevisionMissingError, match=f"owner/name has no revision {words}. Check it on"):
        download(source=REPO, revision=revision)


@pytest.mark.usefixtures("commit")
def test_a_cache_that_cannot_be_written_is_named(download: Download, cache: Path) -> None:
    cache.write_text("a file, where the folder should be")
    with pytest.raises(WeightsCacheError, match=r"cannot be stored .* another folder with cache_dir"):
        download(source=REPO)


# ----------------------------------------------------------------------------------- wrong bytes


@pytest.mark.usefixtures("commit")
def test_nothing_of_a_truncated_download_stays_behind(
    hub: LoopbackHub, download: Download, content: bytes, cache: Path
) -> None:
    hub.truncate = True
    with pytest.raises(WeightsTruncatedError):
        download(source=REPO)
    assert [path for path in cache.rglob("blobs/*") if path.is_file()] == []
    hub.truncate = False
    assert download(source=REPO).path.read_bytes() == content


@pytest.mark.parametrize("pinned", [True, False])
def test_other_bytes_are_refused_until_the_hub_sends_the_right_ones(
    hub: LoopbackHub, download: Download, commit: str, content: bytes, *, pinned: bool
) -> None:
    revision = commit if pinned else "main"
    hub.corrupt = True
    for _ in range(2):  # the second time, the client has them in its cache
        with pytest.raises(WeightsChecksumError, match=f"{FILE} of .* is damaged, or belongs to another version"):
            download(source=REPO, revision=revision)
    hub.corrupt = False
    assert download(source=REPO, revision=revision).path.read_bytes() == content


def test_weights_of_another_version_are_refused_until_the_right_ones_are_uploaded(
    hub: LoopbackHub, download: Download, content: bytes
) -> None:
    hub.add(REPO, {FILE: b"of another version"})
    with pytest.raises(WeightsChecksumError, match="publish owner/name"):
        download(source=REPO)
    commit = hub.add(REPO, {FILE: content})
    assert download(source=REPO).revision == commit


@pytest.mark.parametrize("pinned", [True, False])
def test_a_cached_file_that_was_damaged_is_downloaded_again(
    hub: LoopbackHub, download: Download, commit: str, content: bytes, *, pinned: bool
) -> None:
    revision = commit if pinned else "main"
    download(source=REPO, revision=revision).path.write_bytes(b"damage")
    assert download(source=REPO, revision=revision).path.read_bytes() == content
    hub.requests.clear()
    download(source=REPO, revision=commit)
    assert hub.requests == []


@pytest.mark.parametrize(
    ("local_files_only", "words"),
    [
        (True, "Allow downloads, so that it can be replaced"),
        (False, "could not be replaced: The Hub .* cannot be reached"),
    ],
)
def test_a_cached_file_that_was_damaged_is_never_used(
    hub: LoopbackHub, download: Download, commit: str, *, local_files_only: bool, words: str
) -> None:
    download(source=REPO, revision=commit).path.write_bytes(b"damage")
    hub.close()
    with pytest.raises(WeightsChecksumError, match=words):
        download(source=REPO, revision=commit, local_files_only=local_files_only)


def test_a_bundled_copy_that_was_damaged_is_never_used(weights: Weights) -> None:
    damaged = replace(weights, sha256=hashlib.sha256(b"what it should be").hexdigest())
    with pytest.raises(WeightsChecksumError, match=r"own copy of tiny .* is damaged .* Install vision_models again"):
        fetch(damaged)


def test_a_bundled_copy_that_is_missing_is_named(weights: Weights) -> None:
    with pytest.raises(WeightsFileMissingError, match="lacks its own copy of tiny"):
        fetch(replace(weights, bundled="weights/not-there.safetensors"))


# ------------------------------------------------------------------------------ inside the file


def test_tensors_and_config_come_back_as_saved(tmp_path: Path) -> None:
    save_tensors(tmp_path / "new folder" / "file.safetensors", TENSORS, CONFIG)
    tensors, config = load_tensors(tmp_path / "new folder" / "file.safetensors")
    assert config == CONFIG
    assert tensors.keys() == TENSORS.keys()
    assert all(torch.equal(tensors[name], TENSORS[name]) for name in TENSORS)


def test_the_same_weights_give_the_same_file(tmp_path: Path) -> None:
    one, other = tmp_path / "one.safetensors", tmp_path / "other.safetensors"
    sha256 = save_tensors(one, TENSORS, CONFIG)
    backwards = dict(reversed(list(TENSORS.items()))), dict(reversed(list(CONFIG.items())))
    assert save_tensors(other, *backwards) == sha256 == sha256_of(one)
    assert one.read_bytes() == other.read_bytes()


def test_a_module_that_shares_or_slices_its_tensors_can_be_saved(tmp_path: Path) -> None:
    base = torch.arange(6.0).reshape(2, 3).requires_grad_()
    save_tensors(tmp_path / "file.safetensors", {"whole": base, "again": base, "turned": base.T}, {})
    tensors, _ = load_tensors(tmp_path / "file.safetensors")
    assert torch.equal(tensors["turned"], base.detach().T)


def test_large_weights_come_back_from_eight_bits_nearly_the_same(tmp_path: Path) -> None:
    torch.manual_seed(0)
    layer = torch.nn.Conv2d(64, 128, 3)
    counts = torch.tensor([3, 12899], dtype=torch.int32)
    file = tmp_path / "file.safetensors"
    save_tensors(file, compressed({**layer.state_dict(), "counts": counts}), CONFIG)
    tensors, _ = load_tensors(file)
    assert file.stat().st_size < 1.1 * layer.weight.numel()
    assert (tensors["weight"] - layer.weight).abs().max() <= layer.weight.abs().max() / 250
    assert torch.equal(tensors["bias"], layer.state_dict()["bias"].half())
    assert torch.equal(tensors.pop("counts"), counts)
    load_strictly(layer, tensors)


def test_a_scale_without_its_weights_is_refused(tmp_path: Path) -> None:
    save_tensors(tmp_path / "file.safetensors", {"weight:scale": torch.ones(3)}, CONFIG)
    with pytest.raises(WeightsFormatError, match="weight:scale, but nothing that it scales"):
        load_tensors(tmp_path / "file.safetensors")


def _zip(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("data.pkl", pickle.dumps({"weight": 1}))


NOT_SAFETENSORS: dict[str, Callable[[Path], Any]] = {
    "empty": lambda path: path.write_bytes(b""),
    "pickle": lambda path: path.write_bytes(pickle.dumps({"weight": 1})),
    "zip": _zip,
    "torch checkpoint": lambda path: torch.save(TENSORS, path),
    "web page": lambda path: path.write_text("<!DOCTYPE html><html><body>log in</body></html>"),
    "git LFS pointer": lambda path: path.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:00\n"),
    "header only": lambda path: path.write_bytes((2).to_bytes(8, "little") + b"{"),
}


@pytest.mark.parametrize("kind", NOT_SAFETENSORS)
def test_anything_but_safetensors_is_refused(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "file.safetensors"
    NOT_SAFETENSORS[kind](path)
    with pytest.raises(WeightsFormatError, match=r"file\.safetensors cannot be read as safetensors"):
        load_tensors(path)


@pytest.mark.parametrize("kept", [0.1, 0.5, 0.99])
def test_a_file_that_ends_early_is_refused(tmp_path: Path, kept: float) -> None:
    path = tmp_path / "file.safetensors"
    save_tensors(path, TENSORS, CONFIG)
    content = path.read_bytes()
    path.write_bytes(content[: int(kept * len(content))])
    with pytest.raises(WeightsFormatError, match="cannot be read as safetensors"):
        load_tensors(path)


@pytest.mark.parametrize("metadata", [None, {"format": "pt"}, {"config": "{width"}, {"config": "[1, 2]"}])
def test_tensors_without_their_config_are_refused(tmp_path: Path, metadata: dict[str, str] | None) -> None:
    path = tmp_path / "file.safetensors"
    save_file(TENSORS, path, metadata)
    with pytest.raises(WeightsFormatError, match="not the config they belong to"):
        load_tensors(path)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(WeightsFileMissingError, match=r"nowhere\.safetensors"):
        load_tensors(tmp_path / "nowhere.safetensors")


def test_fitting_weights_are_loaded() -> None:
    module = torch.nn.Linear(4, 3)
    load_strictly(module, TENSORS)
    assert torch.equal(module.weight, TENSORS["weight"])
    assert torch.equal(module.bias, TENSORS["bias"])


@pytest.mark.parametrize(
    ("tensors", "words"),
    [
        ({}, "do not fit Linear: weight, bias missing"),
        ({"weight": TENSORS["weight"]}, "bias missing"),
        (TENSORS | {"extra": torch.zeros(1)}, "extra not expected"),
        (TENSORS | {f"extra{i}": torch.zeros(1) for i in range(5)}, r"extra0, extra1, extra2 and 2 more not expected"),
        (TENSORS | {"bias": torch.zeros(7)}, r"bias \(7,\) instead of \(3,\) of another shape"),
    ],
)
def test_other_weights_are_refused_and_leave_the_module_as_it_was(tensors: dict[str, torch.Tensor], words: str) -> None:
    module = torch.nn.Linear(4, 3)
    before = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    with pytest.raises(WeightsFormatError, match=words):
        load_strictly(module, tensors)
    assert all(torch.equal(tensor, before[name]) for name, tensor in module.state_dict().items())


# ------------------------------------------------------------------------------------- publishing


def test_what_is_published_is_what_comes_back(
    hub: LoopbackHub, weights: Weights, download: Download, content: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    line = publish(REPO, [weights], token=WRITE_TOKEN, endpoint=hub.url)
    variable, _, value = line.partition("=")
    assert variable == REPO_VARIABLE
    monkeypatch.setenv(variable, value)
    found = download()
    assert found.path.read_bytes() == content
    assert f"{found.repo_id}@{found.revision}" == value


def test_one_model_brings_its_card_as_the_readme_in_a_single_commit(hub: LoopbackHub, weights: Weights) -> None:
    publish(REPO, [weights], token=WRITE_TOKEN, endpoint=hub.url)
    (files,) = hub.repositories[REPO].values()
    assert sorted(files) == ["README.md", FILE]
    assert b"# Tiny" in files["README.md"]


def test_several_models_bring_a_readme_that_links_their_cards(hub: LoopbackHub, weights: Weights, cache: Path) -> None:
    flat = replace(weights, name="flat", filename="flat.safetensors", license="CC-BY-4.0")
    line = publish(REPO, [weights, flat], token=WRITE_TOKEN, endpoint=hub.url)
    (files,) = hub.repositories[REPO].values()
    assert sorted(files) == ["README.md", "flat.safetensors", "flat/README.md", "tiny/README.md", FILE]
    readme = files["README.md"].decode()
    assert all(f"]({name})" in readme for name in files if name != "README.md")
    for one in (weights, flat):
        found = fetch(one, source=line.partition("=")[2], cache_dir=cache, endpoint=hub.url)
        assert sha256_of(found.path) == one.sha256


def test_publishing_twice_makes_one_commit(hub: LoopbackHub, weights: Weights) -> None:
    first = publish(REPO, [weights], token=WRITE_TOKEN, endpoint=hub.url)
    assert publish(REPO, [weights], token=WRITE_TOKEN, endpoint=hub.url) == first
    assert len(hub.repositories[REPO]) == 1


def test_the_command_publishes_all_three_models_and_prints_the_line_for_the_space(
    hub: LoopbackHub, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(constants, "ENDPOINT", hub.url)
        patch.setenv("HF_TOKEN", WRITE_TOKEN)
        result = CliRunner().invoke(app, ["publish", REPO])
    assert result.exit_code == 0, result.output
    (commit,) = hub.repositories[REPO]
    assert result.stdout.splitlines()[-1] == f"VISION_MODELS_REPO={REPO}@{commit}"
    names = {f"{model}/{model}-compact.safetensors" for model in ("exposure", "gifs", "interactions")}
    assert names < hub.repositories[REPO][commit].keys()
    loaded = fetch(ExposurePredictor.weights, f"{REPO}@{commit}", cache_dir=cache, endpoint=hub.url)
    assert (loaded.origin, loaded.revision) == ("hub", commit)


def test_publishing_without_a_login_says_how_to_log_in(hub: LoopbackHub, weights: Weights) -> None:
    with pytest.raises(HubLoginError, match=r"401 Unauthorized.*hf auth login.*may write to owner/name"):
        publish(REPO, [weights], endpoint=hub.url)
    assert hub.repositories == {}


def test_a_card_the_hub_dislikes_is_explained(hub: LoopbackHub, weights: Weights) -> None:
    hub.bad_card = '"license" must be one of a list'
    with pytest.raises(PublishError, match=r'did not accept the upload .*"license" must be one of a list'):
        publish(REPO, [weights], token=WRITE_TOKEN, endpoint=hub.url)
    assert hub.repositories[REPO] == {}


def test_publishing_to_a_hub_that_is_down_is_explained(hub: LoopbackHub, weights: Weights) -> None:
    hub.close()
    with pytest.raises(HubUnreachableError, match=r"cannot be reached.*publish again"):
        publish(REPO, [weights], token=WRITE_TOKEN, endpoint=hub.url)


def test_damaged_weights_are_not_published(hub: LoopbackHub, weights: Weights) -> None:
    damaged = replace(weights, sha256="0" * 64)
    with pytest.raises(WeightsChecksumError, match="Install vision_models again"):
        publish(REPO, [damaged], token=WRITE_TOKEN, endpoint=hub.url)
    assert hub.requests == []


@pytest.mark.parametrize("repo_id", ["name", "a/b/c", f"{REPO}@{'0' * 40}"])
def test_a_repository_that_cannot_be_is_not_published_to(hub: LoopbackHub, weights: Weights, repo_id: str) -> None:
    with pytest.raises(RepositoryNameError):
        publish(repo_id, [weights], token=WRITE_TOKEN, endpoint=hub.url)
    assert hub.requests == []
