"""What the documents promise is there: files, commands, options, and what other programs read."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml

import vision_models
from vision_models.cli.app import app
from vision_models.exposure.config import WEIGHTS as EXPOSURE
from vision_models.gifs.config import WEIGHTS as GIFS
from vision_models.interactions.config import WEIGHTS as INTERACTIONS

ROOT = Path(__file__).parents[1]
CARDS = {weights: ROOT / "vision_models" / weights.card for weights in (EXPOSURE, GIFS, INTERACTIONS)}
CARD_LINES = 130
DOCUMENTS = [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *CARDS.values()]
COMMAND = re.compile(r"vision-models ((?:[a-z-]+ ?)+(?:[^`\n#]*))")


def commands() -> list[str]:
    """Every command line that a document shows, without `vision-models`."""
    return sorted({one.strip() for path in DOCUMENTS for one in COMMAND.findall(path.read_text(encoding="utf-8"))})


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_file_that_is_linked_exists(path: Path) -> None:
    links = re.findall(r"\]\(([^)]+)\)", path.read_text(encoding="utf-8"))
    assert [one for one in links if not one.startswith("http") and not (path.parent / one).exists()] == []


def test_the_map_names_places_that_exist() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    table = text[text.index("| place |") : text.index("Data flows one way")]
    named = [name for row in table.strip().splitlines() for name in re.findall(r"`([^`]+)`", row.split("|")[1])]
    homes = (ROOT, *(ROOT / folder for folder in ("vision_models", "vision_models/exposure", "demos")))
    assert len(named) > 20
    assert [name for name in named if not any((home / name).exists() for home in homes)] == []


@pytest.mark.parametrize("line", commands())
def test_every_command_in_the_documents_can_be_typed(line: str) -> None:
    command: Any = typer.main.get_command(app)
    words = shlex.split(line.rstrip(".,;:)"))
    while words and words[0] in getattr(command, "commands", {}):
        command = command.commands[words.pop(0)]
    assert not getattr(command, "commands", {}) or words in ([], ["COMMAND", "--help"]), f"no such command: {line}"
    known = {"--help", *(name for option in command.params for name in option.opts)}
    assert [word for word in words if re.match("--?[a-z]", word) and word not in known] == []


@pytest.mark.parametrize("weights", CARDS, ids=lambda weights: weights.name)
def test_a_card_is_short_and_names_the_commands_of_its_figures(weights: Any) -> None:
    card = CARDS[weights].read_text(encoding="utf-8")
    assert len(card.splitlines()) <= CARD_LINES
    model = weights.name.removesuffix("-compact")
    for command in ("train", "evaluate", "bench"):
        assert f"vision-models {command} {model}" in card
    assert f"docs/{model}.md" in card


def test_the_exposure_card_names_the_bundled_size() -> None:
    assert "32-32-64-128-128-256-128-128-64-32-32" in CARDS[EXPOSURE].read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "name",
    ["CITATION.cff", ".pre-commit-config.yaml", *(str(p.relative_to(ROOT)) for p in ROOT.glob(".github/**/*.yml"))],
)
def test_files_for_other_programs_can_be_read(name: str) -> None:
    assert isinstance(yaml.safe_load((ROOT / name).read_text(encoding="utf-8")), dict)


def test_changelog_and_citation_are_of_this_version() -> None:
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert changelog.index(f"## {vision_models.__version__}") == changelog.index("\n## ") + 1
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert citation["version"] == vision_models.__version__
    papers = {weights.paper for weights in CARDS}
    assert {reference["url"] for reference in citation["references"]} == papers
