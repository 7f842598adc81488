"""The commands of the exposure model."""

from __future__ import annotations

from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from vision_models.cli.common import (
    DeviceOption,
    OutOption,
    WeightsOption,
    WorkersOption,
    about,
    check_output,
    jointly,
    need_one_of,
    one_line_errors,
)
from vision_models.cli.many import ProcessesOption, Work, are_many, for_each, whole
from vision_models.errors import DataError


@one_line_errors
def correct(
    photo: Annotated[
        Path, typer.Argument(help="An under- or over-exposed photo; many: a folder, or a .parquet with paths.")
    ],
    output: Annotated[
        Path,
        typer.Option("--output", "-o", help="Where to write the corrected photo: .png or .jpg. Of many: a folder."),
    ],
    strength: Annotated[
        float | None,
        typer.Option(min=0, max=1, help="0 leaves the photo as it is, 1 corrects it fully. Else: as much as it needs."),
    ] = None,
    radiance: Annotated[Path | None, typer.Option(help="Also write the HDR estimate, as .hdr or .exr.")] = None,
    hdr: Annotated[Path | None, typer.Option(help="Also write an HDR photo, which phones show as such: .jpg.")] = None,
    weights: WeightsOption = None,
    device: DeviceOption = None,
    processes: ProcessesOption = 0,
) -> None:
    """Correct the exposure of a photo, at its full resolution, or of many; the same call resumes."""
    from vision_models.exposure import ExposurePredictor
    from vision_models.media.gain_map import write_hdr_jpeg
    from vision_models.media.photos import READ_SUFFIXES, WRITTEN_SUFFIXES, read_photo, write_photo
    from vision_models.media.radiance import RADIANCE_SUFFIXES, write_radiance

    if are_many(photo):
        if radiance or hdr:
            raise DataError("--radiance and --hdr are for a single photo.")
        begin = partial(_begin_correcting, weights, device, strength)
        for_each(photo, output, ".png", READ_SUFFIXES, begin, processes)
        return
    check_output(output, WRITTEN_SUFFIXES, photo)
    if radiance:
        check_output(radiance, RADIANCE_SUFFIXES, photo, output)
    if hdr:
        check_output(hdr, (".jpg", ".jpeg"), photo, output)
    with about(photo):
        image = read_photo(photo)
    correction = ExposurePredictor.from_pretrained(weights, device=device).correct(image, strength)
    typer.echo(f"Wrote {write_photo(correction.image, output)}")
    if radiance:
        typer.echo(f"Wrote {write_radiance(correction.radiance, radiance)}")
    if hdr:
        typer.echo(f"Wrote {write_hdr_jpeg(correction.image, correction.radiance, hdr)}")


def _begin_correcting(weights: Path | None, device: str | None, strength: float | None) -> Work:
    from vision_models.exposure import ExposurePredictor
    from vision_models.media.photos import read_photo, write_photo

    predictor = ExposurePredictor.from_pretrained(weights, device=device)

    def work(file: Path, result: Path) -> None:
        with whole(result) as unfinished:
            write_photo(predictor.correct(read_photo(file), strength).image, unfinished)

    return work


class Size(StrEnum):
    """Which recipe to train."""

    compact = "compact"
    paper = "paper"


@one_line_errors
@jointly
def train(
    data: Annotated[
        Path, typer.Option(help="Folder of HDR panoramas (.hdr or .exr); every sixth by name is held out.", exists=True)
    ],
    out: OutOption,
    photos: Annotated[
        Path | None, typer.Option(help="Folder of ordinary photos, made into further scenes.", exists=True)
    ] = None,
    stacks: Annotated[
        Path | None, typer.Option(help="Folder of real exposure stacks, each a folder of photos.", exists=True)
    ] = None,
    begin_with: Annotated[
        Path | None, typer.Option(help="Weights of an earlier run to go on from.", exists=True, dir_okay=False)
    ] = None,
    size: Annotated[Size, typer.Option(help="The bundled configuration or the paper's.")] = Size.compact,
    device: DeviceOption = None,
    workers: WorkersOption = 1,
) -> None:
    """Train both networks of DRHT jointly."""
    from vision_models.exposure.training.train import RECIPES
    from vision_models.exposure.training.train import train as train_model

    weights = train_model(
        data, out, RECIPES[size], photos=photos, stacks=stacks, begin_with=begin_with, device=device, workers=workers
    )
    typer.echo(f"Wrote {weights}. Try it: vision-models correct PHOTO -o OUT --weights {weights}")


@one_line_errors
def evaluate(
    data: Annotated[
        Path | None, typer.Option(help="The folder of HDR panoramas; only the held-out scenes are used.", exists=True)
    ] = None,
    stacks: Annotated[
        Path | None, typer.Option(help="A folder of real exposure stacks, each a folder of photos.", exists=True)
    ] = None,
    harm: Annotated[bool, typer.Option("--harm", help="See whether what is well stays as it is.")] = False,
    photos: Annotated[
        Path | None, typer.Option(help="With --harm: a folder of well-exposed photos.", exists=True, file_okay=False)
    ] = None,
    weights: WeightsOption = None,
    hdr: Annotated[bool, typer.Option(help="Also score the HDR estimate (slower).")] = True,
    device: DeviceOption = None,
) -> None:
    """Compare DRHT with classical methods on held-out scenes or real exposure stacks, or see what harm it does."""
    from vision_models.exposure import ExposurePredictor
    from vision_models.exposure.evaluation.evaluate import evaluate as on_scenes
    from vision_models.exposure.evaluation.evaluate import evaluate_stacks
    from vision_models.exposure.evaluation.harm import evaluate_harm

    need_one_of("--data", "--stacks", "--harm", given=bool(data or stacks or harm))
    predictor = ExposurePredictor.from_pretrained(weights, device=device)
    if data:
        typer.echo(on_scenes(data, predictor, hdr=hdr))
    if stacks:
        typer.echo(evaluate_stacks(stacks, predictor))
    if harm:
        typer.echo(evaluate_harm(predictor, photos))


@one_line_errors
def bench(weights: WeightsOption = None, device: DeviceOption = None) -> None:
    """Time DRHT on synthetic photos of 3, 12 and 48 megapixels."""
    from vision_models.exposure import ExposurePredictor
    from vision_models.exposure.evaluation.bench import bench as measure

    typer.echo(measure(ExposurePredictor.from_pretrained(weights, device=device)))
