"""What someone meets before the first photo: the import, the install, the commands, the Space's list of packages."""

import ast
import json
import os
import shutil
import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import Any

import pytest
import torch
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version
from space import front_matter, upload_command, uploaded

import vision_models

ROOT = Path(__file__).parents[1]
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
BROUGHT_BY_THE_SPACE = {"gradio", "spaces", "torch"}

# Imports the package while Python's audit events report every socket, process and file opened for writing.
WATCHED_IMPORT = """
import json, os, sys

found = {"events": [], "modules": []}

def watch(event, args):
    writes = event == "open" and args[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
    if writes or event.startswith(("socket.", "subprocess.", "os.mkdir", "os.putenv", "os.rename", "shutil.")):
        found["events"].append(f"{event} {args}")

before = set(sys.modules)
sys.addaudithook(watch)
import vision_models
found["modules"] = sorted({name.partition(".")[0] for name in set(sys.modules) - before} - sys.stdlib_module_names)
print(json.dumps(found))
"""


def run(*command: str | Path, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a command as from a fresh terminal: without what an outer `make` has put into the environment."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("CI", "MAKE", "MFLAGS"))}
    inherited.pop("PYTHON", None)
    return subprocess.run(
        command, cwd=cwd, env=inherited | environment, capture_output=True, text=True, timeout=300, check=False
    )


def requirements(lines: list[str]) -> dict[str, Requirement]:
    """Requirements by their normalized names."""
    parsed = [Requirement(line) for line in lines]
    return {canonicalize_name(requirement.name): requirement for requirement in parsed}


BASE = requirements(PROJECT["dependencies"])
EXTRAS = {extra: requirements(lines) for extra, lines in PROJECT["optional-dependencies"].items()}
PAGE = BASE | EXTRAS["demo"]


# --- import ---


def test_importing_the_package_loads_nothing_else_and_leaves_no_trace(tmp_path: Path) -> None:
    result = run(sys.executable, "-B", "-c", WATCHED_IMPORT, cwd=tmp_path, HOME=str(tmp_path), PYTHONPATH=str(ROOT))
    assert result.returncode == 0, result.stderr
    assert json.loads(result.stdout) == {"events": [], "modules": ["vision_models"]}
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", vision_models.__all__)
def test_every_public_name_is_there_and_says_what_it_is(name: str) -> None:
    assert getattr(vision_models, name).__doc__
    assert name in dir(vision_models)


def test_a_misspelled_name_is_answered_with_the_names_there_are() -> None:
    with pytest.raises(AttributeError, match=r"'ExposurePredicter'; it offers .*ExposurePredictor"):
        vision_models.ExposurePredicter  # noqa: B018


# --- install ---


def test_torch_and_torchvision_fit_together() -> None:
    from torchvision.ops import nms  # here, so that only this test fails where the two do not fit

    boxes = torch.tensor([[0.0, 0.0, 9.0, 9.0], [1.0, 1.0, 9.0, 9.0], [20.0, 20.0, 30.0, 30.0]])
    assert nms(boxes, torch.tensor([0.9, 0.8, 0.7]), 0.5).tolist() == [0, 2]


def imports(source: Path) -> set[str]:
    """Top-level names of the packages that a file imports anywhere in it."""
    nodes = list(ast.walk(ast.parse(source.read_text(encoding="utf-8"))))
    names = [alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names]
    names += [node.module for node in nodes if isinstance(node, ast.ImportFrom) and node.module and not node.level]
    return {name.partition(".")[0] for name in names}


def undeclared(sources: list[Path], declared: dict[str, Requirement]) -> list[str]:
    """Packages that files import although nobody who installs `declared` need have them."""
    foreign = set().union(*map(imports, sources)) - sys.stdlib_module_names - {"app", "demos", "vision_models"}
    installed = packages_distributions()
    return [name for name in foreign if declared.keys().isdisjoint(map(canonicalize_name, installed.get(name, [name])))]


def test_every_import_is_a_declared_dependency() -> None:
    package = list((ROOT / "vision_models").glob("**/*.py"))
    many = ROOT / "vision_models" / "cli" / "many.py"
    predictors = [path for path in package if path != many and not {"training", "evaluation"} & {*path.parts}]
    assert undeclared(predictors, BASE) == []
    assert undeclared([many], BASE | EXTRAS["batch"]) == []
    assert undeclared(package, BASE | EXTRAS["evaluate"] | EXTRAS["train"] | EXTRAS["batch"]) == []
    served = [ROOT / "demos" / "replicas.py", ROOT / "demos" / "replica_router.py"]
    assert undeclared([ROOT / "app.py", *set(ROOT.glob("demos/**/*.py")) - set(served)], PAGE) == []
    assert undeclared(served, PAGE | EXTRAS["serve"]) == []


# --- the Space ---


def test_the_space_installs_what_the_package_declares() -> None:
    lines = (ROOT / "requirements.txt").read_text().splitlines()
    listed = requirements([line for line in lines if line and not line.startswith("#")])
    assert listed.keys() == PAGE.keys() - BROUGHT_BY_THE_SPACE

    torchvision = listed.pop("torchvision").specifier
    built_for_torch_the_space_runs = ["0.23.0", "0.24.1", "0.25.0", "0.26.0", "0.27.1", "0.28.0"]
    versions = [*built_for_torch_the_space_runs, "0.22.1", "0.29.0", "0.30.0"]
    assert list(torchvision.filter(versions)) == built_for_torch_the_space_runs
    assert list(PAGE["torchvision"].specifier.filter(versions)) == [*built_for_torch_the_space_runs, "0.29.0"]

    assert {name: entry.specifier for name, entry in listed.items()} == {name: PAGE[name].specifier for name in listed}


def test_the_space_runs_versions_that_the_package_allows() -> None:
    settings = front_matter()
    assert PAGE["gradio"].specifier.contains(settings["sdk_version"])
    assert Version(settings["python_version"]) >= Version(PROJECT["requires-python"].removeprefix(">="))


def test_a_tag_brings_the_space_all_that_the_page_and_its_readme_show() -> None:
    needed = [front_matter()["app_file"], "README.md", "requirements.txt"]
    for folder in ("assets", "demos", "vision_models"):
        needed += [str(path.relative_to(ROOT)) for path in ROOT.glob(f"{folder}/**/*") if path.is_file()]
    assert len([name for name in needed if name.endswith(".safetensors")]) == 3
    assert set(needed) - set(uploaded(needed)) == set()
    assert "--delete *" in " ".join(upload_command())  # what is gone here goes there


def test_the_space_keeps_the_attributes_by_which_the_hub_hands_out_weights() -> None:
    """The Hub keeps weights and pictures in LFS, by its own .gitattributes; by ours, a clone has pointers instead."""
    assert uploaded([".gitattributes", "app.py"]) == ["app.py"]


# --- make ---


def make(target: str, checkout: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a Makefile target in `checkout`, which holds nothing but copies of the Makefile and pyproject.toml."""
    for name in ("Makefile", "pyproject.toml"):
        shutil.copy2(ROOT / name, checkout)
    return run(shutil.which("make") or "make", target, cwd=checkout, **environment)


def pretend(command: Path, script: str) -> None:
    """Put a shell script in the place of a command."""
    command.parent.mkdir(parents=True, exist_ok=True)
    command.write_text(f"#!/bin/sh\n{script}\n")
    command.chmod(0o755)


def test_make_without_a_suitable_python_says_which_one_is_needed(tmp_path: Path) -> None:
    result = make("demo", tmp_path, PYTHON="python2.7-is-not-here")
    assert result.returncode != 0
    assert "Python 3.11 or newer with its venv module is needed" in result.stderr
    assert "python2.7-is-not-here" in result.stderr


@pytest.mark.parametrize("target", ["demo", "test"])
def test_make_stops_at_a_torch_that_does_not_fit_torchvision(tmp_path: Path, target: str) -> None:
    pretend(
        tmp_path / ".venv/bin/python",
        """case "$*" in
        *torchvision*) echo "RuntimeError: operator torchvision::nms does not exist" >&2; exit 1;;
        *"pip list"*) echo "torch 2.13.0+cpu";;
        esac""",
    )
    result = make(target, tmp_path)
    assert result.returncode != 0
    assert "torch 2.13.0+cpu" in result.stderr
    assert "make clean, and run this again" in result.stderr
    assert not list(tmp_path.glob(".venv/.*"))  # so that the next run tries again


def test_make_installs_again_only_after_pyproject_has_changed(tmp_path: Path) -> None:
    pretend(tmp_path / ".venv/bin/python", 'echo "$@"')
    first, second = make("demo", tmp_path), make("demo", tmp_path)
    os.utime(tmp_path / "pyproject.toml")
    third = run(shutil.which("make") or "make", "demo", cwd=tmp_path)
    assert ["pip install" in result.stdout for result in (first, second, third)] == [True, False, True]
    assert all("app.py" in result.stdout for result in (first, second, third))


def commands(folder: Path, *names: str) -> str:
    """Make a PATH on which only these commands of the machine are found."""
    folder.mkdir()
    for name in names:
        (folder / name).symlink_to(shutil.which(name) or name)
    return str(folder)


def test_make_installs_chromium_where_it_may(tmp_path: Path) -> None:
    path = commands(tmp_path / "bin", "env", "id", "sh")
    pretend(tmp_path / "bin/sudo", 'shift; exec "$@"')
    pretend(tmp_path / "bin/apt-get", 'echo "apt-get $@"')
    result = make("chromium", tmp_path, PATH=path, CI="true")
    assert result.returncode == 0, result.stderr
    assert "apt-get install -y" in result.stdout
    assert " chromium" in result.stdout


@pytest.mark.parametrize(("ci", "passes"), [("", True), ("true", False)])
def test_without_chromium_a_person_goes_on_and_continuous_integration_fails(
    tmp_path: Path, ci: str, passes: bool
) -> None:
    result = make("chromium", tmp_path, PATH=commands(tmp_path / "bin", "id", "sh"), CI=ci)
    assert (result.returncode == 0) is passes
    assert 'There is no "chromium" command' in result.stderr
