"""The console command `vision-models`."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

# Commands import what they need when they run: `vision-models --help` should not wait for torch.

app = typer.Typer(
    help="Vision models with learned weights of their own: correct photos, train, evaluate, publish.",
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


WeightsOption = Annotated[
    Path | None, typer.Option("--weights", help="A .safetensors file of your own instead of the published weights.")
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
            typer.echo(evaluate(data, predictor, hdr=hdr, report=lambda line: typer.echo(line, err=True)))
        if stacks:
            typer.echo(evaluate_stacks(stacks, predictor))
    except ModuleNotFoundError as error:
        raise _stop(
            f"{error.name} is missing. Install what evaluation needs: pip install 'vision-models[evaluate]'"
        ) from error
    except (VisionModelsError, ValueError) as error:
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


@app.command()
def publish(
    repository: Annotated[
        str, typer.Argument(metavar="OWNER/NAME", help="A model repository on the Hugging Face Hub; made when missing.")
    ],
    private: Annotated[bool, typer.Option(help="Make the repository private, if it is made now.")] = False,
) -> None:
    """Upload the bundled weights and model cards, and print the line for the Space's settings."""
    from vision_models.drht.config import WEIGHTS
    from vision_models.errors import VisionModelsError
    from vision_models.hub import publish as upload

    try:
        line = upload(repository, [WEIGHTS], private=private)
    except VisionModelsError as error:
        raise _stop(error) from error
    typer.echo("Uploaded. Put this variable into the Space's settings:")
    typer.echo(line)


def _stop(error: Exception | str) -> typer.Exit:
    """Say what went wrong on standard error and leave with status 1."""
    typer.secho(str(error), err=True, fg=typer.colors.RED)
    return typer.Exit(1)
