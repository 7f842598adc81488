"""The interactions tab: a photo goes in, who does what to which object comes out, and why the model thinks so.

`build_interactions()` puts the tab into a page; `python demos/interactions.py` runs it alone.
"""

import spaces  # before torch: on ZeroGPU it takes CUDA's place

# isort: split
import json
import math
import time
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gradio as gr
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from demos.page import (
    FAILED,
    HIDE,
    KEEP_SECONDS,
    SHOW,
    deleted_on_schedule,
    errors_on_page,
    launch,
    line,
    load_or_fall_back,
    new_folder,
    offer,
    page,
    scroll_on_phones,
    uploaded,
    weights_source,
)
from demos.photo_input import GONE, NO_PHOTO, open_photo, photo_input, pixel_size, pixels, readable, sent
from demos.samples import PEOPLE, PICK, people_buttons
from vision_models.errors import PhotoError
from vision_models.interactions.drawing import (
    active,
    alone,
    deed,
    draw,
    draw_expectation,
    draw_pair,
    names,
    pair_label,
    pairs,
    person_number,
    verb_words,
)
from vision_models.interactions.ranking import Interaction
from vision_models.interactions.result import Interactions
from vision_models.interactions.vocabulary import ACTIONS, OBJECTS, PERSON, VERB_NAMES, VERBS, Action
from vision_models.media.photos import resize_to_fit, write_png

if TYPE_CHECKING:
    from vision_models.interactions.predictor import InteractionPredictor

SHOWN_SIDE = 1600  # pixels: every pair is a layer of that size in the visitor's browser ...
SHOWN_PAIRS = 12  # ... so there are not too many of them
TABLE_ROWS = 60
CANDIDATES = 5
LOWEST_SCORE, FIRST_SCORE = 0.05, 0.2
SURE = 0.3  # of the detector: what a person would say is in the photo
EVERYONE = -1
ACTION_NAMES = [(verb_words(*action), f"{action.verb}:{action.role}") for action in ACTIONS]

HEADLINE = "Who does what, to what, and why."
SENTENCE = """Drop in a photo with people. Every person and object is found, what each person does with which object is
named, and a click shows where the network expected that object to be."""
TRAINED_ON = """They were trained on photos labelled with an action or a sport (Stanford 40, 100 sports, 22 sports,
HAR-15, Willow 7, stills of clips), on objects that another detector found, and on the boxes of V-COCO."""
EMPTY = (
    """Your photo appears here with every pair of a person and an object, a table of what they do, and the reasons."""
)
LOCATION = "Off: any place is as good as the expected one."
BRANCH = "Off: the person alone decides what is done; the object has no say."
ORIGIN = """After <a href="https://arxiv.org/abs/1704.07333">Detecting and Recognizing Human-Object Interactions</a>
(Gkioxari et al., CVPR 2018). Code and weights are ours, not the authors'."""
# A person, the place where the object is expected, the object, and what joins them.
DIAGRAM = """<svg viewBox="0 0 400 170" role="img" aria-label="A person's box, joined by a line with an object's box;
around it, dashed, the place where the object was expected">
<circle cx="292" cy="92" r="66"/><rect x="40" y="14" width="92" height="142"/>
<rect class="dashed" x="222" y="38" width="132" height="104"/>
<rect class="object" x="236" y="52" width="120" height="96"/>
<path d="M86 85 L296 100"/><text x="46" y="34">1</text><text x="168" y="84">ride</text></svg>"""


@dataclass(frozen=True, eq=False)
class Job:
    """The photo on a visitor's screen, as their session remembers it. All pixels stay in files."""

    photo: Path  # as uploaded
    shown: Path  # the same, upright and no larger than a screen
    found: Interactions  # what the network said about it
    folder: Path  # for what is drawn


def load_predictor() -> tuple["InteractionPredictor", str]:
    """Return the predictor, and a sentence for the page if a Hub repository was named in vain."""
    from vision_models.interactions.config import WEIGHTS
    from vision_models.interactions.predictor import InteractionPredictor  # not above: it imports torch

    return load_or_fall_back(InteractionPredictor.from_pretrained, WEIGHTS)


# ---- one function per event


def announce() -> tuple[Any, ...]:
    """Say that work has begun, and withdraw the files of the photo before."""
    return line("Looking…"), PREPARING, PREPARING


def withdraw() -> tuple[Any, ...]:
    """Offer no files that no longer belong to what is on screen."""
    return PREPARING, PREPARING


def forget() -> tuple[Any, ...]:
    """Go back to the empty page when the visitor removes the photo."""
    return None, HIDE, SHOW, ""


def pick_sample(event: gr.EventData) -> str:
    """Write the sample that was clicked to a file, and return its path."""
    with errors_on_page(), new_folder() as folder:
        return str(PEOPLE[int(event.index)].write(folder))


def refuse(why: str = FAILED) -> tuple[Any, ...]:
    """Show the reason instead of a result; by default the one for a page that failed, or has too many visitors."""
    return None, HIDE, SHOW, line(why, "problem"), gr.skip()


def prepare(job: Job | None, min_score: float) -> tuple[Any, ...]:
    """Return the choices that a photo offers: whose interactions are shown, and whose and which are explained.

    Where nothing scores as much as the slider asks for, the slider goes down to the best guess.
    """
    if job is None:
        return (gr.skip(),) * 6
    found = job.found
    most = max((one.score for one in found.interactions), default=0.0)
    lower = LOWEST_SCORE <= most < min_score
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
        max(math.floor(100 * most) / 100, LOWEST_SCORE) if lower else gr.skip(),
    )


def save(job: Job | None, doubtful: Collection[str], *wishes: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """Write what is on screen as JSON and as a picture, and offer both."""
    if job is None:
        return PREPARING, PREPARING
    found = choose(job.found, *wishes)
    with new_folder() as folder:
        table = deleted_on_schedule(folder / f"{job.photo.stem}-interactions.json")
        table.write_text(found.to_json(), encoding="utf-8")
        picture = write_png(draw(pixels(job.shown), found, doubtful=doubtful), folder / table.with_suffix(".png").name)
    return offer("picture", picture), offer("table", table)


# ---- what they are made of

PREPARING = gr.update(label="Preparing files…", value=None, interactive=False)


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


def layers(job: Job, found: Interactions, doubtful: Collection[str]) -> dict[str, Any]:
    """Return the update that shows the photo under one layer per pair. Made here, once: Gradio takes 0.1 s for each."""
    annotations, colours = [], {}
    with Image.open(job.shown) as shown:
        width, height = shown.size
    for pair in pairs(found)[:SHOWN_PAIRS]:
        first = pair.interactions[0]
        file = job.folder / f"{pair.person}-{pair.object}-{first.verb}-{first.role}.png"
        if not file.exists():
            Image.fromarray(draw_pair(job.found, pair, width, height, doubtful)).save(file, compress_level=1)
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
        best = max(whole.interactions, key=lambda one: one.score, default=None)
        if best is None:
            return line(
                "There are people, but they do nothing that this network would name. Try another photo.", "problem"
            )
        said = f"{person_number(whole, best.person)} {deed(best, names(whole))}"
        if best.score < min_score:
            how = f"The best guess is “{said}” with {best.score:.2f}: move the slider below that."
        else:
            how = "Choose everyone and clear the verbs to see all there is."
        return line(f"No interaction of {min_score:.2f} or more is left. {how}", "problem")
    count, people = len(found.interactions), len({one.person for one in found.interactions})
    said = f"{number_of(count, 'interaction')} of {min_score:.2f} or more, of {number_of(people, 'person', 'people')}."
    if len(pairs(found)) > SHOWN_PAIRS:
        said += f" The picture shows the {SHOWN_PAIRS} best of {len(pairs(found))} pairs; the table has them all."
    if pairs(found):
        said += " Point at a name under the picture to see that pair alone, click on it for the reasons."
    return line(said)


def sure(found: Interactions) -> list[str]:
    """Return what the detector is sure of."""
    return [label for label, score in zip(found.labels, found.scores, strict=True) if score >= SURE]


def number_of(count: int, one: str, several: str = "") -> str:
    """Return a number with the word for what is counted."""
    return f"{count} {one if count == 1 else several or f'{one}s'}"


def counted(labels: Sequence[str]) -> str:
    """Return what there is in words: "2 × dog, 1 × chair"."""
    words = [f"{count} × {label}" for label, count in Counter(labels).most_common(4)]
    return ", ".join(words)


def figure(value: float) -> str:
    """Return a factor with the digits that products can be checked with."""
    return f"{value:.3f}" if value >= 0.0005 else "< 0.001"


def tags(found: Interactions, doubtful: Collection[str]) -> str:
    """Return HTML with what people do without an object, per person."""
    rows = []
    for person, deeds in sorted(alone(found).items(), key=lambda row: person_number(found, row[0])):
        chips = "".join(f"<li>{escape(deed(one, (), doubtful))} <b>{one.score:.2f}</b></li>" for one in deeds)
        rows.append(f"<dt>person {person_number(found, person)}</dt><dd><ul>{chips}</ul></dd>")
    return f'<h3>Without an object</h3><dl class="tags">{"".join(rows)}</dl>' if rows else ""


PRODUCT = ("Person found", "Object found", "Action", "Place")  # as in the paper
SHARES = ("Person found", "Action", "Target", "Object found", "Place")


def factors(one: Interaction, *, relative: bool) -> list[str]:
    """Return the cells below `PRODUCT`, or below `SHARES` if targets count by their share among all candidates."""
    person, action = figure(one.person_score), figure(one.action_score)
    found = "–" if one.object is None else figure(one.object_score)
    place, target = (figure(n) if one.role else "–" for n in (one.location_score, one.target_score))
    return [person, action, target, found, place] if relative else [person, found, action, place]


def table(found: Interactions, training_photos: Mapping[str, int]) -> str:
    """Return HTML with one row per interaction: score and factors, readable by a screen reader."""
    if not found.interactions:
        return ""
    called, relative, rows = names(found), found.factors.relative, []
    for one in found.interactions[:TABLE_ROWS]:
        if one.object is None:
            several = len(VERBS[one.verb]) > 1  # of which one may be in view
            verb = verb_words(one.verb, one.role if several else None)
            thing = "not in view" if one.role else "takes none"
        else:
            verb, thing = verb_words(one.verb, one.role), called[one.object]
        guess = "" if training_photos.get(one.verb) else " <em>a guess: no sure training photos</em>"
        cells = [f"{verb}{guess}", escape(thing), f"<b>{figure(one.score)}</b>", *factors(one, relative=relative)]
        rows.append((str(person_number(found, one.person)), cells))
    caption = "Score = person × object × action × place."
    if relative:
        caption = (
            "Score = person × action × target, where target is how likely it is this one among all that it could be: "
            "by object found × place × how usual such an object is."
        )
    if len(found.interactions) > TABLE_ROWS:
        caption += f" The best {TABLE_ROWS} of {len(found.interactions)}; the saved table has them all."
    heads = ("Person", "Verb", "Object", "Score", *(SHARES if relative else PRODUCT))
    return html_table(caption, heads, rows)


def candidates(
    found: Interactions, person: int, action: Action, *, location: bool, interaction: bool
) -> tuple[str, int | None]:
    """Return HTML with the factors of what the object could be, and which box the model takes, if any."""
    column, called = ACTIONS.index(action), names(found)
    ranked = found.candidates(person, *action, location=location, interaction=interaction, most=CANDIDATES)
    usual, relative = np.exp(found.factors.compatibility[:, column]), found.factors.relative
    caption = f"What person {person_number(found, person)} could “{verb_words(*action)}”"
    if not ranked:
        return line(f"{caption}: there is nothing else in this photo."), None
    rows = []
    for place, one in enumerate(ranked):
        name = "not in view" if one.object is None else escape(called[one.object])
        cells = [f"<b>{figure(one.score)}</b>", *factors(one, relative=relative)]
        if relative:
            cells.append("–" if one.object is None else figure(float(usual[one.object])))
        taken = "" if place else " <em>taken</em>"
        rows.append((f"{name}{taken}", cells))
    caption += ": the best score is taken."
    heads = ("Object", "Score", *((*SHARES, "Usual object") if relative else PRODUCT))
    return html_table(caption, heads, rows), ranked[0].object


def knowledge(training_photos: Mapping[str, int]) -> str:
    """Return HTML that says how many photos of each verb the weights have learned from."""
    photos = {verb: training_photos.get(verb, 0) for verb in VERB_NAMES}
    ranked = sorted(photos, key=lambda verb: -photos[verb])
    well = ", ".join(f"{verb_words(verb)} ({photos[verb]:,.0f})" for verb in ranked[:6] if photos[verb])
    never = ", ".join(verb_words(verb) for verb in ranked if not photos[verb])
    said = f"<strong>What these weights know.</strong> {TRAINED_ON} "
    said += f"They know best, with the number of photos: {well or 'nothing'}."
    if never:
        said += (
            f" Without a photo that shows it for sure: {never}. What is said about these is a guess, and marked as one."
        )
    rows = [(verb_words(verb), [f"{photos[verb]:,.0f}"]) for verb in ranked]
    every = html_table("Training photos that show a verb for sure", ("Verb", "Photos"), rows)
    return f"<p>{said}</p><details><summary>All {len(ranked)} verbs</summary>{every}</details>"


def html_table(caption: str, heads: Sequence[str], rows: Sequence[tuple[str, Sequence[str]]]) -> str:
    """Return a table of HTML that scrolls by itself where it is too wide; each row has a head and cells."""
    columns = "".join(f'<th scope="col">{head}</th>' for head in heads)
    body = "".join(
        f'<tr><th scope="row">{head}</th>{"".join(f"<td>{cell}</td>" for cell in cells)}</tr>' for head, cells in rows
    )
    return (
        f'<div class="table" role="region" tabindex="0" aria-label="{escape(caption)}"><table>'
        f"<caption><span>{escape(caption)}</span></caption><thead><tr>{columns}</tr></thead><tbody>{body}</tbody></table></div>"
    )


# ---- the tab


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

    def look(photo: dict[str, Any] | None, job: Job | None) -> tuple[Any, ...]:
        """Ask the network about the photo and show the result, or say why there is none."""
        start = time.perf_counter()
        path = uploaded(photo)
        if path is None:
            return refuse(NO_PHOTO)
        if job and path == job.shown:  # the input shows our readable copy of a HEIC photo
            path = job.photo
        try:
            image = open_photo(path)
        except PhotoError as error:
            return refuse(str(error))
        found = detect(image)
        with new_folder() as folder:
            job = Job(path, write_png(resize_to_fit(image, SHOWN_SIDE), folder / "photo.png"), found, folder)
            deleted_on_schedule(job.shown)
        took = max(time.perf_counter() - start, 0.1)
        certain = sure(found)
        people = certain.count(OBJECTS[PERSON])
        seen = f"{number_of(people, 'person', 'people')} and {number_of(len(certain) - people, 'object')}"
        said = f"Done in {took:.1f} s: {seen} in {pixel_size(image)} pixels."
        said += f" Weights: {weights_source(predictor.weights_file)}."
        return job, SHOW, HIDE, line(said), readable(path, job.shown)

    def show(job: Job | None, *wishes: Any) -> tuple[Any, ...]:
        """Show what the controls leave of the result; the network is not asked again."""
        if job is None:
            return gr.skip(), line(GONE, "problem"), gr.skip(), gr.skip()
        found = choose(job.found, *wishes)
        whole = choose(job.found, LOWEST_SCORE, None, None, *wishes[3:])
        return (
            layers(job, found, doubtful),
            summary(whole, found, wishes[0]),
            tags(found, doubtful),
            table(found, training_photos),
        )

    def explain(job: Job | None, person: int | None, action: str, location: bool, interaction: bool) -> tuple[Any, ...]:
        """Show where the object of a person's verb was expected, and what it could be."""
        if job is None or person not in job.found.people:
            return gr.skip(), gr.skip()
        verb, role = action.split(":")
        said, chosen = candidates(job.found, person, Action(verb, role), location=location, interaction=interaction)
        if not location:
            said = line("The place is switched off: the picture shows where the object would be expected.") + said
        with new_folder() as folder:
            picture = draw_expectation(pixels(job.shown), job.found, person, verb, role, chosen=chosen)
            return str(write_png(picture, folder / "expected.png")), said

    def choose_pair(job: Job | None, event: gr.SelectData, *wishes: Any) -> tuple[Any, ...]:
        """Explain the first interaction of the pair whose name was clicked."""
        if job is None:
            return gr.skip(), gr.skip(), gr.skip()
        pair = pairs(choose(job.found, *wishes))[int(event.index)]
        first = pair.interactions[0]
        return pair.person, f"{first.verb}:{first.role}", gr.update(selected="why")

    def save_files(job: Job | None, *wishes: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        return save(job, doubtful, *wishes)

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

    # Layout
    job = gr.State(time_to_live=KEEP_SECONDS)
    gr.HTML(f"<h2>{HEADLINE}</h2><p>{SENTENCE}</p>", elem_classes="lead")
    if excuse:
        gr.HTML(line(excuse), elem_classes="notice")
    with gr.Row(equal_height=False, elem_id="interactions-work"):
        with gr.Column(scale=4, min_width=320):
            photo = photo_input()
            button = gr.Button("Find interactions")
            status = gr.HTML(
                elem_id="interactions-status",
                elem_classes="status",
                js_on_load="element.setAttribute('role', 'status')",
            )
            samples = gr.HTML(people_buttons(), js_on_load=PICK, apply_default_css=False, elem_id="people")
        with gr.Column(scale=8, min_width=320):
            with gr.Column(elem_id="interactions-empty", elem_classes="empty") as empty:
                gr.HTML(f"{DIAGRAM}<p>{EMPTY}</p>")
            with gr.Column(visible=False, elem_id="interactions-result") as result:
                said = gr.HTML(
                    elem_classes="status", js_on_load="element.setAttribute('role', 'status')", elem_id="found"
                )
                picture = gr.AnnotatedImage(
                    label="Who does what",
                    buttons=["fullscreen"],
                    elem_id="pairs",
                )
                with gr.Row():
                    score = gr.Slider(LOWEST_SCORE, 1, FIRST_SCORE, step=0.01, label="Score, at least", elem_id="score")
                    person = gr.Dropdown([("everyone", EVERYONE)], value=EVERYONE, label="Whose", min_width=120)
                    verbs = gr.Dropdown(
                        [(verb_words(verb), verb) for verb in VERB_NAMES],
                        multiselect=True,
                        label="Verbs (none: all)",
                        min_width=220,
                    )
                with gr.Row():
                    location = gr.Checkbox(value=True, label="Target density (g)", info=LOCATION)
                    interaction = gr.Checkbox(value=True, label="Interaction branch", info=BRANCH)
                with gr.Tabs() as views:
                    with gr.Tab("All interactions", id="all"):
                        loners = gr.HTML(apply_default_css=False, elem_id="tags")
                        rows = gr.HTML(apply_default_css=False, elem_id="interactions-table")
                    with gr.Tab("Why", id="why"), gr.Column() as why:
                        with gr.Row():
                            whose = gr.Dropdown([], label="Person", min_width=120)
                            action = gr.Dropdown(ACTION_NAMES, value=ACTION_NAMES[0][1], label="Verb", min_width=160)
                        density = gr.Image(
                            label="Where the object was expected",
                            format="png",
                            interactive=False,
                            buttons=["fullscreen"],
                            elem_id="density",
                        )
                        reasons = gr.HTML(apply_default_css=False, elem_id="reasons")
                with gr.Row():
                    picture_file = gr.DownloadButton("Save picture", interactive=False, variant="primary")
                    table_file = gr.DownloadButton("Save table", interactive=False)
    gr.HTML(
        f"{knowledge(training_photos)}<p>{ORIGIN}</p>",
        apply_default_css=False,
        elem_id="knowledge",
        elem_classes="fine",
    )

    # Wiring
    gr.api(interactions, api_name="interactions", concurrency_id="gpu", concurrency_limit=1)
    private = {"api_visibility": "private"}
    at_once = private | {"queue": False, "show_progress": "hidden"}
    latest = private | {"trigger_mode": "always_last"}
    quiet = latest | {"show_progress": "hidden"}
    as_it_is = {"postprocess": False}  # the layers are files already
    wishes = [job, score, person, verbs, location, interaction]
    outcome = [job, result, empty, status, photo]
    seen = [picture, said, loners, rows]
    question, reason = [job, whose, action, location, interaction], [density, reasons]
    files = [picture_file, table_file]
    chosen = samples.select(pick_sample, None, photo, **private, show_progress_on=samples)
    for begin in (photo.upload, button.click, chosen.success):
        done = begin(announce, None, [status, *files], **at_once).then(
            look,
            [photo, job],
            outcome,
            **latest,
            preprocess=False,  # what Gradio cannot open is for read_photo to read, or to explain
            concurrency_id="gpu",
            concurrency_limit=1,
            show_progress_on=[empty, picture],
        )
        done.failure(refuse, None, outcome, **at_once)
        done.success(None, js=scroll_on_phones("#interactions-result"))
        ready = done.success(prepare, [job, score], [person, verbs, whose, action, why, score], **at_once)
        drawn = ready.success(show, wishes, seen, **latest, **as_it_is, show_progress_on=picture)
        drawn.success(explain, question, reason, **quiet)
        drawn.success(save_files, wishes, files, **quiet)
    for changed in (score.change, person.input, verbs.input, location.change, interaction.change):
        changed(withdraw, None, files, **at_once)
        redrawn = changed(show, wishes, seen, **quiet, **as_it_is)
        redrawn.success(save_files, wishes, files, **quiet)
    for changed in (whose.input, action.input, location.change, interaction.change):
        changed(explain, question, reason, **quiet)
    picked = picture.select(choose_pair, wishes, [whose, action, views], **at_once)
    picked.success(explain, question, reason, **quiet)
    photo.clear(forget, None, [job, result, empty, status], **at_once)


if __name__ == "__main__":
    with page("Interactions", "one of our vision models") as demo:
        build_interactions()
    launch(demo)
