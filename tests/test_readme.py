"""What the README shows can be copied and run."""

from __future__ import annotations

import base64
import json
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import imageio_ffmpeg
import pytest
import skimage.data
from conftest import Visitors, finish

from vision_models.media.photos import read_photo
from vision_models.media.radiance import read_radiance
from vision_models.media.videos import probe

README = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")
SNAPSHOT = Path(__file__).parent / "api.json"
EXAMPLES = re.findall(r"```python\n(.*?)```", README, re.DOTALL)


@pytest.fixture
def videos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The videos that the examples name, in the folder in which they run."""
    monkeypatch.chdir(tmp_path)
    for name, seconds in (("match.mp4", 12), ("goal.gif", 1), ("save.gif", 1)):
        scene = ["-f", "lavfi", "-i", "testsrc2=size=160x120:rate=10", "-t", str(seconds)]
        subprocess.run([imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", *scene, name], check=True)


def test_the_gif_example_writes_gifs(videos: None) -> None:
    exec(EXAMPLES[0], {})  # noqa: S102 - our own README
    assert [probe(f"highlight-{number}.gif").height for number in range(2)] == [120, 120]


def test_the_interactions_example_tells_what_the_astronaut_does(capsys: pytest.CaptureFixture[str]) -> None:
    names: dict[str, Any] = {}
    exec(EXAMPLES[1], names)  # noqa: S102 - our own README
    assert "person 0 " in capsys.readouterr().out
    assert names["where"].shape == names["photo"].shape[:2]
    assert names["surest"].boxes is names["found"].boxes


def test_the_photo_example_writes_both_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    exec(EXAMPLES[2], {})  # noqa: S102 - our own README
    size = skimage.data.coffee().shape
    assert read_photo("corrected.png").shape == size
    assert read_photo("corrected.png").mean() > 2 * (skimage.data.coffee() // 6).mean()
    assert read_radiance("light.hdr").shape == size


def test_the_client_example_gets_gifs_and_photos(suite: str, videos: None, write_photo: Callable[..., Path]) -> None:
    names: dict[str, Any] = {}
    code = EXAMPLES[3].replace("http://127.0.0.1:7860", suite)
    for photo in ("dark.jpg", "park.jpg"):
        code = code.replace(photo, str(write_photo()))
    exec(code, names)  # noqa: S102 - our own README
    names["client"].close()
    assert [probe(gif).height for gif in names["gifs"]] == [120, 120]
    assert [reason["nearest"] for reason in names["reasons"]] == [0, 0]
    assert read_photo(names["picture"]).shape == read_photo(write_photo()).shape
    assert set(names["found"]) == {"width", "height", "boxes", "interactions"}
    assert read_photo(names["corrected"]).shape == read_photo(write_photo()).shape
    assert read_radiance(names["light"]).shape == read_photo(write_photo()).shape


def test_the_shell_example_gets_a_photo(
    suite: str, write_photo: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = next(code for code in re.findall(r"```bash\n(.*?)```", README, re.DOTALL) if "curl" in code)
    monkeypatch.chdir(tmp_path)
    shutil.copy(write_photo(), "dark.jpg")
    bash = shutil.which("bash") or "bash"
    subprocess.run([bash, "-c", code.replace("http://127.0.0.1:7860", suite)], check=True, timeout=120)
    assert read_photo("corrected.png").shape == read_photo("dark.jpg").shape


@pytest.mark.browser
def test_the_javascript_example_gets_the_address_of_a_photo(
    suite: str, visitors: Visitors, write_photo: Callable[..., Path]
) -> None:
    code = re.findall(r"```js\n(.*?)```", README, re.DOTALL)[0].replace("http://127.0.0.1:7860", suite)
    page = visitors.open(suite)
    picture = list(write_photo().read_bytes())
    found = page.evaluate(
        f"""async (bytes) => {{
            const photo = new File([new Uint8Array(bytes)], "dark.jpg");
            {code}
            return corrected.url;
        }}""",
        picture,
    )
    assert read_photo(page.request.get(found).body()).shape == read_photo(write_photo()).shape


def test_an_assistant_finds_the_endpoints_as_tools_and_gets_answers(
    suite: str, write_photo: Callable[..., Path]
) -> None:
    from mcp import ClientSession
    from mcp.client.streamable_http import streamable_http_client

    settings = json.loads(re.findall(r"```json\n(.*?)```", README, re.DOTALL)[0])
    where = settings["mcpServers"]["vision-models"]["url"].replace("http://127.0.0.1:7860", suite)
    photo = "data:image/jpeg;base64," + base64.b64encode(write_photo().read_bytes()).decode()

    async def ask() -> tuple[set[str], Any, Any, Any]:
        async with streamable_http_client(where) as (read, write, _), ClientSession(read, write) as session:
            await session.initialize()
            tools = {tool.name for tool in (await session.list_tools()).tools}
            found = await session.call_tool("interactions", {"photo": photo})
            wrong = await session.call_tool("correct", {"photo": photo, "strength": 7})
            right = await session.call_tool("correct", {"photo": photo})
            return tools, found, wrong, right

    tools, found, wrong, right = finish(ask())
    assert {f"/{tool}" for tool in tools} == set(json.loads(SNAPSHOT.read_text(encoding="utf-8")))
    assert not found.isError
    assert "boxes" in found.content[0].text
    assert wrong.isError
    assert "from 0 to 1" in wrong.content[0].text
    assert not right.isError
    assert "corrected.png" in str(right.content)


def test_programs_that_were_written_for_the_page_go_on_working(suite: str) -> None:
    """The endpoints, their parameters and what these say of themselves. What is meant to change goes into api.json."""
    from gradio_client import Client

    told = Client(suite, verbose=False).view_api(return_format="dict", print_info=False)["named_endpoints"]
    facts = {
        name: {
            "parameters": {
                part["parameter_name"]: [part["python_type"]["type"], part.get("parameter_default"), part["label"]]
                for part in endpoint["parameters"]
            },
            "returns": [part["python_type"]["type"] for part in endpoint["returns"]],
            "description": endpoint.get("description"),
        }
        for name, endpoint in told.items()
    }
    assert facts == json.loads(SNAPSHOT.read_text(encoding="utf-8"))
