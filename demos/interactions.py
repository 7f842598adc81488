"""The interactions tab: a photo goes in, who does what to which object comes out, and why the model thinks so.

`build_interactions()` puts the tab into a page; `python demos/interactions.py` runs it alone.
"""

import spaces  # before torch: on ZeroGPU it takes CUDA's place

# isort: split
import json
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gradio as gr
import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray
from PIL import Image

from demos.about import Paper, about
from demos.batch import batch
from demos.components import script
from demos.components.reasons import candidates, knowledge, table, tags
from demos.endpoint import endpoint
from demos.files import deleted_on_schedule, errors_on_page, new_folder
from demos.photo_input import GONE, open_photo, pixels, sent
from demos.photo_tab import (
    AT_ONCE,
    LATEST,
    ON_GPU,
    Download,
    Job,
    PhotoTab,
    SaveButton,
    Words,
    download_button,
    photo_tab,
    shown_pixels,
)
from demos.samples.people import PEOPLE
from demos.shell import HIDE, launch, line, load_or_fall_back, page, weights_source
from vision_models.interactions.drawing import (
    active,
    deed,
    draw,
    draw_expectation,
    draw_pair,
    names,
    pair_label,
    pairs,
    percent,
    person_number,
    verb_words,
)
from vision_models.interactions.result import Interactions
from vision_models.interactions.vocabulary import ACTIONS, OBJECTS, PERSON, VERB_NAMES, Action
from vision_models.media.photos import resize_to_fit, write_png

if TYPE_CHECKING:
    from vision_models.interactions.predictor import InteractionPredictor

SHOWN_SIDE = 1600  # pixels: every pair is a layer of that size in the visitor's browser ...
SHOWN_PAIRS = 12  # ... so there are not too many of them
LOWEST_SCORE, FIRST_SCORE = 0.05, 0.25
SURE = 0.3  # of the detector: what a person would say is in the photo
EVERYONE = -1
ACTION_NAMES = [(verb_words(*action), f"{action.verb}:{action.role}") for action in ACTIONS]

# A person, the place where the object is expected, the object, and what joins them.
DIAGRAM = Markup("""<svg viewBox="0 0 400 170" role="img"
aria-label="A person's box, joined by a line with an object's box; around it, dashed, where the object was expected">
<circle cx="292" cy="92" r="66"/><rect x="40" y="14" width="92" height="142"/>
<rect class="dashed" x="222" y="38" width="132" height="104"/>
<rect class="object" x="236" y="52" width="120" height="96"/>
<path d="M86 85 L296 100"/><text x="46" y="34">1</text><text x="168" y="84">ride</text></svg>""")
WORDS = Words(
    headline="Who does what, to what, and why.",
    sentence="""Drop in a photo with people. Every person and object is found, what each person does with which object
is named, and a click shows where the network expected that object to be.""",
    empty="""Your photo appears here with every pair of a person and an object, a table of what they do, and the
reasons.""",
    button="Find interactions",
    working="Looking…",
)
HOW = """A detector finds people and objects. For each person, one part of the network says what they are doing and
where the object of it should be; another looks at the person and an object together. A pair's score is the product of
what all of them say, and a click on a pair shows each."""
PAPER = Paper(
    "Detecting and Recognizing Human-Object Interactions",
    ("Gkioxari", "Girshick", "Dollár", "He"),
    "CVPR",
    2018,
    "1704.07333",
)
LOCATION = "Off: any place is as good as the expected one."
BRANCH = "Off: the person alone decides what is done; the object has no say."

InteractionsJob = Job[Interactions]


def load_predictor() -> tuple["InteractionPredictor", str]:
    """Return the predictor, and a sentence for the page if a Hub repository was named in vain."""
    from vision_models.interactions.predictor import InteractionPredictor  # not above: it imports torch

    return load_or_fall_back(InteractionPredictor)


# ---- what is shown of a result


def choose(
    found: Interactions,
    min_score: float,
    person: int | None,
    verbs: Sequence[str] | None,
    location: bool = True,
    interaction: bool = True,
) -> Interactions:
    """Return what the controls leave of a result. The network is not asked again."""
    if not (location and interaction):
        found = found.rank_again(location=location, interaction=interaction)
    return found.filter(min_score, verbs or None, None if person in {None, EVERYONE} else person)


def prepare(job: InteractionsJob | None) -> tuple[Any, ...]:
    """Return the choices that a photo offers: whose interactions are shown, and whose and which are explained.

    A new photo begins at the page's own threshold, and without a choice of verbs. The same one leaves all as it is.
    """
    if job is None or job.again:
        return (gr.skip(),) * 6
    found = job.result
    people = [(f"person {person_number(found, person)}", person) for person in active(found.filter(LOWEST_SCORE))]
    best = next((one for one in found.interactions if one.object is not None), None)
    first = best.person if best and people else next((person for _, person in people), None)
    verb = f"{best.verb}:{best.role}" if best else ACTION_NAMES[0][1]
    return (
        gr.update(choices=[("everyone", EVERYONE), *people], value=EVERYONE),
        [],
        gr.update(choices=people, value=first),
        verb,
        gr.update(visible=bool(people)),
        FIRST_SCORE,
    )


def layers(job: InteractionsJob, found: Interactions, doubtful: Collection[str]) -> dict[str, Any]:
    """Return the update that shows the photo under one layer per pair. Made here, once: Gradio takes 0.1 s for each."""
    annotations, colours = [], {}
    with Image.open(job.shown) as shown:
        width, height = shown.size
    for pair in pairs(found)[:SHOWN_PAIRS]:
        first = pair.interactions[0]
        file = job.folder / f"{pair.person}-{pair.object}-{first.verb}-{first.role}.png"
        if not file.exists():
            Image.fromarray(draw_pair(job.result, pair, width, height)).save(file, compress_level=1)
        label = pair_label(found, pair, doubtful)
        colours[label] = pair.colour
        annotations.append({"image": cached(file), "label": label})
    ground = job.folder / f"people-{hash(active(found)):x}.png"
    if not ground.exists():
        write_png(draw(pixels(job.shown), found, links=False), ground)
    return gr.update(value={"image": cached(ground), "annotations": annotations}, color_map=colours)


def cached(file: Path) -> dict[str, Any]:
    """Return what Gradio needs to know of a file of its cache when it hands a value on as it is."""
    return {"path": str(deleted_on_schedule(file)), "meta": {"_type": "gradio.FileData"}}


def summary(whole: Interactions, found: Interactions, min_score: float) -> str:
    """Say in one line how much was found, or why there is nothing and what to do."""
    certain = sure(whole)
    if not found.interactions and OBJECTS[PERSON] not in certain:
        seen = f"only {counted(certain)}" if certain else "and nothing else that this network knows"
        return line(
            f"No people were found in this photo, {seen}. "
            "Try one in which they are larger, sharper or less hidden: somebody has to do something.",
            "problem",
        )
    if not found.interactions:
        return line(_nothing_left(whole, min_score), "problem")
    count, people = len(found.interactions), len({one.person for one in found.interactions})
    said = (
        f"{number_of(count, 'interaction')} of {number_of(people, 'person', 'people')}, {percent(min_score)} or more."
    )
    if len(pairs(found)) > SHOWN_PAIRS:
        said += f" The picture shows the {SHOWN_PAIRS} best of {len(pairs(found))} pairs; the table has them all."
    if pairs(found):
        said += " Point at a sentence to see that pair alone, click on it for the reasons."
    return line(said)


def _nothing_left(whole: Interactions, min_score: float) -> str:
    best = max(whole.interactions, key=lambda one: one.score, default=None)
    if best is None:
        return "There are people, but they do nothing that this network would name. Try another photo."
    if best.score >= min_score:
        return f"Nothing of {percent(min_score)} or more is left. Choose everyone and clear the verbs to see all."
    said = f"Person {person_number(whole, best.person)} {deed(best, names(whole))}"
    nothing = "Nothing certain" if min_score <= FIRST_SCORE else f"Nothing of {percent(min_score)} or more"
    return f"{nothing}. The best guess is “{said}” with {percent(best.score)}."


def sure(found: Interactions) -> list[str]:
    """Return what is in the photo: what the detector is sure of, and what takes part in anything that is shown."""
    told = {box for one in found.filter(FIRST_SCORE).interactions for box in (one.person, one.object)}
    parts = enumerate(zip(found.labels, found.scores, strict=True))
    return [label for box, (label, score) in parts if score >= SURE or box in told]


def number_of(count: int, one: str, several: str = "") -> str:
    """Return a number with the word for what is counted."""
    return f"{count} {one if count == 1 else several or f'{one}s'}"


def counted(labels: Sequence[str]) -> str:
    """Return what there is in words: "2 × dog, 1 × chair"."""
    words = [f"{count} × {label}" for label, count in Counter(labels).most_common(4)]
    return ", ".join(words)


def explain(
    job: InteractionsJob | None, person: int | None, action: str, location: bool, interaction: bool
) -> tuple[Any, ...]:
    """Show where the object of a person's verb was expected, and what it could be."""
    if job is None or person not in job.result.people:
        return gr.skip(), gr.skip()
    verb, role = action.split(":")
    said, chosen = candidates(job.result, person, Action(verb, role), location=location, interaction=interaction)
    if not location:
        said = line("The place is switched off: the picture shows where the object would be expected.") + said
    with new_folder() as folder:
        picture = draw_expectation(shown_pixels(job), job.result, person, verb, role, chosen=chosen)
        return str(write_png(picture, folder / "expected.png")), said


def choose_pair(job: InteractionsJob | None, event: gr.SelectData, *wishes: Any) -> tuple[Any, ...]:
    """Explain the first interaction of the pair whose name was clicked; a pair that is gone changes nothing."""
    shown = [] if job is None else pairs(choose(job.result, *wishes))
    index = int(event.index)
    if not 0 <= index < len(shown):
        return gr.skip(), gr.skip(), gr.skip()
    first = shown[index].interactions[0]
    return shown[index].person, f"{first.verb}:{first.role}", gr.update(selected="why")


# ---- the tab


@dataclass(frozen=True)
class _Result:
    """The parts of the result that events need."""

    said: gr.HTML
    guesses: gr.Button
    picture: gr.AnnotatedImage
    score: gr.Slider
    person: gr.Dropdown
    verbs: gr.Dropdown
    location: gr.Checkbox
    interaction: gr.Checkbox
    views: gr.Tabs
    loners: gr.HTML
    rows: gr.HTML
    why: gr.Column
    whose: gr.Dropdown
    action: gr.Dropdown
    density: gr.Image
    reasons: gr.HTML
    picture_file: SaveButton
    table_file: SaveButton

    @property
    def wishes(self) -> list[gr.components.Component]:
        """What `choose` takes, in its order."""
        return [self.score, self.person, self.verbs, self.location, self.interaction]


def _lay_out_result() -> _Result:
    said = gr.HTML(elem_classes="status", js_on_load=script("status"), elem_id="found")
    guesses = gr.Button("Show the best guesses", visible=False, size="sm")
    picture = gr.AnnotatedImage(label="Who does what", show_label=False, buttons=["fullscreen"], elem_id="pairs")
    loners = gr.HTML(apply_default_css=False, elem_id="tags")
    with gr.Row():
        score = gr.Slider(
            LOWEST_SCORE, 1, FIRST_SCORE, step=0.01, label="At least so sure", elem_id="score", min_width=240
        )
        person = gr.Dropdown([("everyone", EVERYONE)], value=EVERYONE, label="Whose", min_width=120)
        every_verb = [(verb_words(verb), verb) for verb in VERB_NAMES]
        verbs = gr.Dropdown(every_verb, multiselect=True, label="Verbs (none: all)", min_width=220)
    with gr.Tabs() as views:
        with gr.Tab("All interactions", id="all"):
            rows = gr.HTML(apply_default_css=False, elem_id="interactions-table")
        with gr.Tab("Why", id="why"), gr.Column() as why:
            with gr.Row():
                whose = gr.Dropdown([], label="Person", min_width=120)
                action = gr.Dropdown(ACTION_NAMES, value=ACTION_NAMES[0][1], label="Verb", min_width=160)
            density = gr.Image(
                label="Where the network expected the object",
                show_label=False,
                format="png",
                interactive=False,
                buttons=["fullscreen"],
                elem_id="density",
            )
            reasons = gr.HTML(apply_default_css=False, elem_id="reasons")
    with gr.Accordion("For experts: leave out a part of the network", open=False), gr.Row():
        location = gr.Checkbox(value=True, label="Target density (g)", info=LOCATION)
        interaction = gr.Checkbox(value=True, label="Interaction branch", info=BRANCH)
    with gr.Row():
        picture_file = download_button("picture", ".png")
        table_file = download_button("table", ".json")
    controls, explained = (score, person, verbs, location, interaction), (why, whose, action, density, reasons)
    return _Result(said, guesses, picture, *controls, views, loners, rows, *explained, picture_file, table_file)


def build_interactions(load: Callable[[], tuple["InteractionPredictor", str]] = load_predictor) -> None:
    """Lay the tab out inside the open `gr.Blocks` and wire it.

    Args:
        load: Called once; returns the predictor and, if its weights are not the wanted ones, the reason.
    """
    predictor, excuse = load()
    training_photos = predictor.training_photos
    doubtful = frozenset(verb for verb in VERB_NAMES if not training_photos.get(verb))

    @spaces.GPU(duration=10)
    def detect(image: NDArray[np.uint8]) -> Interactions:
        with errors_on_page():  # in here, since ZeroGPU drops the message of any error but gr.Error
            return predictor.detect(image)

    def said(found: Interactions) -> str:
        certain = sure(found)
        people = certain.count(OBJECTS[PERSON])
        seen = f"{number_of(people, 'person', 'people')} and {number_of(len(certain) - people, 'object')} found."
        return f"{seen} Weights: {weights_source(predictor.weights_file)}."

    def show(job: InteractionsJob | None, *wishes: Any) -> tuple[Any, ...]:
        """Show what the controls leave of the result; the network is not asked again."""
        if job is None:
            return gr.skip(), line(GONE, "problem"), gr.skip(), gr.skip(), HIDE
        found = choose(job.result, *wishes)
        whole = choose(job.result, LOWEST_SCORE, None, None, *wishes[3:])
        shown = layers(job, found, doubtful), summary(whole, found, wishes[0])
        hidden = any(one.score < wishes[0] for one in whole.interactions)
        offered = gr.update(visible=hidden and not found.interactions)
        return *shown, tags(found, doubtful), table(found, training_photos), offered

    def write_picture(job: InteractionsJob, *wishes: Any) -> Path:
        drawn = draw(pixels(job.shown), choose(job.result, *wishes), doubtful=doubtful)
        return write_png(drawn, job.folder / f"{job.photo.stem}-interactions.png")

    def write_table(job: InteractionsJob, *wishes: Any) -> Path:
        file = job.folder / f"{job.photo.stem}-interactions.json"
        file.write_text(choose(job.result, *wishes).to_json(), encoding="utf-8")
        return file

    def interactions(photo: gr.FileData, min_score: float = LOWEST_SCORE) -> tuple[dict[str, Any], gr.FileData]:
        """Find out who does what to which object in a photo.

        Args:
            photo: A photo file (JPEG, PNG, WebP, HEIC, AVIF, TIFF), from 32x32 pixels to 50 megapixels.
            min_score: From 0 to 1: leave out interactions that score less.

        Returns:
            The result: width and height; boxes with label, score and box (x1, y1, x2, y2 in pixels); interactions, best
            first, each with person and object (places in boxes, from 0; object is null where there is none), verb,
            role, score and what it is made of. And the photo with all of that drawn into it, as a PNG file of at most
            1600 pixels.
        """
        path = sent(photo)
        if isinstance(min_score, bool) or not isinstance(min_score, int | float) or not 0 <= min_score <= 1:
            raise gr.Error(f"min_score has to be a number from 0 to 1, not {min_score!r}.", print_exception=False)
        image = pixels(path)
        found = detect(image).filter(min_score)
        drawn = draw(resize_to_fit(image, SHOWN_SIDE), found, doubtful=doubtful)
        with new_folder() as folder:
            picture = write_png(drawn, folder / f"{path.stem}-interactions.png")
        return json.loads(found.to_json()), gr.FileData(path=str(picture))

    with photo_tab("interactions", WORDS, PEOPLE, excuse, side=SHOWN_SIDE, art=DIAGRAM, scale=8) as tab:
        result = _lay_out_result()
    gr.HTML(knowledge(training_photos), apply_default_css=False, elem_id="knowledge", elem_classes="fine")
    _several(detect, doubtful)
    about("interactions", HOW, PAPER, "#pairs img")
    files = [
        Download(result.picture_file, write_picture, result.wishes),
        Download(result.table_file, write_table, result.wishes),
    ]
    arrived = tab.wire(detect, downloads=files, said=said)
    _wire_result(tab, result, show, arrived)
    endpoint(interactions, "interactions", **ON_GPU)


def _several(detect: Callable[[NDArray[np.uint8]], Interactions], doubtful: Collection[str]) -> None:
    """Lay out the corner for several photos."""

    def annotated(path: Path, folder: Path) -> Path:
        image = open_photo(path)
        drawn = draw(resize_to_fit(image, SHOWN_SIDE), detect(image).filter(FIRST_SCORE), doubtful=doubtful)
        return write_png(drawn, folder / f"{path.stem}-interactions.png")

    batch("interactions", "Find in all", "looked at", annotated)


def _wire_result(tab: PhotoTab, parts: _Result, show: Callable[..., Any], arrived: Sequence[Any]) -> None:
    """Have the result shown when a photo has arrived, and again when a control changes."""
    quiet = LATEST | {"show_progress": "hidden"}
    as_it_is = {"postprocess": False}  # the layers are files already
    wishes = [tab.job, *parts.wishes]
    seen = [parts.picture, parts.said, parts.loners, parts.rows, parts.guesses]
    question, reason = (
        [tab.job, parts.whose, parts.action, parts.location, parts.interaction],
        [parts.density, parts.reasons],
    )
    choices = [parts.person, parts.verbs, parts.whose, parts.action, parts.why, parts.score]
    for done in arrived:
        ready = done.success(prepare, tab.job, choices, **AT_ONCE)
        drawn = ready.success(show, wishes, seen, **LATEST, **as_it_is, show_progress_on=parts.picture)
        drawn.success(explain, question, reason, **quiet)
    changes = (parts.location.change, parts.interaction.change)
    parts.guesses.click(lambda: LOWEST_SCORE, None, parts.score, **AT_ONCE)
    for changed in (parts.score.change, parts.person.input, parts.verbs.input, *changes):
        changed(show, wishes, seen, **quiet, **as_it_is)
    for changed in (parts.whose.input, parts.action.input, *changes):
        changed(explain, question, reason, **quiet)
    picked = parts.picture.select(choose_pair, wishes, [parts.whose, parts.action, parts.views], **AT_ONCE)
    picked.success(explain, question, reason, **quiet)


if __name__ == "__main__":
    with page("Interactions", "one of our vision models") as demo:
        build_interactions()
    launch(demo)
