"""What all training commands do: a log to read, and a run that goes on after the light went out."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from vision_models import training
from vision_models.distributed import Part
from vision_models.training import Logbook, Stateful, TrainingRun, follow, own_numbers


class Run(TrainingRun):
    """A network that is twice as good after every step."""

    def __init__(self) -> None:
        self.device = torch.device("cpu")
        self.seen, self.seconds = 0, 0.0
        self.network = nn.Linear(1, 1)
        nn.init.ones_(self.network.weight)

    def parts(self) -> Mapping[str, Stateful]:
        return {"network": self.network}

    def step(self) -> Tensor:
        self.seen += 4
        with torch.no_grad():
            self.network.weight /= 2
        return self.network.weight.detach().sum()


def test_a_run_without_a_checkpoint_begins(tmp_path: Path) -> None:
    run = Run()
    assert not run.resume(tmp_path / "checkpoint.pt")
    assert run.seen == 0


def test_a_run_goes_on_where_it_was_saved_and_counts_its_time_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(training, "SAVE_SECONDS", -1)
    first, checkpoint = Run(), tmp_path / "checkpoint.pt"
    first.seconds = 1000.0
    Logbook(first, 100, tmp_path).note({"box": first.step()})
    first.step()  # not saved any more
    second = Run()
    assert second.resume(checkpoint)
    assert (second.seen, second.network.weight.item()) == (4, 0.5)
    assert second.seconds >= 1000
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint.pt"]


def test_the_log_says_how_far_a_run_is_and_the_mean_of_what_it_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    run = Run()
    caplog.set_level("INFO", "vision_models")
    logbook = Logbook(run, 100, tmp_path)
    logbook.note({"box": run.step()}, size=32)
    assert not caplog.messages
    monkeypatch.setattr(training, "LOG_SECONDS", -1)
    logbook.note({"box": run.step()}, size=32)
    assert caplog.messages == ["      8 of 100 samples   box loss 0.3750"]
    assert json.loads((tmp_path / "log.jsonl").read_text()) == {"seen": 8, "seconds": 0, "size": 32, "box": 0.375}


def test_averaged_weights_follow_slowly_and_counters_at_once() -> None:
    average, network = nn.BatchNorm1d(1), nn.BatchNorm1d(1)
    nn.init.zeros_(network.weight)
    network(torch.zeros(2, 1))
    follow(average, network, 0.9)
    assert average.weight.item() == pytest.approx(0.9)
    assert average.num_batches_tracked is not None
    assert average.num_batches_tracked.item() == 1


def test_processes_share_every_joint_batch_and_have_as_many_samples_each() -> None:
    first, second = ([*own_numbers(8, 17, Part(rank, 2))] for rank in (0, 1))
    assert (first, second) == ([8, 10, 12, 14], [9, 11, 13, 15])
    assert [*own_numbers(8, 17)] == [*range(8, 17)]


def test_a_batch_that_does_not_suffice_for_all_processes_is_refused_in_words() -> None:
    assert Part(1, 4).of(16) == 4
    with pytest.raises(ValueError, match="3 processes cannot share a batch of 16 equally"):
        Part(1, 3).of(16)
