"""The rules that keep the house easy to find one's way in. `pytest -s tests/test_house.py` prints where it stands."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
MODELS = ("exposure", "gifs", "interactions")
FILE_LINES, FUNCTION_LINES, TOP_MODULES = 450, 80, 11
OURS = sorted([ROOT / "app.py", *ROOT.glob("demos/**/*.py"), *ROOT.glob("vision_models/**/*.py")])
PACKAGE = [path for path in OURS if path.is_relative_to(ROOT / "vision_models")]


def say(where_it_stands: str) -> None:
    """Tell whoever runs this file with `-s`."""
    print(f"\n{where_it_stands}")  # noqa: T201 - a check that prints is what this file is for


def name_of(path: Path) -> str:
    """The module's dotted name."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {name_of(path): path for path in OURS}


def imported(tree: ast.AST) -> Iterator[str]:
    """Modules of ours that a piece of code imports."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module:
            yield from (name for name in (f"{node.module}.{one.name}" for one in node.names) if name in MODULES)
            yield node.module
        elif isinstance(node, ast.Import):
            yield from (one.name for one in node.names)


def at_import(path: Path) -> set[str]:
    """Modules of ours that are loaded when this one is."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            node.body = []
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            node.body = []
    return {name for name in imported(tree) if name in MODULES}


def everything_imported(path: Path) -> set[str]:
    return {name for name in imported(ast.parse(path.read_text(encoding="utf-8"))) if name in MODULES}


def loaded_by(module: str) -> set[str]:
    """All modules of ours that are loaded with this one."""
    found: set[str] = set()
    waiting = [module]
    while waiting:
        one = waiting.pop()
        if one not in found:
            found.add(one)
            waiting += at_import(MODULES[one])
    return found


def test_no_file_is_too_long_to_read_in_one_go() -> None:
    lines = {name: len(path.read_text(encoding="utf-8").splitlines()) for name, path in MODULES.items()}
    longest = max(lines, key=lines.__getitem__)
    say(f"longest file: {longest}, {lines[longest]} lines of {FILE_LINES} allowed")
    assert {name: count for name, count in lines.items() if count > FILE_LINES} == {}


def test_no_function_is_too_long_to_see_at_once() -> None:
    lines: dict[str, int] = {}
    for name, path in MODULES.items():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                lines[f"{name}.{node.name}"] = (node.end_lineno or node.lineno) - node.lineno + 1
    longest = max(lines, key=lines.__getitem__)
    say(f"longest function: {longest}, {lines[longest]} lines of {FUNCTION_LINES} allowed")
    assert {name: count for name, count in lines.items() if count > FUNCTION_LINES} == {}


@pytest.mark.parametrize("model", MODELS)
def test_a_model_has_few_modules_at_its_top_and_the_same_ones_as_the_others(model: str) -> None:
    folder = ROOT / "vision_models" / model
    modules = {path.stem for path in folder.glob("*.py")}
    say(f"{model}: {len(modules)} modules of {TOP_MODULES} allowed: {', '.join(sorted(modules))}")
    assert len(modules) <= TOP_MODULES
    assert modules >= {"__init__", "config", "network", "predictor", "result"}
    assert {path.stem for path in (folder / "training").glob("*.py")} >= {"__init__", "data", "train"}
    assert {path.stem for path in (folder / "evaluation").glob("*.py")} >= {"__init__", "evaluate", "bench"}
    assert (folder / "MODEL_CARD.md").is_file()
    assert list((folder / "weights").glob("*.safetensors"))


@pytest.mark.parametrize("model", MODELS)
def test_no_model_imports_another(model: str) -> None:
    others = tuple(f"vision_models.{other}" for other in MODELS if other != model)
    wrong = {
        name: sorted(one for one in everything_imported(path) if one.startswith(others))
        for name, path in MODULES.items()
        if name.startswith(f"vision_models.{model}")
    }
    assert {name: found for name, found in wrong.items() if found} == {}


@pytest.mark.parametrize("model", MODELS)
def test_a_predictor_loads_neither_training_nor_evaluation(model: str) -> None:
    loaded = loaded_by(f"vision_models.{model}.predictor")
    assert [name for name in loaded if {"training", "evaluation"} & {*name.split(".")[2:3]}] == []


def test_networks_know_no_page_and_demos_know_no_networks() -> None:
    outside = {
        name: [
            one
            for one in imported(ast.parse(path.read_text(encoding="utf-8")))
            if one.split(".")[0] in ("gradio", "demos")
        ]
        for name, path in MODULES.items()
        if path in PACKAGE
    }
    assert {name: found for name, found in outside.items() if found} == {}
    inside = {
        name: sorted(
            one for one in everything_imported(path) if one.endswith((".network", ".backbone")) or ".training" in one
        )
        for name, path in MODULES.items()
        if path not in PACKAGE
    }
    assert {name: found for name, found in inside.items() if found} == {}


def test_no_imports_go_in_a_circle() -> None:
    waiting = {name: at_import(path) - {name} for name, path in MODULES.items()}
    # A package's __init__ is loaded before its modules; that they import each other's names is no circle.
    while free := [name for name, needs in waiting.items() if not needs & waiting.keys()]:
        for name in free:
            del waiting[name]
    assert waiting == {}
