"""The console command `vision-models`."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperCommand

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from vision_models.phd_gifs import HighlightPredictor

# Commands import what they need when they run: `vision-models --help` should not wait for torch.

app = typer.Typer(
    help="Vision models with learned weights of their own: cut GIFs, find interactions, correct photos, train them.",
    no_args_is_help=True,
)
train_app = typer.Typer(help="Train a model. The same command again resumes.", no_args_is_help=True)
evaluate_app = typer.Typer(help="Print a model's figures, as Markdown tables.", no_args_is_help=True)
bench_app = typer.Typer(help="Print a model's speed and memory, as ratios within one run.", no_args_is_help=True)
app.add_typer(train_app, name="train")
app.add_typer(evaluate_app, name="evaluate")
app.add_typer(bench_app, name="bench")


class Size(StrEnum):
    """Which recipe to train."""

    compact = "compact"
    paper = "paper"


class GifKind(StrEnum):
    """What a short silent clip can be written as."""

    gif = "gif"
    mp4 = "mp4"
    webp = "webp"


WeightsOption = Annotated[
    Path | None, typer.Option("--weights", help="A .safetensors file of your own instead of the published weights.")
]
TeacherOption = Annotated[
    Path, typer.Option(help="Weights of NanoDet-Plus-m 416 as .npz, see InteractNet's model card.", exists=True)
]
DeviceOption = Annotated[str | None, typer.Option(help="cpu or cuda; the GPU when there is one.")]


@app.command()
def correct(
    photo: Annotated[Path, typer.Argument(help="An under- or over-exposed photo.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Where to write the corrected photo, as PNG.")],
    strength: Annotated[
        float, typer.Option(min=0, max=1, help="0 leaves the photo as it is, 1 corrects it fully.")
    ] = 1.0,
    radiance: Annotated[Path | None, typer.Option(help="Also write the HDR estimate, as .hdr or .exr.")] = None,
    weights: WeightsOption = None,
    device: DeviceOption = None,
) -> None:
    """Correct the exposure of a photo, at its full resolution."""
    from vision_models.drht import ExposurePredictor
    from vision_models.errors import PhotoError, VisionModelsError
    from vision_models.photos import read_photo, write_png, write_radiance

    try:
        image = read_photo(photo)
        correction = ExposurePredictor.from_pretrained(device, path=weights).correct(image, strength)
        typer.echo(f"Wrote {write_png(correction.image, output)}")
        if radiance:
            typer.echo(f"Wrote {write_radiance(correction.radiance, radiance)}")
    except PhotoError as error:
        raise _stop(f"{photo}: {error}") from error
    except (VisionModelsError, ValueError, OSError) as error:
        raise _stop(error) from error


class _ManyValues(TyperCommand):
    """A command whose --history and --disliked take one file or several, up to the next option."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Repeat the option before each further value, which is what click understands."""
        repeated: list[str] = []
        option, values = "", 0
        for argument in args:
            if argument.startswith("-"):
                option, values = argument, 0
            elif option in {"--history", "--disliked"}:
                values += 1
                if values > 1:
                    repeated.append(option)
            repeated.append(argument)
        return super().parse_args(ctx, repeated)


@app.command(cls=_ManyValues)
def gif(
    video: Annotated[Path, typer.Argument(help="Any video file.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for the GIFs; made if missing.")],
    history: Annotated[list[Path] | None, typer.Option(help="GIFs or short videos that you like, one or more.")] = None,
    disliked: Annotated[list[Path] | None, typer.Option(help="Such that you would not have cut.")] = None,
    count: Annotated[int, typer.Option(min=1, help="How many GIFs at most.")] = 5,
    length: Annotated[float, typer.Option(min=0.2, help="Seconds of each.")] = 4.0,
    weight: Annotated[float, typer.Option(min=0, max=1, help="0 is what everyone gets, 1 fully personal.")] = 1.0,
    height: Annotated[int, typer.Option(min=16, help="Pixels; never more than the video has.")] = 240,
    fps: Annotated[float, typer.Option(min=1, max=50, help="Pictures per second.")] = 12.5,
    kind: Annotated[GifKind, typer.Option("--format", help="What to write.")] = GifKind.gif,
    max_kb: Annotated[int | None, typer.Option(min=1, help="Make every file smaller than this many kilobytes.")] = None,
    by_shots: Annotated[bool, typer.Option(help="Rank shots instead of segments of five seconds.")] = False,
    weights: WeightsOption = None,
    device: DeviceOption = None,
) -> None:
    """Cut the GIFs out of a video that you would have cut, judging by GIFs that you like."""
    from vision_models.errors import VideoError, VisionModelsError
    from vision_models.phd_gifs import HighlightPredictor
    from vision_models.videos import write_gif

    try:
        predictor = HighlightPredictor.from_pretrained(device, path=weights)
        liked = [_remembered(predictor, path) for path in history or ()]
        unwanted = [_remembered(predictor, path) for path in disliked or ()]
        highlights = predictor.score(predictor.index(video), liked, unwanted, weight=weight, by_shots=by_shots)
        output.mkdir(parents=True, exist_ok=True)
        for number, clip in enumerate(highlights.best(count, length), start=1):
            name = output / f"{video.stem}-{number}.{kind}"
            limit = max_kb * 1000 if max_kb else None
            write_gif(highlights.index.video, clip.start_s, clip.end_s, name, height=height, fps=fps, max_bytes=limit)
            like = (
                f", like {history[clip.nearest].name} ({clip.similarity:.2f})"
                if history and clip.nearest is not None
                else ""
            )
            typer.echo(f"Wrote {name}: {clip.start_s:.1f} to {clip.end_s:.1f} s, score {clip.score:.2f}{like}")
    except VideoError as error:
        raise _stop(f"{video}: {error}") from error
    except (VisionModelsError, ValueError, OSError) as error:
        raise _stop(error) from error


@app.command()
def detect(
    photo: Annotated[Path, typer.Argument(help="A photo with people.")],
    json_file: Annotated[Path | None, typer.Option("--json", help="Where to write boxes and interactions.")] = None,
    picture: Annotated[Path | None, typer.Option("--image", help="Where to write the annotated photo, as PNG.")] = None,
    min_score: Annotated[float, typer.Option(min=0, max=1, help="Leave out interactions that score less.")] = 0.2,
    weights: WeightsOption = None,
    device: DeviceOption = None,
) -> None:
    """Find people, objects, and who does what to which of them."""
    from vision_models.errors import PhotoError, VisionModelsError
    from vision_models.interactnet import InteractionPredictor
    from vision_models.interactnet.drawing import draw
    from vision_models.photos import read_photo, write_png

    try:
        image = read_photo(photo)
        found = InteractionPredictor.from_pretrained(device, path=weights).detect(image).filter(min_score)
        for one in found.interactions:
            what = f" {found.name(one.object)} {one.object}" if one.object is not None else ""
            typer.echo(f"{one.score:.2f}  person {one.person} {one.verb}{what}")
        if not found.interactions:
            typer.echo(
                f"{len(found.people)} people, no interaction scores {min_score} or more. Try a lower --min-score."
            )
        if json_file:
            json_file.write_text(found.to_json() + "\n")
            typer.echo(f"Wrote {json_file}")
        if picture:
            typer.echo(f"Wrote {write_png(draw(image, found), picture)}")
    except PhotoError as error:
        raise _stop(f"{photo}: {error}") from error
    except (VisionModelsError, ValueError, OSError) as error:
        raise _stop(error) from error


@app.command()
def label(
    photos: Annotated[Path, typer.Argument(help="Folder of photos.", exists=True)],
    output: Annotated[Path, typer.Option("--output", "-o", help="Where to write what they show, .json.gz.")],
    teacher: TeacherOption,
    clips: Annotated[
        Path | None, typer.Option(help="First put stills from the clips in this folder among the photos.", exists=True)
    ] = None,
    stills: Annotated[int, typer.Option(min=1, help="How many from each clip.")] = 3,
) -> None:
    """Find the objects of photos with a public detector, as labels to train InteractNet on."""
    from vision_models.interactnet.label import clips_below, write_stills
    from vision_models.interactnet.label import label as label_photos
    from vision_models.interactnet.teacher import Teacher

    try:
        if clips:
            write_stills(clips_below(clips), photos, stills)
        typer.echo(f"Wrote {label_photos(photos, Teacher(teacher), output, _to_stderr)}")
    except (ValueError, OSError) as error:
        raise _stop(error) from error


@train_app.command("drht")
def train_drht(
    data: Annotated[
        Path, typer.Option(help="Folder of HDR panoramas (.hdr or .exr); every sixth by name is held out.", exists=True)
    ],
    out: Annotated[Path, typer.Option(help="Folder for checkpoints, log and weights.")],
    photos: Annotated[
        Path | None, typer.Option(help="Folder of ordinary photos, made into further scenes.", exists=True)
    ] = None,
    size: Annotated[Size, typer.Option(help="The bundled configuration or the paper's.")] = Size.compact,
    device: DeviceOption = None,
    workers: Annotated[int, typer.Option(min=0, help="Processes that render training scenes.")] = 1,
) -> None:
    """Train both networks of DRHT jointly."""
    from vision_models.drht.train import RECIPES, train

    try:
        weights = train(data, out, RECIPES[size], photos=photos, device=device, workers=workers, report=typer.echo)
    except ValueError as error:
        raise _stop(error) from error
    typer.echo(f"Wrote {weights}. Try it: vision-models correct PHOTO -o OUT --weights {weights}")


@train_app.command("phd-encoder")
def train_phd_encoder(
    data: Annotated[Path, typer.Option(help="Folder of photo sets, see the model card.", exists=True)],
    out: Annotated[Path, typer.Option(help="Folder for checkpoints, log and weights.")],
    device: DeviceOption = None,
    workers: Annotated[int, typer.Option(min=0, help="Processes that prepare pictures.")] = 1,
) -> None:
    """Train the encoder of PHD-GIFs, beginning with public ImageNet weights."""
    from vision_models.phd_gifs.train_encoder import EncoderRecipe, train_encoder

    try:
        weights = train_encoder(data, out, EncoderRecipe(), device=device, workers=workers, report=typer.echo)
    except ModuleNotFoundError as error:
        raise _stop(
            f"{error.name} is missing. Install what training needs: pip install 'vision-models[train]'"
        ) from error
    except ValueError as error:
        raise _stop(error) from error
    typer.echo(f"Wrote {weights}. Train the scorers on it: vision-models train phd-gifs --encoder {weights}")


@train_app.command("phd-gifs")
def train_phd_gifs(
    data: Annotated[Path, typer.Option(help="Folder of photo sets and clips, see the model card.", exists=True)],
    encoder: Annotated[Path, typer.Option(help="What `train phd-encoder` wrote.", exists=True)],
    out: Annotated[Path, typer.Option(help="Folder for vectors and weights; the encoder's saves time.")],
    device: DeviceOption = None,
) -> None:
    """Train the scorers of PHD-GIFs on simulated users."""
    from vision_models.errors import VisionModelsError
    from vision_models.phd_gifs.train import Recipe, train

    try:
        weights = train(data, encoder, out, Recipe(), device=device, report=typer.echo)
    except (VisionModelsError, ValueError) as error:
        raise _stop(error) from error
    typer.echo(f"Wrote {weights}. Try it: vision-models gif VIDEO -o FOLDER --weights {weights}")


@train_app.command("interactnet")
def train_interactnet(
    data: Annotated[Path, typer.Option(help="Folder of photo sets and their labels, see the model card.", exists=True)],
    out: Annotated[Path, typer.Option(help="Folder for checkpoints, log and weights.")],
    teacher: TeacherOption,
    device: DeviceOption = None,
    workers: Annotated[int, typer.Option(min=0, help="Processes that prepare pictures.")] = 1,
) -> None:
    """Train InteractNet: what boxes alone tell, then the detector, then all branches together."""
    from vision_models.interactnet.train import Recipe, train

    try:
        weights = train(data, out, Recipe(), teacher=teacher, device=device, workers=workers, report=typer.echo)
    except (ValueError, OSError) as error:
        raise _stop(error) from error
    typer.echo(f"Wrote {weights}. Try it: vision-models detect PHOTO --weights {weights}")


@evaluate_app.command("drht")
def evaluate_drht(
    data: Annotated[
        Path | None, typer.Option(help="The folder of HDR panoramas; only the held-out scenes are used.", exists=True)
    ] = None,
    stacks: Annotated[
        Path | None, typer.Option(help="A folder of real exposure stacks, each a folder of photos.", exists=True)
    ] = None,
    weights: WeightsOption = None,
    hdr: Annotated[bool, typer.Option(help="Also score the HDR estimate (slower).")] = True,
    device: DeviceOption = None,
) -> None:
    """Compare DRHT with classical methods: on held-out scenes at -4 to +4 EV, on real exposure stacks, or on both."""
    from vision_models.drht import ExposurePredictor
    from vision_models.drht.evaluate import evaluate, evaluate_stacks
    from vision_models.errors import VisionModelsError

    if not data and not stacks:
        raise _stop("There is nothing to evaluate on. Name a folder with --data or --stacks.")
    try:
        predictor = ExposurePredictor.from_pretrained(device, path=weights)
        if data:
            typer.echo(evaluate(data, predictor, hdr=hdr, report=_to_stderr))
        if stacks:
            typer.echo(evaluate_stacks(stacks, predictor))
    except ModuleNotFoundError as error:
        raise _stop(
            f"{error.name} is missing. Install what evaluation needs: pip install 'vision-models[evaluate]'"
        ) from error
    except (VisionModelsError, ValueError) as error:
        raise _stop(error) from error


@evaluate_app.command("phd-gifs")
def evaluate_phd_gifs(
    data: Annotated[
        Path | None,
        typer.Option(help="Folder of clips, see the model card; only those kept for the test.", exists=True),
    ] = None,
    phd2: Annotated[Path | None, typer.Option(help="PHD2's annotations, testing.csv.", exists=True)] = None,
    phd2_videos: Annotated[
        Path | None,
        typer.Option(help="Its videos, named <youtubeId>.mp4 or the like, for the full protocol.", exists=True),
    ] = None,
    weights: WeightsOption = None,
    device: DeviceOption = None,
) -> None:
    """Compare all scorers of the paper on real clips, or on PHD2."""
    from vision_models.errors import VisionModelsError
    from vision_models.phd_gifs import HighlightPredictor
    from vision_models.phd_gifs.evaluate import evaluate, evaluate_fights
    from vision_models.phd_gifs.phd2 import baselines, evaluate_phd2, read_phd2
    from vision_models.phd_gifs.scorers import Comparison

    if not data and not phd2:
        raise _stop("There is nothing to evaluate on. Name a folder with --data or a file with --phd2.")
    try:
        users = read_phd2(phd2) if phd2 else []
        if users:
            typer.echo(baselines(users))
        if data or phd2_videos:
            predictor = HighlightPredictor.from_pretrained(device, path=weights)
        if data:
            typer.echo(evaluate(data, predictor, _to_stderr))
            if (data / "fight").is_dir():
                typer.echo(evaluate_fights(data, predictor, _to_stderr))
        if users and phd2_videos:
            typer.echo(evaluate_phd2(users, phd2_videos, predictor, Comparison(predictor.model).scorers, _to_stderr))
    except (VisionModelsError, ValueError) as error:
        raise _stop(error) from error


@evaluate_app.command("interactnet")
def evaluate_interactnet(
    data: Annotated[
        Path | None, typer.Option(help="Folder of photo sets, see the model card; only their test photos.", exists=True)
    ] = None,
    vcoco: Annotated[
        Path | None, typer.Option(help="Folder of V-COCO's labels, for target choice.", exists=True)
    ] = None,
    verb_map: Annotated[
        Path | None, typer.Option(help="What the topics of photos tell, instead of our own opinion; JSON.", exists=True)
    ] = None,
    photos: Annotated[Path | None, typer.Option(help="V-COCO's photos, for AP_agent and AP_role.", exists=True)] = None,
    instances: Annotated[Path | None, typer.Option(help="COCO's annotations of these photos.", exists=True)] = None,
    hico: Annotated[Path | None, typer.Option(help="Folder of HICO-DET's annotations.", exists=True)] = None,
    hico_photos: Annotated[Path | None, typer.Option(help="HICO-DET's test photos.", exists=True)] = None,
    weights: WeightsOption = None,
    device: DeviceOption = None,
) -> None:
    """Measure objects, verbs and their targets, with and without each factor of the score."""
    from vision_models.errors import VisionModelsError
    from vision_models.interactnet import InteractionPredictor
    from vision_models.interactnet import evaluate as measures
    from vision_models.interactnet.topics import TOPICS, read_verb_map

    if not data and not vcoco and not hico:
        raise _stop("There is nothing to evaluate on. Name a folder with --data, --vcoco or --hico.")
    try:
        predictor = InteractionPredictor.from_pretrained(device, path=weights)
        if vcoco:
            typer.echo(measures.evaluate_target_choice(vcoco, predictor))
        if vcoco and photos:
            typer.echo(measures.evaluate_vcoco_photos(vcoco, photos, predictor, instances=instances, report=_to_stderr))
        if hico and hico_photos:
            typer.echo(measures.evaluate_hico_photos(hico, hico_photos, predictor, _to_stderr))
        topics = read_verb_map(verb_map) if verb_map else TOPICS
        if data and (data / "coco128").is_dir():
            typer.echo(measures.evaluate_detector(data, predictor))
        if data and (data / "stanford40").is_dir():
            cases = measures.stanford40_cases(data, topics)
            typer.echo(measures.evaluate_topics("Stanford 40, official test", cases, predictor, _to_stderr))
        if data and (data / "sports100").is_dir():
            cases = measures.sports100_cases(data, topics)
            typer.echo(measures.evaluate_topics("100 sports, valid and test", cases, predictor, _to_stderr))
    except (VisionModelsError, ValueError, OSError) as error:
        raise _stop(error) from error


@bench_app.command("drht")
def bench_drht(weights: WeightsOption = None, device: DeviceOption = None) -> None:
    """Time DRHT on synthetic photos of 3, 12 and 48 megapixels."""
    from vision_models.drht import ExposurePredictor
    from vision_models.drht.bench import bench
    from vision_models.errors import VisionModelsError

    try:
        typer.echo(bench(ExposurePredictor.from_pretrained(device, path=weights)))
    except VisionModelsError as error:
        raise _stop(error) from error


@bench_app.command("phd-gifs")
def bench_phd_gifs(weights: WeightsOption = None, device: DeviceOption = None) -> None:
    """Time PHD-GIFs on ten minutes and on an hour of synthetic 720p video."""
    from vision_models.errors import VisionModelsError
    from vision_models.phd_gifs import HighlightPredictor
    from vision_models.phd_gifs.bench import bench

    try:
        typer.echo(bench(HighlightPredictor.from_pretrained(device, path=weights)))
    except VisionModelsError as error:
        raise _stop(error) from error


@bench_app.command("interactnet")
def bench_interactnet(weights: WeightsOption = None, device: DeviceOption = None) -> None:
    """Time InteractNet on a synthetic photo of a megapixel, and with a hundred people."""
    from vision_models.errors import VisionModelsError
    from vision_models.interactnet import InteractionPredictor
    from vision_models.interactnet.bench import bench

    try:
        typer.echo(bench(InteractionPredictor.from_pretrained(device, path=weights)))
    except VisionModelsError as error:
        raise _stop(error) from error


@app.command()
def publish(
    repository: Annotated[
        str, typer.Argument(metavar="OWNER/NAME", help="A model repository on the Hugging Face Hub; made when missing.")
    ],
    private: Annotated[bool, typer.Option(help="Make the repository private, if it is made now.")] = False,
) -> None:
    """Upload the bundled weights and model cards, and print the line for the Space's settings."""
    from vision_models.drht.config import WEIGHTS as DRHT
    from vision_models.errors import VisionModelsError
    from vision_models.hub import publish as upload
    from vision_models.interactnet.config import WEIGHTS as INTERACTNET
    from vision_models.phd_gifs.config import WEIGHTS as PHD_GIFS

    try:
        line = upload(repository, [DRHT, INTERACTNET, PHD_GIFS], private=private)
    except VisionModelsError as error:
        raise _stop(error) from error
    typer.echo("Uploaded. Put this variable into the Space's settings:")
    typer.echo(line)


def _remembered(predictor: HighlightPredictor, gif: Path) -> NDArray[np.float32]:
    """Look at one GIF of a history, and say which one it is if it cannot be read."""
    from vision_models.errors import VideoError

    try:
        return predictor.remember(gif)
    except VideoError as error:
        raise _stop(f"{gif}: {error}") from error


def _to_stderr(line: str) -> None:
    typer.echo(line, err=True)


def _stop(error: Exception | str) -> typer.Exit:
    """Say what went wrong on standard error and leave with status 1."""
    typer.secho(str(error), err=True, fg=typer.colors.RED)
    return typer.Exit(1)
