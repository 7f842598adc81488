"""Files of visitors: only what was uploaded is read, and nothing private of Gradio's has to be there."""

from __future__ import annotations

import errno
import logging
import os
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from types import SimpleNamespace

import gradio as gr
import gradio.context
import pytest

from demos.files import deleted_on_schedule, errors_on_page, new_folder, upload_folder, uploaded


@pytest.fixture(autouse=True)
def _own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path / "uploads"))


@pytest.mark.parametrize(
    "sent",
    [
        None,
        "photo.jpg",
        ["/etc/passwd"],
        {},
        {"path": None},
        {"path": ""},
        {"path": 3},
        {"path": ["photo.jpg"]},
        {"path": b"photo.jpg"},
        {"path": "photo.jpg"},
        {"path": "/etc/passwd"},
        {"path": "\0"},
    ],
)
def test_what_was_not_uploaded_is_not_read(sent: object) -> None:
    assert uploaded(sent) is None


@pytest.mark.parametrize("escape", ["../secret.png", "../uploads-of-others/secret.png", "\0.png", "a/../../secret.png"])
def test_no_name_leads_out_of_the_folder_of_uploads(escape: str) -> None:
    assert uploaded({"path": f"{upload_folder()}/{escape}"}) is None


def test_no_link_leads_out_of_the_folder_of_uploads(tmp_path: Path) -> None:
    upload_folder().mkdir()
    (tmp_path / "secret.png").write_bytes(b"secret")
    (upload_folder() / "link.png").symlink_to(tmp_path / "secret.png")
    assert uploaded({"path": str(upload_folder() / "link.png")}) is None


def test_an_upload_is_found() -> None:
    assert uploaded({"path": str(upload_folder() / "one" / "photo.png")}) == upload_folder() / "one" / "photo.png"


def test_a_folder_for_results_goes_with_work_that_fails() -> None:
    with pytest.raises(RuntimeError), new_folder() as folder:
        raise RuntimeError
    assert not folder.exists()


@pytest.mark.parametrize("work", [new_folder, errors_on_page])
@pytest.mark.parametrize("why", [errno.ENOSPC, errno.EROFS])
def test_a_disk_that_is_full_or_read_only_is_told_of(
    work: Callable[[], AbstractContextManager[object]], why: int
) -> None:
    with pytest.raises(gr.Error, match="no room for files") as told, work():
        raise OSError(why, os.strerror(why), "/a/path/of/the/machine")
    assert "path" not in str(told.value)
    with pytest.raises(PermissionError), work():
        raise PermissionError(errno.EACCES, "not a matter of room")


def test_inside_an_event_a_file_is_noted_for_deletion(tmp_path: Path) -> None:
    page = SimpleNamespace(upload_file_set=set())
    before = gradio.context.LocalContext.blocks.set(page)
    try:
        assert deleted_on_schedule(tmp_path / "a.png") == tmp_path / "a.png"
    finally:
        gradio.context.LocalContext.blocks.reset(before)
    assert page.upload_file_set == {str(tmp_path / "a.png")}


def test_outside_an_event_a_file_is_returned_as_it_is(tmp_path: Path) -> None:
    assert deleted_on_schedule(tmp_path / "a.png") == tmp_path / "a.png"


@pytest.mark.parametrize("missing", ["LocalContext", "LocalContext.blocks"])
def test_a_gradio_that_notes_no_files_is_warned_about_and_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, missing: str
) -> None:
    monkeypatch.delattr(f"gradio.context.{missing}")
    with caplog.at_level(logging.WARNING):
        assert deleted_on_schedule(tmp_path / "a.png") == tmp_path / "a.png"
    assert "notes no files" in caplog.text
