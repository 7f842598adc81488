"""Commands over many files: all below a folder, or those that a table names, here or by processes of Ray Data.

What is there already is not made again, so that the same call goes on where one ended; what failed, and why, is in the
`failed.csv` of the output.
"""

from __future__ import annotations

import csv
import logging
import os
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from shutil import rmtree
from typing import Annotated, Any
from uuid import uuid4

import typer

from vision_models.errors import DataError

TABLE = ".parquet"
COLUMN = "path"
PARTS = 8  # of the work of each process: a process that is done early takes another one

Work = Callable[[Path, Path], object]  # reads a file and writes the result, whole or not at all

ProcessesOption = Annotated[
    int, typer.Option(min=0, help="So many processes of Ray Data share a folder or table; 0: this one does it all.")
]


def are_many(source: Path) -> bool:
    """Whether a command is given a folder, or a table with a column of paths."""
    return source.is_dir() or source.suffix.lower() == TABLE


def for_each(
    source: Path,
    output: Path,
    ending: str,
    endings: Collection[str],
    begin: Callable[[], Work],
    processes: int = 0,
) -> None:
    """Do some work on each of many files.

    Args:
        source: A folder, or a Parquet file whose column `path` names files.
        output: Folder for the results, laid out like the source. What is below it is not among the files.
        ending: Of the results; "" where each is a folder.
        endings: Of the files that are wanted of a folder, in small letters.
        begin: Called once in each process; loads what the work needs.
        processes: Of Ray Data; 0 is none.

    Raises:
        DataError: there are no files, the results would lie among them, or the table has no such column.
    """
    if output.resolve() == source.resolve():
        raise DataError(f"{output} is the folder that is read. Name another one to write to; nothing was changed.")
    source, output = source.absolute(), output.absolute()
    files = _named(source) if source.suffix.lower() == TABLE else _below(source, endings, output)
    if not files:
        raise DataError(f"There is nothing in {source} that can be read here.")
    root = source if source.is_dir() else Path(os.path.commonpath([file.parent for file in files]))
    stems = Counter(file.with_suffix("") for file in files)
    tasks = []
    for file in files:
        name = file.with_suffix(ending) if stems[file.with_suffix("")] == 1 else file.with_name(file.name + ending)
        tasks.append((file, output / name.relative_to(root)))
    left = [(file, result) for file, result in tasks if not result.exists()]
    outcomes = _by_ray(left, begin, processes) if processes and left else _here(left, begin)
    with typer.progressbar(outcomes, length=len(left), label=f"{len(files)} files") as shown:
        failed = [(str(file.relative_to(root)), why) for file, why in shown if why]
    manifest = output / "failed.csv"
    manifest.unlink(missing_ok=True)
    if failed:
        output.mkdir(parents=True, exist_ok=True)
        with manifest.open("w", newline="", encoding="utf-8") as written:
            csv.writer(written).writerows([("file", "why"), *sorted(failed)])
    typer.echo(f"Wrote {output}." + (f" {len(failed)} failed: see {manifest}." if failed else ""))


@contextmanager
def whole(file: Path) -> Iterator[Path]:
    """Give a path to write a file or folder to, that becomes `file` when all of it is there."""
    unfinished = file.with_name(f".{file.name}")
    if unfinished.is_dir():
        rmtree(unfinished)  # of a call that was killed
    yield unfinished
    unfinished.replace(file)


def _below(folder: Path, endings: Collection[str], output: Path) -> list[Path]:
    files = (path for path in folder.rglob("*") if path.suffix.lower() in endings and not path.name.startswith("."))
    return sorted(path for path in files if not path.is_relative_to(output))


def _named(table: Path) -> list[Path]:
    from pyarrow import ArrowInvalid, parquet

    try:
        paths = parquet.read_table(table, columns=[COLUMN])[COLUMN].to_pylist()
    except (ArrowInvalid, KeyError) as error:
        raise DataError(f"{table} should be a Parquet file with a column `{COLUMN}`.") from error
    return sorted({Path(path).absolute() for path in paths if path})


def _done(work: Work, file: Path, result: Path) -> str:
    """Do the work; return why it failed, or ""."""
    try:
        result.parent.mkdir(parents=True, exist_ok=True)
        work(file, result)
    except Exception as error:  # noqa: BLE001 - whatever is wrong with one file, the others are done
        return str(error) or type(error).__name__
    return ""


def _done_or_died(work: Work, file: Path, result: Path, call: str) -> str:
    """As `_done`, and a file that ended the process in the same call has failed: the engine would try for ever."""
    begun = result.with_name(f".{result.name}.begun")
    if begun.is_file() and begun.read_text() == call:
        begun.unlink()
        return "The process ended while it was at work on this file: there may be too little memory for it."

    def tried(file: Path, result: Path) -> None:
        begun.write_text(call)
        try:
            work(file, result)
        finally:
            begun.unlink()

    return _done(tried, file, result)


def _here(tasks: Sequence[tuple[Path, Path]], begin: Callable[[], Work]) -> Iterator[tuple[Path, str]]:
    if tasks:
        work = begin()
        yield from ((file, _done(work, file, result)) for file, result in tasks)


def _by_ray(
    tasks: Sequence[tuple[Path, Path]], begin: Callable[[], Work], processes: int
) -> Iterator[tuple[Path, str]]:
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nobody is told what runs here
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")
    import ray
    import ray.data

    logging.getLogger("ray.data").setLevel(logging.ERROR)  # what there is to say is said here

    call = uuid4().hex

    class Worker:
        def __init__(self) -> None:
            self.work = begin()

        def __call__(self, rows: dict[str, Any]) -> dict[str, Any]:
            pairs = zip(rows["file"], rows["result"], strict=True)
            why = [_done_or_died(self.work, Path(file), Path(result), call) for file, result in pairs]
            return {"file": rows["file"], "why": why}

    if "RAY_ADDRESS" in os.environ:
        ray.init(log_to_driver=False)
    else:
        ray.init(num_cpus=processes + 1, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False  # ours is there
    try:
        rows = [{"file": str(file), "result": str(result)} for file, result in tasks]
        gpus = ray.cluster_resources().get("GPU", 0)
        outcomes = ray.data.from_items(rows, override_num_blocks=min(len(rows), processes * PARTS)).map_batches(
            Worker, batch_size=1, compute=ray.data.ActorPoolStrategy(size=processes), num_gpus=min(1, gpus / processes)
        )
        for row in outcomes.iter_rows():
            yield Path(row["file"]), row["why"]
    finally:
        ray.shutdown()
