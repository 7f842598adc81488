"""The commands of the GIF model."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

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
from vision_models.media.edits import FASTEST, SLOWEST, Edits

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from vision_models.gifs import HighlightPredictor
    from vision_models.gifs.result import Clip


class GifKind(StrEnum):
    """What a short silent clip can be written as."""

    gif = "gif"
    mp4 = "mp4"
    webp = "webp"


class Place(StrEnum):
    """Where words are on a GIF."""

    top = "top"
    middle = "middle"
    bottom = "bottom"


class Outline(StrEnum):
    """What shape a GIF has."""

    as_it_is = "as it is"
    square = "square"
    portrait = "portrait"


@one_line_errors
def gif(
    video: Annotated[Path, typer.Argument(help="Any video file; many: a folder, or a .parquet with paths.")],
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Folder for the GIFs; made if missing. Of many: a folder in it each.")
    ],
    history: Annotated[
        list[Path] | None, typer.Option(help="A GIF or short video that you like. Repeat the option for more.")
    ] = None,
    disliked: Annotated[
        list[Path] | None, typer.Option(help="One that you would not have cut. Repeat the option for more.")
    ] = None,
    count: Annotated[int, typer.Option(min=1, help="How many GIFs at most.")] = 5,
    length: Annotated[float, typer.Option(min=0.2, help="Seconds of each.")] = 4.0,
    weight: Annotated[float, typer.Option(min=0, max=1, help="0 is what everyone gets, 1 fully personal.")] = 1.0,
    height: Annotated[int, typer.Option(min=16, help="Pixels; never more than the video has.")] = 240,
    fps: Annotated[float, typer.Option(min=1, max=50, help="Frames per second.")] = 12.5,
    kind: Annotated[GifKind, typer.Option("--format", help="What to write.")] = GifKind.gif,
    max_kb: Annotated[int, typer.Option(min=0, help="Kilobytes that no file is larger than; 0 is any size.")] = 5000,
    caption: Annotated[str, typer.Option(help="Words to write on every one.")] = "",
    position: Annotated[Place, typer.Option(help="Where the words are.")] = Place.bottom,
    speed: Annotated[float, typer.Option(min=SLOWEST, max=FASTEST, help="1 is as filmed.")] = 1.0,
    back_and_forth: Annotated[bool, typer.Option(help="Play forwards, then backwards.")] = False,
    shape: Annotated[Outline, typer.Option(help="Cut off what is too wide or too high for it.")] = Outline.as_it_is,
    keep_bars: Annotated[bool, typer.Option(help="Keep bars that stay around the picture all the time.")] = False,
    overwrite: Annotated[bool, typer.Option(help="Replace files that are there already.")] = False,
    by_shots: Annotated[bool, typer.Option(help="Rank shots instead of segments of five seconds.")] = False,
    weights: WeightsOption = None,
    device: DeviceOption = None,
    processes: ProcessesOption = 0,
) -> None:
    """Cut the GIFs that you would have cut out of a video, judging by GIFs you like, or out of many; that resumes."""
    from vision_models.gifs import HighlightPredictor
    from vision_models.media.videos import VIDEO_SUFFIXES

    try:
        edits = Edits(caption, position.value, speed=speed, back_and_forth=back_and_forth, shape=shape.value)
    except ValueError as error:
        raise DataError(str(error)) from error
    names = [output / f"{video.stem}-{number}.{kind}" for number in range(1, count + 1)]
    if not are_many(video):
        for name in names:
            check_output(name, [f".{kind}"], video, *history or (), *disliked or (), overwrite=overwrite)
    predictor = HighlightPredictor.from_pretrained(weights, device=device)
    liked, unwanted = ([_remembered(predictor, path) for path in some or ()] for some in (history, disliked))
    cutting = _Cutting(
        weights, device, liked, unwanted, weight, by_shots, count, length, height, fps, kind, max_kb, edits, keep_bars
    )
    if are_many(video):
        for_each(video, output, "", VIDEO_SUFFIXES | {".apng", ".gif"}, cutting.begin, processes)
        return
    output.mkdir(parents=True, exist_ok=True)
    with about(video):
        cut = cutting.cut(predictor, video, names)
        for name, clip, start_s, end_s in cut:
            like = ""
            if history and clip.nearest is not None:
                like = f", like {history[clip.nearest].name} ({clip.similarity:.2f})"
            typer.echo(f"Wrote {name}: {start_s:.1f} to {end_s:.1f} s, score {clip.score:.2f}{like}")


@dataclass(frozen=True)
class _Cutting:
    """What `gif` is asked for, as another process can be told of it."""

    weights: Path | None
    device: str | None
    liked: Sequence[NDArray[np.float32]]
    disliked: Sequence[NDArray[np.float32]]
    weight: float
    by_shots: bool
    count: int
    length_s: float
    height: int
    fps: float
    kind: GifKind
    max_kb: int
    edits: Edits
    keep_bars: bool

    def begin(self) -> Work:
        """Load the network; return what cuts the GIFs of a video into a folder."""
        from vision_models.gifs import HighlightPredictor

        predictor = HighlightPredictor.from_pretrained(self.weights, device=self.device)

        def work(video: Path, folder: Path) -> None:
            with whole(folder) as unfinished:
                unfinished.mkdir()
                names = [unfinished / f"{video.stem}-{number}.{self.kind}" for number in range(1, self.count + 1)]
                for _ in self.cut(predictor, video, names):
                    pass

        return work

    def cut(
        self, predictor: HighlightPredictor, video: Path, names: Sequence[Path]
    ) -> Iterator[tuple[Path, Clip, float, float]]:
        """Cut the GIFs of a video, the best first; give the file of each, what is said of it, and a player's times."""
        from vision_models.media.clips import write_gif
        from vision_models.media.videos import probe

        index = predictor.index(video, by_shots=self.by_shots)
        highlights = predictor.score(index, self.liked, self.disliked, weight=self.weight, by_shots=self.by_shots)
        shown = probe(video) if self.keep_bars else index.video
        limit = self.max_kb * 1000 or None
        for name, clip in zip(names, highlights.best(self.count, self.length_s), strict=False):  # there may be fewer
            write_gif(shown, clip.start_s, clip.end_s, name, self.height, self.fps, limit, edits=self.edits)
            yield name, clip, clip.start_s + index.video.lead_s, clip.end_s + index.video.lead_s


@one_line_errors
@jointly
def train_encoder(
    data: Annotated[Path, typer.Option(help="Folder of photo sets, see the model card.", exists=True)],
    out: OutOption,
    device: DeviceOption = None,
    workers: WorkersOption = 1,
) -> None:
    """Train the encoder of PHD-GIFs, beginning with public ImageNet weights."""
    from vision_models.gifs.training.train_encoder import EncoderRecipe
    from vision_models.gifs.training.train_encoder import train_encoder as train_model

    weights = train_model(data, out, EncoderRecipe(), device=device, workers=workers)
    typer.echo(f"Wrote {weights}. Train the scorers on it: vision-models train gifs --encoder {weights}")


@one_line_errors
@jointly
def train_pose(
    data: Annotated[Path, typer.Option(help="Folder of photo sets, see the model card.", exists=True)],
    teacher: Annotated[Path, typer.Option(help="movenet-lightning.json, see the model card.", exists=True)],
    out: OutOption,
    device: DeviceOption = None,
    workers: WorkersOption = 1,
) -> None:
    """Train the network that finds people's joints, beginning with public weights of MoveNet."""
    from vision_models.gifs.training.train_pose import PoseRecipe
    from vision_models.gifs.training.train_pose import train_pose as train_model

    weights = train_model(data, teacher, out, PoseRecipe(), device=device, workers=workers)
    typer.echo(f"Wrote {weights}. Train the scorers on it: vision-models train gifs --pose {weights}")


@one_line_errors
@jointly
def train(
    data: Annotated[Path, typer.Option(help="Folder of photo sets and clips, see the model card.", exists=True)],
    encoder: Annotated[Path, typer.Option(help="What `train gifs-encoder` wrote.", exists=True)],
    pose: Annotated[Path, typer.Option(help="What `train gifs-pose` wrote.", exists=True)],
    out: OutOption,
    device: DeviceOption = None,
) -> None:
    """Train the scorers of PHD-GIFs on simulated users."""
    from vision_models.gifs.training.train import Recipe
    from vision_models.gifs.training.train import train as train_model

    weights = train_model(data, encoder, pose, out, Recipe(), device=device)
    typer.echo(f"Wrote {weights}. Try it: vision-models gif VIDEO -o FOLDER --weights {weights}")


@one_line_errors
def evaluate(
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
    from vision_models.gifs import HighlightPredictor
    from vision_models.gifs.evaluation.cuts import evaluate_cuts
    from vision_models.gifs.evaluation.evaluate import evaluate as on_clips
    from vision_models.gifs.evaluation.evaluate import evaluate_fights
    from vision_models.gifs.evaluation.mixed import evaluate_mixed
    from vision_models.gifs.evaluation.phd2 import baselines, evaluate_phd2, read_phd2
    from vision_models.gifs.scorers import Comparison
    from vision_models.gifs.training.data import read_clips

    need_one_of("--data", "--phd2", given=bool(data or phd2))
    users = read_phd2(phd2) if phd2 else []
    if users:
        typer.echo(baselines(users))
    if not data and not phd2_videos:
        return
    predictor = HighlightPredictor.from_pretrained(weights, device=device)
    if data:
        typer.echo(on_clips(data, predictor))
        test = [clip for clip in read_clips(data) if clip.is_test]
        typer.echo(evaluate_mixed(test, predictor))
        typer.echo(evaluate_cuts(test, predictor))
        if (data / "fight").is_dir():
            typer.echo(evaluate_fights(data, predictor))
    if users and phd2_videos:
        typer.echo(evaluate_phd2(users, phd2_videos, predictor, Comparison(predictor.network).scorers))


@one_line_errors
def bench(weights: WeightsOption = None, device: DeviceOption = None) -> None:
    """Time PHD-GIFs on ten minutes and on an hour of synthetic 720p video."""
    from vision_models.gifs import HighlightPredictor
    from vision_models.gifs.evaluation.bench import bench as measure

    typer.echo(measure(HighlightPredictor.from_pretrained(weights, device=device)))


def _remembered(predictor: HighlightPredictor, path: Path) -> NDArray[np.float32]:
    with about(path):
        return predictor.remember(path)
