"""The interactions tab, its pictures and its samples; the predictor here knows its photos by their size."""

from __future__ import annotations

import hashlib
import io
import json
import re
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import TYPE_CHECKING, Any

import gradio as gr
import httpx
import numpy as np
import pytest
from accessibility import CONTRAST, PHONE, tab_to
from conftest import Visitors, launched, run_alone, save
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from PIL import Image

from demos.samples.people import PEOPLE
from vision_models.errors import HubUnreachableError, PhotoError
from vision_models.interactions.boxes import encode
from vision_models.interactions.config import WEIGHTS
from vision_models.interactions.drawing import (
    alone,
    deed,
    draw,
    draw_expectation,
    draw_pair,
    names,
    pair_label,
    pairs,
    verb_words,
)
from vision_models.interactions.predictor import InteractionPredictor
from vision_models.interactions.ranking import Factors, Interaction, rank
from vision_models.interactions.result import Interactions
from vision_models.interactions.vocabulary import ACTIONS, VERB_NAMES, Action
from vision_models.media.photos import read_photo, write_png
from vision_models.weights.record import WeightsFile

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from playwright.sync_api import Locator, Page


# ---- a predictor that needs no weights

SIZE = 600, 400
RIDER, HORSE, CUP, READER = range(4)
BOXES = np.array([[150, 40, 260, 260], [120, 150, 400, 390], [60, 180, 90, 220], [450, 60, 560, 380]], np.float32)
LABELS = "person", "horse", "cup", "person"
LOGITS = {
    RIDER: {"ride": 3, "hold": 1, "sit": 0, "smile": 2, "stand": -1},
    READER: {"look": 2, "point": 3, "stand": 2, "read": 3},
}
LIKES = {"ride": HORSE, "sit": HORSE, "hold": CUP, "look": HORSE, "point": HORSE}  # verb: its object
TRAINING_PHOTOS = {verb: 100 * (number + 1) for number, verb in enumerate(VERB_NAMES)} | {"point": 0, "carry": 0}


def scene(width: int = SIZE[0], height: int = SIZE[1], min_score: float = 0.0) -> Interactions:
    """A rider on a horse, a cup that they hold, and someone who looks on, points, and reads nothing."""
    people = np.array([RIDER, READER])
    scores = np.array([0.95, 0.9, 0.7, 0.85], np.float32)
    human = np.full((2, len(VERB_NAMES)), -5, np.float32)
    things = np.full((len(BOXES), len(VERB_NAMES)), -3, np.float32)
    targets = np.zeros((2, len(ACTIONS), 4), np.float32)
    vacancy = np.full(len(ACTIONS), -np.inf, np.float32)
    vacancy[ACTIONS.index(Action("read", "obj"))] = 0.0  # no object can be that sure
    for row, person in enumerate(people):
        for verb, logit in LOGITS[int(person)].items():
            human[row, VERB_NAMES.index(verb)] = logit
        for column, action in enumerate(ACTIONS):
            if action.verb in LIKES:
                targets[row, column] = encode(BOXES[LIKES[action.verb]], BOXES[person]) + 0.1  # nearly right
    for verb, thing in LIKES.items():
        things[thing, VERB_NAMES.index(verb)] = 1
    boxes = BOXES * np.array([width / SIZE[0], height / SIZE[1]] * 2, np.float32)
    factors = Factors(
        people,
        human,
        things,
        targets,
        np.full((len(ACTIONS), 4), 0.5, np.float32),
        np.zeros((len(BOXES), len(ACTIONS)), np.float32),
        vacancy,
    )
    ranked = tuple(one for one in rank(boxes, scores, factors) if one.score >= min_score)
    return Interactions(width, height, boxes, LABELS, scores, ranked, factors)


def without(found: Interactions, *kept: int) -> Interactions:
    """The same photo, had only some of its boxes been found."""
    rows = [row for row, person in enumerate(found.people) if person in kept]
    factors = replace(
        found.factors,
        people=np.array([kept.index(found.people[row]) for row in rows], np.int64),
        human_logits=found.factors.human_logits[rows],
        targets=found.factors.targets[rows],
        object_logits=found.factors.object_logits[list(kept)],
        compatibility=found.factors.compatibility[list(kept)],
    )
    boxes, scores = found.boxes[list(kept)], found.scores[list(kept)]
    labels = tuple(found.labels[box] for box in kept)
    return replace(
        found,
        boxes=boxes,
        scores=scores,
        labels=labels,
        factors=factors,
        interactions=tuple(rank(boxes, scores, factors)),
    )


@dataclass
class Fake:
    """Finds the scene in every photo, but only the horse in a high one and nothing in a square one."""

    looks: list[tuple[int, ...]] = field(default_factory=list)
    weights_file: Any = field(default_factory=lambda: WeightsFile(WEIGHTS.bundled_path, "bundled", None, None, WEIGHTS))
    training_photos: dict[str, int] = field(default_factory=lambda: dict(TRAINING_PHOTOS))

    def detect(self, image: NDArray[np.uint8]) -> Interactions:
        height, width = image.shape[:2]
        self.looks.append(image.shape)
        found = scene(width, height)
        if width > height:
            return found
        return without(found, HORSE) if width < height else without(found)


@pytest.fixture(scope="module")
def photo(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Write a plain photo of some size and return its path."""
    folder = tmp_path_factory.mktemp("photos")

    def write(name: str = "ranch.png", width: int = SIZE[0], height: int = SIZE[1], colour: int = 90) -> Path:
        Image.new("RGB", (width, height), (colour, colour, colour)).save(folder / name)
        return folder / name

    return write


GREY = np.full((SIZE[1], SIZE[0], 3), 90, np.uint8)


# ---- the words and pictures


def test_people_are_numbered_and_of_things_all_but_the_surest() -> None:
    assert names(scene()) == ("person 1", "horse", "cup", "person 2")
    several = replace(scene(), labels=("person", "cup", "cup", "person"))
    assert names(several) == ("person 1", "cup", "cup 2", "person 2")


@pytest.mark.parametrize(
    ("verb", "role", "said"),
    [
        ("ride", "instr", "ride"),
        ("sit", "instr", "sit on"),
        ("hit", "obj", "hit"),
        ("hit", "instr", "hit with"),
        ("talk_on_phone", "instr", "talk on"),
        ("work_on_computer", None, "work on computer"),
        ("lay", None, "lie"),
    ],
)
def test_verbs_read_like_english(verb: str, role: str | None, said: str) -> None:
    assert verb_words(verb, role) == said


def test_every_verb_has_words() -> None:
    assert all(re.fullmatch(r"[a-z]+( [a-z]+)*", verb_words(*action)) for action in ACTIONS)


def test_a_pair_is_one_label_with_all_its_verbs_and_no_two_labels_are_alike() -> None:
    found = scene(min_score=0.1)
    labels = [pair_label(found, pair, {"point"}) for pair in pairs(found)]
    assert re.fullmatch(r"Person 1 rides horse · \d\d %, sits on it · \d\d %", labels[0])
    assert any(label.startswith("Person 1 holds cup · ") for label in labels)
    assert any(re.match(r"Person 2 points at\? horse · \d\d %, looks at it · \d\d %", label) for label in labels)
    assert len(set(labels)) == len(labels) == 3


def test_what_has_no_object_is_told_per_person() -> None:
    found = scene(min_score=0.1)
    told = {person: [deed(one, names(found)) for one in deeds] for person, deeds in alone(found).items()}
    assert told[RIDER][0] == "smiles"
    assert set(told[READER]) == {"stands", "reads (object not found)"}


def test_a_verb_done_with_one_thing_is_not_said_to_lack_another() -> None:
    found = scene(min_score=0.1)
    hits = [
        Interaction(RIDER, "hit", role, thing, 0.4, 1, 1, 1, 1, 1) for role, thing in (("obj", None), ("instr", CUP))
    ]
    together = replace(found, interactions=(*found.interactions, *hits))
    assert [one.verb for one in alone(together)[RIDER]] == [one.verb for one in alone(found)[RIDER]]
    ball = replace(found, interactions=(*found.interactions, hits[0]))
    assert alone(ball)[RIDER][-1].verb == "hit"


def test_a_filter_changes_no_colour() -> None:
    colours = {(pair.person, pair.object): pair.colour for pair in pairs(scene(min_score=0.1))}
    for pair in pairs(scene(min_score=0.1).filter(person=READER)):
        assert pair.colour == colours[pair.person, pair.object]
    assert len(set(colours.values())) == len(colours)


def has_colour(picture: NDArray[np.uint8], colour: str) -> bool:
    wanted = [int(colour[n : n + 2], 16) for n in (1, 3, 5)]
    return bool((picture[..., :3] == wanted).all(axis=-1).any())


def test_the_picture_has_the_size_of_the_photo_and_the_colours_of_all_pairs() -> None:
    found = scene(min_score=0.1)
    before = GREY.copy()
    picture = draw(GREY, found)
    assert (picture.shape, picture.dtype) == (GREY.shape, GREY.dtype)
    assert all(has_colour(picture, pair.colour) for pair in pairs(found))
    np.testing.assert_array_equal(GREY, before)
    assert not any(has_colour(draw(GREY, found, links=False), pair.colour) for pair in pairs(found))


def test_a_smaller_copy_is_drawn_on_at_the_right_places() -> None:
    found = scene(min_score=0.1).filter(verbs=["ride"])
    colour = pairs(found)[0].colour
    wanted = [int(colour[n : n + 2], 16) for n in (1, 3, 5)]
    for scale in (1, 2):
        copy = np.full((SIZE[1] // scale, SIZE[0] // scale, 3), 90, np.uint8)
        right, bottom = (BOXES[HORSE, 2:] / scale).astype(int)
        assert list(draw(copy, found)[bottom - 1, right - 60 // scale]) == wanted


def test_a_layer_hides_nothing_but_its_lines() -> None:
    found = scene(min_score=0.1).filter(verbs=["ride"])
    layer = draw_pair(found, pairs(found)[0], *SIZE)
    assert layer.shape == (SIZE[1], SIZE[0], 4)
    assert layer[10, 590, 3] == 0  # outside
    assert layer[380, 390, 3] == pytest.approx(255 * 0.1, abs=1)  # inside the horse
    assert has_colour(layer, pairs(found)[0].colour)


@pytest.mark.parametrize(
    "box", [(0, 0, 0, 0), (-50, -50, -10, -10), (599, 399, 600, 400), (700, 500, 900, 900), (300, 200, 100, 100)]
)
def test_boxes_that_are_hardly_there_do_no_harm(box: tuple[float, ...]) -> None:
    found = scene(min_score=0.1)
    boxes = found.boxes.copy()
    boxes[HORSE] = box
    odd = replace(found, boxes=boxes)
    assert draw(GREY, odd).shape == GREY.shape
    assert draw_pair(odd, pairs(odd)[0], *SIZE).any()
    assert draw_expectation(GREY, odd, RIDER, "ride", chosen=HORSE).shape == GREY.shape


def crowd() -> Interactions:
    """Eight small people in two rows, each of whom holds something that was not found, and sits."""
    corners = np.array([(20 + 70 * (n % 4), 90 + 60 * (n // 4)) for n in range(8)], np.float32)
    factors = replace(scene().factors, people=np.arange(8))
    deeds = [Interaction(n, verb, "obj", None, 0.4, 0.8, 1, 0.5, 1, 1) for n in range(8) for verb in ("hold", "eat")]
    boxes = np.concatenate([corners, corners + np.array([24, 44])], axis=1)
    return Interactions(320, 240, boxes, ("person",) * 8, np.full(8, 0.8, np.float32), tuple(deeds), factors)


def test_no_name_covers_a_person_or_another_name() -> None:
    found, grey = crowd(), np.full((240, 320, 3), 90, np.uint8)
    for picture in (draw(grey, found), draw(grey, found, links=False)):
        shown = 0
        for x1, y1, x2, y2 in found.boxes.astype(int):
            inside = picture[y1 + 4 : y2 - 4, x1 + 4 : x2 - 4]
            shown += (inside == 90).all(axis=-1).mean() > 0.85  # a line that leads to a name may cross
        assert shown == len(found.boxes)


def test_a_hundred_people_fit_into_one_picture() -> None:
    found = scene(min_score=0.1)
    crowd = replace(
        found,
        boxes=np.tile(found.boxes, (50, 1)),
        labels=found.labels * 50,
        factors=replace(found.factors, people=np.arange(200)[np.arange(200) % 4 != HORSE][:100]),
    )
    assert draw(GREY, crowd).shape == GREY.shape


def test_the_expected_place_is_bright_and_the_rest_is_dim() -> None:
    picture = draw_expectation(np.full_like(GREY, 200), scene(), RIDER, "ride", chosen=HORSE).astype(int).sum(axis=-1)
    x, y = ((BOXES[HORSE, :2] + BOXES[HORSE, 2:]) / 2).astype(int)
    assert picture[y + 12, x + 12] > 500
    assert picture[10, 590] < 300


def test_a_verb_without_an_object_has_no_expected_place() -> None:
    with pytest.raises(ValueError, match="smile takes no object"):
        draw_expectation(GREY, scene(), RIDER, "smile")


# ---- what the object could be


def test_the_first_candidate_is_the_models_choice() -> None:
    found = scene()
    for one in found.interactions:
        if one.role:
            assert found.candidates(one.person, one.verb, one.role)[0] == one
    assert found.candidates(READER, "read")[0].object is None


def test_the_tables_show_what_a_relative_score_is_made_of() -> None:
    from demos.components.reasons import candidates, table

    absolute = scene()
    factors = replace(absolute.factors, relative=True, vacancy=np.full(len(ACTIONS), -1.0, np.float32))
    found = replace(absolute, factors=factors).rank_again().filter(0.2)
    reasons, taken = candidates(found, RIDER, Action("ride", "instr"), location=True, interaction=True)
    assert taken == HORSE
    with_objects = [one for one in found.interactions if one.role]
    made_of = table(found, TRAINING_PHOTOS).partition("<details>")[2]
    rows = [row for row in made_of.split("<tr>")[2:] if "takes none" not in row]
    assert len(rows) == len(with_objects) > 1
    for row in [*rows, reasons.split("<tr>")[2]]:
        score, person, action, target = (float(n) for n in re.findall(r"\d\.\d{3}", row)[:4])
        assert score == pytest.approx(person * action * target, abs=0.003)


def test_names_of_things_come_out_as_text_in_the_tables() -> None:
    from demos.components.reasons import candidates, table

    hostile = "${alert(1)} {{ 7 * 7 }} <img src=x onerror=alert(2)> & co"
    found = replace(scene(), labels=("person", hostile, "cup", "person"))
    reasons, _ = candidates(found, RIDER, Action("ride", "instr"), location=True, interaction=True)
    for html in (table(found, TRAINING_PHOTOS), reasons):
        assert "<img" not in html
        assert "${alert(1)} {{ 7 * 7 }} &lt;img src=x onerror=alert(2)&gt; &amp; co" in html


@pytest.mark.parametrize(("location", "interaction"), [(True, True), (False, True), (True, False)])
def test_candidates_are_all_others_each_once_and_the_best_first(location: bool, interaction: bool) -> None:
    ranked = scene().candidates(RIDER, "ride", most=9, location=location, interaction=interaction)
    assert {one.object for one in ranked} == {HORSE, CUP, READER}
    assert [one.score for one in ranked] == sorted((one.score for one in ranked), reverse=True)
    for one in ranked:
        product = one.person_score * one.object_score * one.action_score * one.location_score
        assert one.score == pytest.approx(product)
    assert len(scene().candidates(RIDER, "ride", most=2)) == 2


def test_there_are_no_candidates_for_one_alone_or_for_a_verb_without_an_object() -> None:
    assert without(scene(), RIDER).candidates(0, "ride") == []
    with pytest.raises(ValueError, match="smile takes no object"):
        scene().candidates(RIDER, "smile")
    with pytest.raises(ValueError, match="no person"):
        scene().candidates(HORSE, "ride")


# ---- the samples


@pytest.fixture
def remote(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[str]:
    """A server that has one photo; gives the addresses that were asked for."""
    from demos.samples import store

    asked: list[str] = []

    def urlopen(address: str, timeout: float) -> io.BytesIO:
        asked.append(address)
        if "unreachable" in address:
            raise urllib.error.URLError("no route to host")
        return io.BytesIO(b"the photo")

    monkeypatch.setattr(urllib.request, "urlopen", urlopen)
    known = tmp_path / "known"
    known.mkdir()
    monkeypatch.setattr(store, "sample_folder", lambda: SimpleNamespace(name=str(known)))
    return asked


def remote_photo(**changes: str) -> Any:
    from demos.samples.people import RemotePhoto

    sha256 = hashlib.sha256(b"the photo").hexdigest()
    photo = RemotePhoto("ride", "A rider", "https://example.org/rider.jpg", "CC0", "somebody", sha256)
    return replace(photo, **changes)


def test_a_remote_photo_is_fetched_once(remote: list[str], tmp_path: Path) -> None:
    for visitor in ("first", "second"):
        (tmp_path / visitor).mkdir()
        file = remote_photo().write(tmp_path / visitor)
        assert file == tmp_path / visitor / "rider.jpg"
        assert file.read_bytes() == b"the photo"
    assert remote == ["https://example.org/rider.jpg"]


def test_a_remote_photo_needs_the_internet_until_it_was_fetched_and_shows_itself_then(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from demos.samples import store

    (tmp_path / "known").mkdir()
    monkeypatch.setattr(store, "sample_folder", lambda: SimpleNamespace(name=str(tmp_path / "known")))
    content = write_png(GREY, tmp_path / "rider.png").read_bytes()
    monkeypatch.setattr(urllib.request, "urlopen", lambda *_, **__: io.BytesIO(content))
    photo = remote_photo(sha256=hashlib.sha256(content).hexdigest())
    assert not photo.picture
    assert photo.credit == "CC0, somebody; needs the internet"
    photo.write(tmp_path)
    assert photo.picture.startswith("pictures/")
    assert photo.credit == "CC0, somebody"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (
            {"address": "https://unreachable.example.org/rider.jpg"},
            "on unreachable.example.org, which cannot be reached",
        ),
        ({"sha256": "0" * 64}, "is not the photo that we chose"),
    ],
)
def test_a_remote_photo_that_cannot_be_had_is_explained(
    remote: list[str], tmp_path: Path, changes: dict[str, str], said: str
) -> None:
    with pytest.raises(PhotoError, match=said) as refused:
        remote_photo(**changes).write(tmp_path)
    assert "Please pick another one" in str(refused.value)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_remote_photos_are_pinned_and_their_licence_is_told() -> None:
    from demos.components import render
    from demos.samples.people import PEOPLE, RemotePhoto

    remote = [photo for photo in PEOPLE if isinstance(photo, RemotePhoto)]
    assert 1 <= len(remote) < len(PEOPLE) <= 6
    for photo in remote:
        assert re.fullmatch(r"https://raw\.githubusercontent\.com/[\w-]+/[\w-]+/[0-9a-f]{40}/[\w/.-]+", photo.address)
        assert re.fullmatch(r"[0-9a-f]{64}", photo.sha256)
        assert photo.credit.startswith(photo.licence)
        assert photo.credit in render("sample_picker", samples=PEOPLE)


# ---- the page as programs meet it


@dataclass(frozen=True)
class Site:
    url: str
    files: Path
    fake: Fake


@pytest.fixture(scope="module")
def site(page_files: Path) -> Iterator[Site]:
    """The app with this tab first, and another one behind it."""
    from app import build_app
    from demos.interactions import build_interactions

    def build_other() -> None:
        gr.HTML("<h2>Another tab</h2>")

    fake = Fake()
    tabs = {
        "interactions": ("Interactions", lambda: build_interactions(lambda: (fake, ""))),  # type: ignore[arg-type,return-value]
        "other": ("Other", build_other),
    }
    with launched(build_app(tabs)) as url:
        yield Site(url, page_files, fake)


@pytest.fixture(scope="module")
def client(site: Site, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    client = Client(site.url, verbose=False, download_files=tmp_path_factory.mktemp("downloads"))
    yield client
    client.close()


@pytest.fixture
def page(visitors: Visitors, site: Site) -> Page:
    return visitors.open(f"{site.url}?__theme=light")


def interactions_page(load: Callable[[], tuple[Any, str]]) -> gr.Blocks:
    from demos.interactions import build_interactions
    from demos.shell import page

    with page("Interactions", "alone") as demo:
        build_interactions(load)
    return demo


def test_the_suite_has_three_tabs() -> None:
    from app import TABS

    assert list(TABS) == ["gifs", "interactions", "exposure"]


def test_the_api_is_one_documented_endpoint(client: Client) -> None:
    api = client.view_api(return_format="dict", print_info=False)
    assert isinstance(api, dict)
    assert list(api["named_endpoints"]) == ["/interactions"]
    assert not api["unnamed_endpoints"]
    endpoint = api["named_endpoints"]["/interactions"]
    assert [(one["parameter_name"], one["python_type"]["type"]) for one in endpoint["parameters"]] == [
        ("photo", "filepath"),
        ("min_score", "float"),
    ]
    assert endpoint["returns"][1]["python_type"]["type"] == "filepath"
    assert endpoint["description"].startswith("Find out who does what")


def test_a_program_gets_the_result_and_a_picture(client: Client, photo: Callable[..., Path]) -> None:
    found, picture = client.predict(handle_file(photo("api.png")), 0.2, api_name="/interactions")
    assert found == json.loads(scene(min_score=0.2).to_json())
    assert Path(picture).name == "api-interactions.png"
    assert (read_photo(picture) == draw(GREY, scene(min_score=0.2), doubtful={"point", "carry"})).all()


def test_a_large_photo_is_looked_at_whole_and_drawn_small(
    client: Client, site: Site, photo: Callable[..., Path]
) -> None:
    found, picture = client.predict(handle_file(photo("large.png", 3000, 2000)), api_name="/interactions")
    assert site.fake.looks[-1] == (2000, 3000, 3)
    assert (found["width"], found["height"]) == (3000, 2000)
    assert read_photo(picture).shape == (1067, 1600, 3)


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("empty.jpg", b"", "This file is empty"),
        ("letter.jpg", b"Dear photographer", "is not a photo that can be read here"),
        ("cut.png", b"\x89PNG\r\n\x1a\n" + bytes(30), "is damaged or incomplete"),
        ("long.png", bytes(61 * 1024**2), "larger than 60 MB"),
    ],
)
def test_what_is_no_photo_is_refused_in_one_sentence_that_names_no_path(
    client: Client, site: Site, tmp_path: Path, name: str, content: bytes, said: str
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(AppError, match=said) as refused:
        client.predict(handle_file(tmp_path / name), api_name="/interactions")
    assert re.search(r"(Please|Use|Shrink|Choose)\b.*\.$", str(refused.value))  # says what to do
    assert str(site.files) not in str(refused.value)


def test_a_missing_photo_and_a_wrong_score_are_explained(client: Client, photo: Callable[..., Path]) -> None:
    for nothing in (None, "photo.jpg"):
        with pytest.raises(AppError, match="No photo arrived"):
            client.predict(nothing, api_name="/interactions")
    for score in (1.5, -1, "much"):
        with pytest.raises(AppError, match="number from 0 to 1"):
            client.predict(handle_file(photo()), score, api_name="/interactions")


@pytest.mark.parametrize("meta", [{"meta": {"_type": "gradio.FileData"}}, {}])
@pytest.mark.parametrize(("event", "others"), [("interactions", [0.1]), ("run", [None])])
def test_a_file_of_the_server_cannot_be_had(
    site: Site, photo: Callable[..., Path], event: str, others: list[Any], meta: dict[str, Any]
) -> None:
    secret = {"path": str(photo("secret.png"))}  # outside the folder of uploads
    call = f"{site.url}gradio_api/call/{event}"
    asked = httpx.post(call, json={"data": [secret | meta, *others]})
    answer = httpx.get(f"{call}/{asked.json()['event_id']}", timeout=300).text
    assert ("event: error" in answer) or ("There is no photo yet" in answer)
    assert ".png" not in answer


def test_an_internal_error_tells_nothing_internal(page_files: Path, photo: Callable[..., Path]) -> None:
    class Broken(Fake):
        def detect(self, image: NDArray[np.uint8]) -> Interactions:
            raise RuntimeError(f"secret /home/us {image.shape}")

    with launched(interactions_page(lambda: (Broken(), ""))) as url:
        client = Client(url, verbose=False)
        with pytest.raises(AppError) as error:
            client.predict(handle_file(photo()), api_name="/interactions")
        client.close()
    assert "secret" not in str(error.value)


def test_nothing_of_a_visitor_is_left_when_the_page_closes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, photo: Callable[..., Path]
) -> None:
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path / "gradio"))
    with launched(interactions_page(lambda: (Fake(), ""))) as url:
        client = Client(url, verbose=False, download_files=tmp_path / "downloads")
        client.predict(handle_file(photo()), api_name="/interactions")
        client.close()
        kept = {path.name for path in (tmp_path / "gradio").rglob("*") if path.is_file()}
    assert kept == {"ranch.png", "ranch-interactions.png"}
    assert [path for path in (tmp_path / "gradio").rglob("*") if path.is_file()] == []


def test_when_the_hub_fails_the_bundled_copy_answers_and_the_page_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    from demos.interactions import load_predictor

    class Predictor(Fake):
        weights = WEIGHTS

        @classmethod
        def from_pretrained(cls, source: Path | None = None) -> Fake:
            if source is None:
                raise HubUnreachableError("The Hub cannot be reached.")
            return Fake()

    stand_in(monkeypatch, Predictor)
    answering, excuse = load_predictor()
    demo = interactions_page(lambda: (answering, excuse))
    assert "The Hub cannot be reached. Until then" in str(demo.get_config_file())


def stand_in(monkeypatch: pytest.MonkeyPatch, predictor: type) -> None:
    """Have a fake take the place of the predictor."""
    module = ModuleType("predictor")
    vars(module)["InteractionPredictor"] = predictor
    monkeypatch.setitem(sys.modules, "vision_models.interactions.predictor", module)


def test_photos_wait_in_one_line_with_those_of_the_exposure_tab() -> None:
    on_gpu = [event for event in interactions_page(lambda: (Fake(), "")).fns.values() if event.concurrency_id == "gpu"]
    assert {event.name for event in on_gpu} == {"run", "interactions"}
    assert {event.concurrency_limit for event in on_gpu} == {1}


def test_the_tab_runs_alone(page_files: Path) -> None:
    without_weights = """
model = types.ModuleType("model")
predictor = types.SimpleNamespace(training_photos={})
model.InteractionPredictor = types.SimpleNamespace(from_pretrained=lambda **options: predictor)
sys.modules["vision_models.interactions.predictor"] = model
"""
    done = run_alone("interactions", page_files, without_weights)
    assert done.stdout == "launched\n", done.stderr


def test_the_bundled_weights_find_the_astronaut(tmp_path: Path) -> None:
    predictor = InteractionPredictor.from_pretrained(device="cpu")
    found = predictor.detect(read_photo(PEOPLE[0].write(tmp_path)))
    assert [person for person in found.people if found.scores[person] > 0.5] == [0]
    assert set(predictor.training_photos) <= set(VERB_NAMES)
    demo = interactions_page(lambda: (predictor, ""))
    assert "What these weights know" in str(demo.get_config_file())


# ---- what visitors do

browser = pytest.mark.browser


def upload(page: Page, file: Path) -> None:
    page.locator("#interactions-work input[type=file]").set_input_files(file)


def remove(page: Page) -> None:
    page.get_by_label("Remove Image").click()
    page.locator("#interactions-status p").wait_for(state="detached")


def wait_until_done(page: Page) -> None:
    page.locator("#interactions-status").get_by_text("Done in").wait_for()
    page.locator("#found p").wait_for()


def looked_at(page: Page, file: Path) -> None:
    upload(page, file)
    wait_until_done(page)


def legend(page: Page) -> list[str]:
    return page.locator("#pairs .legend-item").all_inner_texts()


def wait_for_legend(page: Page, found: Interactions) -> None:
    """Wait until the legend has all pairs of a result and no others."""
    page.wait_for_function(
        """(wanted) => {
            const entries = [...document.querySelectorAll("#pairs .legend-item")];
            return entries.map((entry) => entry.innerText).join() === wanted;
        }""",
        arg=",".join(pair_label(found, pair, {"point", "carry"}) for pair in pairs(found)),
    )


def rows(page: Page) -> Locator:
    return page.locator("#interactions-table :not(details) > .table tbody tr")


def wait_for_rows(page: Page, found: Interactions) -> None:
    """Wait until the table has the verbs of a result and no others."""
    page.wait_for_function(
        """(wanted) => {
            const cells = [...document.querySelectorAll(
                "#interactions-table :not(details) > .table tbody tr td:nth-child(2)")];
            return cells.map((cell) => cell.firstChild.textContent.trim()).join() === wanted;
        }""",
        arg=",".join(verb_words(one.verb, one.role if one.object is not None else None) for one in found.interactions),
    )


def set_score(page: Page, score: float) -> None:
    field = page.locator("#score input[type=number]")
    field.fill(str(score))
    field.blur()


@browser
def test_where_nothing_is_certain_the_best_guesses_are_one_click_away(page: Page, photo: Callable[..., Path]) -> None:
    class Unsure(Fake):
        def detect(self, image: NDArray[np.uint8]) -> Interactions:
            found = scene(*image.shape[1::-1])
            factors = replace(found.factors, human_logits=found.factors.human_logits - 5.5)
            return replace(found, factors=factors).rank_again()

    with launched(interactions_page(lambda: (Unsure(), ""))) as url:
        page.goto(url)
        looked_at(page, photo())
        page.locator("#found").get_by_text("Nothing certain. The best guess is “Person 1 rides horse” with").wait_for()
        assert rows(page).count() == 0
        page.get_by_role("button", name="Show the best guesses").click()
        page.locator("#pairs .legend-item", has_text="Person 1 rides horse").wait_for()
        page.get_by_role("button", name="Show the best guesses").wait_for(state="hidden")


@browser
def test_a_new_photo_begins_at_the_threshold_of_the_page(page: Page, photo: Callable[..., Path]) -> None:
    looked_at(page, photo())
    set_score(page, 0.6)
    wait_for_rows(page, scene().filter(0.6))
    remove(page)
    looked_at(page, photo("another.png"))
    wait_for_rows(page, scene().filter(0.25))


@browser
def test_another_look_at_the_same_photo_keeps_what_the_visitor_set(
    page: Page, site: Site, photo: Callable[..., Path]
) -> None:
    looked_at(page, photo())
    set_score(page, 0.6)
    wait_for_rows(page, scene().filter(0.6))
    looks = len(site.fake.looks)
    page.get_by_role("button", name="Find interactions").click()
    page.wait_for_timeout(500)
    wait_until_done(page)
    assert len(site.fake.looks) == looks + 1
    wait_for_rows(page, scene().filter(0.6))
    assert float(page.locator("#score input[type=number]").input_value()) == 0.6


@browser
def test_a_photo_shows_its_pairs_with_a_legend_in_their_colours(page: Page, photo: Callable[..., Path]) -> None:
    looked_at(page, photo())
    found = scene().filter(0.25)
    expected = pairs(found)
    wait_for_legend(page, found)
    assert legend(page) == [pair_label(found, pair, {"point", "carry"}) for pair in expected]
    assert page.locator("#pairs img.mask").count() == len(expected)
    for entry, layer, pair in zip(
        page.locator("#pairs .legend-item").all(), page.locator("#pairs img.mask").all(), expected, strict=True
    ):
        red, green, blue = (int(pair.colour[n : n + 2], 16) for n in (1, 3, 5))
        shown = entry.evaluate("(button) => getComputedStyle(button).backgroundColor")
        assert shown.startswith(f"rgba({red}, {green}, {blue}")
        pixels = Image.open(io.BytesIO(page.request.get(layer.get_attribute("src") or "").body()))
        assert has_colour(np.asarray(pixels.convert("RGBA")), pair.colour)
        assert "hue-rotate" not in (layer.get_attribute("style") or "")


@browser
def test_the_table_says_the_same_in_words_and_marks_what_was_never_trained(
    page: Page, photo: Callable[..., Path]
) -> None:
    looked_at(page, photo())
    wait_for_rows(page, scene().filter(0.25))
    heads = page.locator("#interactions-table :not(details) > .table th[scope=col]")
    assert heads.all_inner_texts() == ["Person", "Verb", "Object", "How sure"]
    for row in rows(page).all():
        words = row.inner_text()
        assert ("no sure training photos" in words) == ("point at" in words)
        assert re.search(r"\d\d %$", words)
    assert "Without a photo that shows it for sure:" in page.locator("#knowledge").inner_text()


@browser
def test_what_a_score_is_made_of_unfolds_on_a_click(page: Page, photo: Callable[..., Path]) -> None:
    looked_at(page, photo())
    wait_for_rows(page, scene().filter(0.25))
    table = page.locator("#interactions-table details table")
    assert not table.is_visible()
    page.get_by_text("What each score is made of").click()
    assert table.locator("caption").inner_text() == "Score = person × object × action × place."
    assert table.locator("th[scope=row]").count() == rows(page).count()
    for row in table.locator("tbody tr").all():
        score, *factors = (float(n) for n in re.findall(r"\d\.\d{3}", row.inner_text()))
        assert score == pytest.approx(float(np.prod(factors)), abs=0.003)


@browser
def test_what_needs_no_object_is_a_tag_of_its_person(page: Page, photo: Callable[..., Path]) -> None:
    looked_at(page, photo())
    told = page.locator("#tags").inner_text()
    assert re.search(r"Person 1\s+smiles \d\d %", told)
    assert re.search(r"Person 2\s+reads \(object not found\) \d\d %\s+stands \d\d %", told)


@browser
def test_score_verbs_and_person_answer_without_another_look(page: Page, site: Site, photo: Callable[..., Path]) -> None:
    looked_at(page, photo())
    wait_for_rows(page, scene().filter(0.25))
    looks = len(site.fake.looks)
    set_score(page, 0.6)
    wait_for_rows(page, scene().filter(0.6))
    set_score(page, 0.1)
    wait_for_rows(page, scene().filter(0.25))
    page.get_by_label("Whose").click()
    page.get_by_role("option", name="person 1").click()
    wait_for_rows(page, scene().filter(0.2, person=RIDER))
    page.get_by_label("Verbs").click()
    page.get_by_role("option", name="hold", exact=True).click()
    wait_for_rows(page, scene().filter(0.2, ["hold"], RIDER))
    wait_for_legend(page, scene().filter(0.2, ["hold"], RIDER))
    assert len(site.fake.looks) == looks


@browser
def test_density_and_branch_can_be_switched_off_without_another_look(
    page: Page, site: Site, photo: Callable[..., Path]
) -> None:
    looked_at(page, photo())
    wait_for_legend(page, scene().filter(0.25))
    looks, before = len(site.fake.looks), legend(page)
    page.get_by_text("For experts").click()
    for switch, options in (("Target density", {"location": False}), ("Interaction branch", {"interaction": False})):
        page.get_by_label(switch).uncheck()
        other = scene().rank_again(**options).filter(0.1)
        wait_for_legend(page, other)
        assert legend(page) != before
        page.get_by_label(switch).check()
        wait_for_legend(page, scene().filter(0.25))
    assert len(site.fake.looks) == looks


@browser
def test_a_click_on_a_pair_shows_why(page: Page, site: Site, photo: Callable[..., Path]) -> None:
    looked_at(page, photo())
    looks = len(site.fake.looks)
    page.locator("#pairs .legend-item", has_text="Person 1 holds cup").click()
    page.locator("#reasons").get_by_text("where the network expected what person 1 could “hold”").wait_for()
    assert "It chose the cup (" in page.locator("#reasons").inner_text()
    page.locator("#reasons").get_by_text("What person 1 could “hold”", exact=True).click()
    taken = page.locator("#reasons tbody tr").first
    assert re.match(r"cup taken\s", taken.inner_text())
    products = [float(n) for n in page.locator("#reasons td:nth-child(2)").all_inner_texts() if n[0] != "<"]
    assert products == sorted(products, reverse=True)
    shown = read_photo(page.request.get(page.locator("#density img").get_attribute("src") or "").body())
    assert (shown == draw_expectation(GREY, scene(), RIDER, "hold", chosen=CUP)).all()
    page.get_by_role("tab", name="Why").wait_for()
    page.get_by_label("Verb", exact=True).click()
    page.get_by_role("option", name="ride", exact=True).click()
    page.locator("#reasons").get_by_text("What person 1 could “ride”", exact=True).wait_for()
    page.get_by_label("Person", exact=True).click()
    page.get_by_role("option", name="person 2").click()
    page.locator("#reasons").get_by_text("What person 2 could “ride”", exact=True).wait_for()
    assert len(site.fake.looks) == looks


@browser
def test_an_object_that_was_not_found_is_explained(page: Page, photo: Callable[..., Path]) -> None:
    looked_at(page, photo())
    page.locator("#pairs .legend-item", has_text="Person 2 points at").click()
    page.locator("#reasons").get_by_text("What person 2 could “point at”", exact=True).wait_for()
    page.get_by_label("Verb", exact=True).click()
    page.get_by_role("option", name="read", exact=True).click()
    page.locator("#reasons").get_by_text("none of what it found").wait_for()
    page.locator("#reasons summary").click()
    taken = page.locator("#reasons tbody tr", has_text="taken")
    assert taken.locator("th").inner_text() == "not found taken"


@browser
def test_what_is_on_screen_can_be_saved(page: Page, photo: Callable[..., Path]) -> None:
    looked_at(page, photo("farm.png"))
    set_score(page, 0.6)
    best = scene().filter(0.6)
    wait_for_rows(page, best)
    table, picture = save(page, "Save table (.json"), save(page, "Save picture (.png")
    assert (table.name, picture.name) == ("farm-interactions.json", "farm-interactions.png")
    assert json.loads(table.read_text()) == json.loads(best.to_json())
    assert (read_photo(picture) == draw(GREY, best, doubtful={"point", "carry"})).all()


# ---- when there is nothing, and what goes wrong


@browser
def test_nothing_found_is_said_with_what_to_do(page: Page, photo: Callable[..., Path]) -> None:
    looked_at(page, photo("stable.png", 300, 400))
    page.locator("#found").get_by_text("No people were found in this photo, only 1 × horse.").wait_for()
    remove(page)
    looked_at(page, photo("wall.png", 200, 200))
    page.locator("#found").get_by_text("No people were found in this photo, and nothing else").wait_for()
    remove(page)
    looked_at(page, photo())
    wait_for_rows(page, scene().filter(0.25))
    set_score(page, 0.99)
    page.locator("#found").get_by_text("Nothing of 99 % or more. The best guess is").wait_for()
    page.locator("#pairs .legend-item").first.wait_for(state="detached")


@browser
def test_a_sample_of_the_page_takes_one_click(page: Page) -> None:
    page.get_by_role("button", name="Cyclist").click()
    page.locator("#interactions-status").get_by_text("640 × 272 pixels").wait_for()


@browser
def test_a_remote_sample_that_cannot_be_fetched_is_explained(page: Page, monkeypatch: pytest.MonkeyPatch) -> None:
    def urlopen(address: str, timeout: float) -> io.BytesIO:
        raise urllib.error.URLError("no route to host")

    monkeypatch.setattr(urllib.request, "urlopen", urlopen)
    page.get_by_role("button", name="Jockey").click()
    page.get_by_text("This sample lies on raw.githubusercontent.com, which cannot be reached from here.").wait_for()
    assert page.locator("#interactions-samples").get_by_text("Error", exact=True).count() == 0
    page.get_by_role("button", name="Cyclist").click()
    wait_until_done(page)


@browser
def test_a_damaged_photo_is_explained_and_the_next_one_works(
    page: Page, tmp_path: Path, photo: Callable[..., Path]
) -> None:
    (tmp_path / "cut.png").write_bytes(photo().read_bytes()[:300])
    upload(page, tmp_path / "cut.png")
    page.get_by_text("This photo is damaged or incomplete.").wait_for()
    page.locator("#interactions-result").wait_for(state="hidden")
    assert page.locator(".toast-body").count() == 0  # said once
    remove(page)
    looked_at(page, photo())
    assert page.locator("#interactions-result").is_visible()


@browser
def test_a_click_without_a_photo_asks_for_one(page: Page) -> None:
    page.get_by_role("button", name="Find interactions").click()
    page.locator("#interactions-status").get_by_text("There is no photo yet.").wait_for()


@browser
def test_a_phone_photo_lying_on_its_side_is_looked_at_upright(page: Page, site: Site, tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # orientation: turn by 90 degrees to the right
    Image.new("RGB", (80, 120)).save(tmp_path / "phone.jpg", exif=exif)
    looked_at(page, tmp_path / "phone.jpg")
    assert site.fake.looks[-1] == (80, 120, 3)


@browser
def test_removing_the_photo_leads_back_to_the_empty_page(page: Page, photo: Callable[..., Path]) -> None:
    looked_at(page, photo())
    remove(page)
    page.get_by_text("Your photo appears here with every pair").wait_for()
    page.locator("#interactions-result").wait_for(state="hidden")
    assert page.locator("#interactions-status").inner_text() == ""


@browser
def test_two_visitors_see_only_their_own_photos(visitors: Visitors, site: Site, photo: Callable[..., Path]) -> None:
    mine, theirs = visitors.open(site.url), visitors.open(site.url)
    looked_at(mine, photo())
    looked_at(theirs, photo("stable.png", 300, 400))
    set_score(mine, 0.6)
    wait_for_legend(mine, scene().filter(0.6))
    assert legend(theirs) == []


# ---- the page itself


@browser
def test_on_a_phone_nothing_sticks_out(visitors: Visitors, site: Site, photo: Callable[..., Path]) -> None:
    page = visitors.open(site.url, **PHONE, device_scale_factor=2, is_mobile=True, has_touch=True)
    overhang = "document.documentElement.scrollWidth - innerWidth"
    assert page.evaluate(overhang) <= 0
    looked_at(page, photo())
    assert page.evaluate(overhang) <= 0
    page.locator("#pairs .legend-item").first.tap()
    page.locator("#density img").wait_for()
    assert page.evaluate(overhang) <= 0


@browser
def test_the_keyboard_reaches_everything_from_a_sample_to_the_reasons(page: Page, photo: Callable[..., Path]) -> None:
    tab_to(page, "choose one")
    tab_to(page, "Find interactions")
    tab_to(page, "Cyclist")
    looked_at(page, photo())
    tab_to(page, "Person 2 points at? horse")
    page.keyboard.press("Enter")
    page.locator("#reasons").get_by_text("What person 2 could “point at”", exact=True).wait_for()
    for control in ("What person 2 could", "Whose", "Verbs", "Why", "Person", "Verb", "Save picture", "Save table"):
        tab_to(page, control)
        if control in {"Verbs", "Verb"}:
            page.keyboard.press("Tab")  # into the long list that has opened, which closes on that


@browser
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_all_text_stands_out_in_light_and_in_dark(
    visitors: Visitors, site: Site, photo: Callable[..., Path], theme: str
) -> None:
    page = visitors.open(f"{site.url}?__theme={theme}")
    assert page.evaluate(CONTRAST) == []
    looked_at(page, photo())
    page.locator("#knowledge summary").click()
    assert page.evaluate(CONTRAST) == []
    page.locator("#pairs .legend-item").first.click()
    page.locator("#density img").wait_for()
    assert page.evaluate(CONTRAST) == []
