"""All commands by name."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

from vision_models.cli import exposure, gifs, interactions
from vision_models.cli.common import one_line_errors
from vision_models.errors import DataError

app = typer.Typer(
    help="Vision models with learned weights of their own: cut GIFs, find interactions, correct photos, train them.",
    no_args_is_help=True,
)
train = typer.Typer(help="Train a model. The same command again resumes.", no_args_is_help=True)
evaluate = typer.Typer(help="Print a model's figures, as Markdown tables.", no_args_is_help=True)
bench = typer.Typer(
    help="Print speed and memory, as ratios within one run: of one model, or of all in one table.",
    invoke_without_command=True,
)
convert = typer.Typer(help="Turn files that others publish into what training reads.", no_args_is_help=True)


@bench.callback()
def bench_all(context: typer.Context) -> None:
    """Bench each model in a process of its own, so that none counts another's memory."""
    if context.invoked_subcommand:
        return
    typer.echo("| model | figure |\n|---|---|")
    for model in ("exposure", "interactions", "gifs"):
        program = "from vision_models.cli.app import app; app()"
        command = [sys.executable, "-c", program, "bench", model]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)  # noqa: S603 - our own program
        for figure in done.stdout.splitlines():
            typer.echo(f"| {model} | {figure} |")


@one_line_errors
def publish(
    repository: Annotated[
        str, typer.Argument(metavar="OWNER/NAME", help="A model repository on the Hugging Face Hub; made when missing.")
    ],
    private: Annotated[bool, typer.Option(help="Make the repository private, if it is made now.")] = False,
) -> None:
    """Upload the bundled weights and model cards, and print the line for the Space's settings."""
    from vision_models.exposure.config import WEIGHTS as EXPOSURE
    from vision_models.gifs.config import WEIGHTS as GIFS
    from vision_models.interactions.config import WEIGHTS as INTERACTIONS
    from vision_models.weights.publish import publish as upload

    line = upload(repository, [EXPOSURE, GIFS, INTERACTIONS], private=private)
    typer.echo("Uploaded. Put this variable into the Space's settings:")
    typer.echo(line)


@one_line_errors
def serve(
    folder: Annotated[
        Path, typer.Argument(help="The checkout that app.py lies in.", exists=True, file_okay=False)
    ] = Path(),
    replicas: Annotated[int, typer.Option(min=1, help="Copies of the page.")] = 2,
    host: Annotated[str, typer.Option(help="The address to listen at; 0.0.0.0 is all.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535)] = 7860,
) -> None:
    """Serve several copies of the page behind one address, on Ray Serve; each visitor stays with one of them."""
    if not (folder / "demos" / "replicas.py").is_file() or find_spec("ray") is None:
        raise DataError(
            f"The page is no part of the package. Run this in a checkout with `pip install '.[demo,serve]'`: {folder}"
        )
    program = """import sys
from demos.replicas import serve
replicas, host, port = sys.argv[1:]
serve(int(replicas), host, int(port))
"""
    # In place of this program, so that whoever ends this one ends the page.
    os.chdir(folder)
    os.execv(sys.executable, [sys.executable, "-c", program, str(replicas), host, str(port)])  # noqa: S606 - our own


app.command()(serve)
app.command()(exposure.correct)
app.command()(gifs.gif)
app.command()(interactions.detect)
app.command()(interactions.label)
app.command()(publish)
app.add_typer(train, name="train")
app.add_typer(evaluate, name="evaluate")
app.add_typer(bench, name="bench")
app.add_typer(convert, name="convert")
train.command("exposure")(exposure.train)
train.command("gifs")(gifs.train)
train.command("gifs-encoder")(gifs.train_encoder)
train.command("gifs-pose")(gifs.train_pose)
train.command("interactions")(interactions.train)
evaluate.command("exposure")(exposure.evaluate)
evaluate.command("gifs")(gifs.evaluate)
evaluate.command("interactions")(interactions.evaluate)
bench.command("exposure")(exposure.bench)
bench.command("gifs")(gifs.bench)
bench.command("interactions")(interactions.bench)
convert.command("nanodet")(interactions.convert_nanodet)
convert.command("efficientnet-lite3")(interactions.convert_efficientnet)
convert.command("torchvision-detector")(interactions.convert_detector)
convert.command("vcoco-boxes")(interactions.convert_vcoco)
convert.command("vcoco-index")(interactions.convert_index)
convert.command("verb-map")(interactions.convert_verb_map)
