"""The page as programs meet it: its API, its settings, its files, and how it starts."""

from __future__ import annotations

import io
import pickle
import re
import struct
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gradio as gr
import httpx
import numpy as np
import pytest
from conftest import Site, launched, run_alone
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from PIL import Image

from vision_models.errors import HubUnreachableError
from vision_models.media.photos import read_photo
from vision_models.media.radiance import read_radiance

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from vision_models.exposure.predictor import ExposurePredictor


@pytest.fixture(scope="module")
def client(site: Site, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    client = Client(site.url, verbose=False, download_files=tmp_path_factory.mktemp("downloads"))
    yield client
    client.close()


def image_bytes(image: Image.Image, format_name: str = "PNG", **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, format_name, **options)
    return file.getvalue()


def huge_png() -> bytes:
    """A PNG that says it has 100 megapixels, in 100 bytes."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", 10_000, 10_000, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


def exposure_page(load: Callable[[], tuple[Any, str]]) -> gr.Blocks:
    from demos.exposure import build_exposure
    from demos.shell import page

    with page("Exposure", "alone") as demo:
        build_exposure(load)
    return demo


RAMP = Image.linear_gradient("L").resize((60, 40))


# ---- /correct


def test_the_api_is_documented(client: Client) -> None:
    api = client.view_api(return_format="dict", print_info=False)
    assert isinstance(api, dict)
    assert list(api["named_endpoints"]) == ["/correct_all", "/correct"]
    assert not api["unnamed_endpoints"]
    correct = api["named_endpoints"]["/correct"]
    assert [(one["parameter_name"], one["python_type"]["type"]) for one in correct["parameters"]] == [
        ("photo", "filepath"),
        ("strength", "None | float"),
    ]
    assert [one["python_type"]["type"] for one in correct["returns"]] == ["filepath", "filepath"]
    assert correct["description"].startswith("Correct the exposure of a photo")


def test_a_program_gets_what_the_package_computes(client: Client, site: Site, write_photo: Callable[..., Path]) -> None:
    photo = write_photo("api.png")
    corrected, radiance = client.predict(handle_file(photo), 0.5, api_name="/correct")
    expected = site.predictor.correct(read_photo(photo), strength=0.5)
    assert Path(corrected).name == "api-corrected.png"
    assert (read_photo(corrected) == expected.image).all()
    np.testing.assert_allclose(read_radiance(radiance), expected.radiance, rtol=2e-3, atol=1e-4)  # half floats


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("empty.jpg", b"", "This file is empty"),
        ("letter.jpg", b"Dear photographer", "is not a photo that can be read here"),
        ("cut.png", image_bytes(RAMP)[:60], "is damaged or incomplete"),
        ("dot.png", image_bytes(Image.new("RGB", (1, 1))), "32"),
        ("huge.png", huge_png(), "megapixels"),
        ("long.png", image_bytes(RAMP) + bytes(61 * 1024**2), "larger than 60 MB"),
    ],
)
def test_what_is_no_photo_is_refused_in_one_sentence_that_names_no_path(
    client: Client, site: Site, tmp_path: Path, name: str, content: bytes, said: str
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(AppError) as refused:
        client.predict(handle_file(tmp_path / name), api_name="/correct")
    message = str(refused.value)
    assert said in message
    assert re.search(r"(Please|Use|Shrink|Choose)\b.*\.$", message)  # says what to do
    assert str(site.files) not in message
    assert "Error" not in message


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("grey.png", image_bytes(RAMP)),
        ("alpha.png", image_bytes(RAMP.convert("RGBA"))),
        ("sixteen.png", image_bytes(Image.fromarray(np.tile(np.arange(60, dtype=np.uint16) * 1000, (40, 1))))),
        ("cmyk.jpg", image_bytes(RAMP.convert("CMYK"), "JPEG")),
        ("moving.gif", image_bytes(RAMP, "GIF", save_all=True, append_images=[RAMP.rotate(180)])),
        ("wrong-ending.txt", image_bytes(RAMP.convert("RGB"), "WEBP")),
        ("thin.png", image_bytes(RAMP.resize((3000, 40)))),
    ],
)
def test_unusual_photos_are_corrected(client: Client, tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    corrected, radiance = client.predict(handle_file(tmp_path / name), api_name="/correct")
    assert read_photo(corrected).shape == read_radiance(radiance).shape == read_photo(tmp_path / name).shape


def test_a_missing_photo_and_a_wrong_strength_are_explained(client: Client, write_photo: Callable[..., Path]) -> None:
    with pytest.raises(AppError, match="No photo arrived"):
        client.predict(None, api_name="/correct")
    with pytest.raises(AppError, match="No photo arrived"):
        client.predict("photo.jpg", api_name="/correct")
    for strength in (1.5, -1, "much"):
        with pytest.raises(AppError, match="number from 0 to 1"):
            client.predict(handle_file(write_photo()), strength, api_name="/correct")


@pytest.mark.parametrize("meta", [{"meta": {"_type": "gradio.FileData"}}, {}])
@pytest.mark.parametrize(("event", "others"), [("correct", [1.0]), ("run", [None, 100, 0])])  # API, page
def test_a_file_of_the_server_cannot_be_had(
    site: Site, write_photo: Callable[..., Path], event: str, others: list[Any], meta: dict[str, Any]
) -> None:
    secret = {"path": str(write_photo("secret.png"))}  # outside the folder of uploads
    call = f"{site.url}gradio_api/call/{event}"
    asked = httpx.post(call, json={"data": [secret | meta, *others]})
    answer = httpx.get(f"{call}/{asked.json()['event_id']}", timeout=300).text
    assert ("event: error" in answer) or ("There is no photo yet" in answer)
    assert ".png" not in answer


# ---- an upload


def test_an_upload_is_decoded_once_and_makes_no_file_of_full_size(
    predictor: ExposurePredictor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, write_photo: Callable[..., Path]
) -> None:
    from demos import photo_input

    reads: list[str] = []

    def noted(path: Path) -> NDArray[np.uint8]:
        reads.append(path.name)
        return read_photo(path)

    monkeypatch.setattr(photo_input, "read_photo", noted)
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))
    photo = write_photo("fresh.png", width=2200, height=64)
    with launched(exposure_page(lambda: (predictor, ""))) as url:
        with photo.open("rb") as file:
            lies_at = httpx.post(f"{url}gradio_api/upload", files={"files": file}).json()[0]
        sent = {"path": lies_at, "meta": {"_type": "gradio.FileData"}}
        call = f"{url}gradio_api/call/run"
        asked = httpx.post(call, json={"data": [sent, None, 100, 0]})
        assert "Done in" in httpx.get(f"{call}/{asked.json()['event_id']}", timeout=300).text
        sizes = {path.name: read_photo(path).shape for path in tmp_path.rglob("*.png")}
    assert reads == ["fresh.png"]
    assert sizes.keys() == {"fresh.png", "photo.png", "after.png", "light.png"}
    assert [name for name, (_, width, _) in sizes.items() if width > 2048] == ["fresh.png"]


# ---- what is kept, and what is told


def test_an_internal_error_tells_nothing_internal(
    predictor: ExposurePredictor, page_files: Path, monkeypatch: pytest.MonkeyPatch, write_photo: Callable[..., Path]
) -> None:
    def explode(self: object, image: object) -> None:
        raise RuntimeError("secret /home/us")

    monkeypatch.setattr(type(predictor), "estimate", explode)
    with launched(exposure_page(lambda: (predictor, ""))) as url:
        client = Client(url, verbose=False)
        with pytest.raises(AppError) as error:
            client.predict(handle_file(write_photo()), api_name="/correct")
        client.close()
    assert "secret" not in str(error.value)


def test_nothing_of_a_visitor_is_left_when_the_page_closes(
    predictor: ExposurePredictor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, write_photo: Callable[..., Path]
) -> None:
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path / "gradio"))
    with launched(exposure_page(lambda: (predictor, ""))) as url:
        client = Client(url, verbose=False, download_files=tmp_path / "downloads")
        client.predict(handle_file(write_photo()), api_name="/correct")
        client.close()
        kept = {path.name for path in (tmp_path / "gradio").rglob("*") if path.is_file()}
    assert kept == {"dark.png", "dark-corrected.png", "dark-light.exr"}
    assert [path for path in (tmp_path / "gradio").rglob("*") if path.is_file()] == []


def test_the_page_reports_and_keeps_nothing_about_visitors(site: Site) -> None:
    assert httpx.get(f"{site.url}gradio_api/runs").status_code == httpx.codes.NOT_FOUND
    assert httpx.get(f"{site.url}monitoring/summary").status_code != httpx.codes.OK
    config = httpx.get(f"{site.url}config").json()
    assert config["analytics_enabled"] is False
    assert config["max_file_size"] == 500 * 1024**2
    assert config["footer_links"] == ["api"]


def test_old_files_are_deleted_the_queue_ends_and_the_network_answers_one_at_a_time(
    predictor: ExposurePredictor,
) -> None:
    demo = exposure_page(lambda: (predictor, ""))
    with launched(demo):
        assert demo.delete_cache == (600, 3600)
        assert demo._queue.max_size == 32
    on_gpu = [event for event in demo.fns.values() if event.concurrency_id == "gpu"]
    assert {event.name for event in on_gpu} == {"run", "correct"}
    assert {event.concurrency_limit for event in on_gpu} == {1}


# ---- weights


def test_when_the_hub_fails_the_bundled_copy_answers_and_the_page_says_why(
    predictor: ExposurePredictor, monkeypatch: pytest.MonkeyPatch
) -> None:
    from demos.exposure import load_predictor
    from vision_models.exposure.predictor import ExposurePredictor

    monkeypatch.setenv("VISION_MODELS_REPO", "owner/name")

    def from_pretrained(source: Path | None = None) -> ExposurePredictor:
        if source is None:
            raise HubUnreachableError("The Hub cannot be reached.")
        return predictor

    monkeypatch.setattr(ExposurePredictor, "from_pretrained", from_pretrained)
    answering, excuse = load_predictor()
    assert answering.weights_file.origin == "bundled"
    demo = exposure_page(lambda: (answering, excuse))
    assert "The Hub cannot be reached. Until then" in str(demo.get_config_file())


def test_what_crosses_to_the_gpu_process_and_back_is_small(predictor: ExposurePredictor) -> None:
    estimate = predictor.estimate(np.full((1500, 2000, 3), 30, np.uint8))
    assert len(pickle.dumps(estimate)) < 8e6


# ---- start


def test_the_tab_runs_alone(page_files: Path) -> None:
    done = run_alone("exposure", page_files)
    assert done.stdout == "launched\n", done.stderr
