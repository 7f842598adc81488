"""What the README shows can be copied and run."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
import skimage.data
from conftest import Site

from vision_models.drht.config import WEIGHTS
from vision_models.photos import read_photo, read_radiance

README = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"```python\n(.*?)```", README, re.DOTALL)


def test_the_python_example_writes_both_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    exec(EXAMPLES[0], {})  # noqa: S102 - our own README
    size = skimage.data.coffee().shape
    assert read_photo("corrected.png").shape == size
    assert read_photo("corrected.png").mean() > 2 * (skimage.data.coffee() // 6).mean()
    assert read_radiance("light.hdr").shape == size


def test_the_client_example_gets_both_files(site: Site, write_photo: Callable[..., Path]) -> None:
    code = EXAMPLES[1].replace("http://127.0.0.1:7860", site.url).replace("dark.jpg", str(write_photo()))
    names: dict[str, object] = {}
    exec(code, names)  # noqa: S102 - our own README
    try:
        assert read_photo(str(names["corrected"])).shape == read_photo(write_photo()).shape
        assert read_radiance(str(names["light"])).shape == read_photo(write_photo()).shape
    finally:
        names["client"].close()  # type: ignore[attr-defined]  # a gradio_client.Client


def test_every_file_that_is_linked_exists() -> None:
    root = Path(__file__).parent.parent
    links = [link for link in re.findall(r"\]\(([^)]+)\)", README) if not link.startswith("http")]
    assert "assets/page.png" in links
    assert [link for link in links if not (root / link).exists()] == []


def test_the_model_card_names_the_bundled_size() -> None:
    card = (Path(__file__).parent.parent / "vision_models" / WEIGHTS.card).read_text(encoding="utf-8")
    assert "24-24-48-96-96-192-96-96-48-24-24" in card
    assert "vision-models evaluate drht" in card
    assert "vision-models bench drht" in card
