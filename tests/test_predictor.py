"""What the three predictors share: one way in, for weights from anywhere."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from vision_models import ExposurePredictor, HighlightPredictor, InteractionPredictor
from vision_models.errors import RepositoryNameError, WeightsFormatError
from vision_models.predictor import Predictor
from vision_models.weights.checkpoint import save_tensors
from vision_models.weights.record import Weights

TINY = Weights("tiny", "tiny/tiny.safetensors", "0" * 64, "Apache-2.0", "", "tiny.safetensors", "CARD.md")


class Scale(nn.Module):
    """A network of one number."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.factor = nn.Parameter(torch.zeros(width))


class ScalePredictor(Predictor[Scale]):
    """The smallest predictor there can be."""

    weights = TINY

    @classmethod
    def build(cls, config: Mapping[str, Any]) -> Scale:
        return Scale(**config)


@pytest.mark.parametrize("predictor", [ExposurePredictor, HighlightPredictor, InteractionPredictor])
def test_every_model_is_loaded_the_same_way(predictor: type[Predictor[Any]]) -> None:
    assert issubclass(predictor, Predictor)
    assert "from_pretrained" not in vars(predictor)
    assert predictor.weights.bundled_path.is_file()
    parameters = [*inspect.signature(predictor.from_pretrained).parameters]
    assert parameters == ["source", "device", "revision", "cache_dir", "local_files_only"]


def test_a_predictor_without_weights_is_refused_when_it_is_defined() -> None:
    with pytest.raises(TypeError, match="Bare is a predictor without weights"):

        class Bare(Predictor[Scale]):
            @classmethod
            def build(cls, config: Mapping[str, Any]) -> Scale:
                return Scale(**config)


def test_a_predictor_without_a_network_is_refused_when_it_is_defined() -> None:
    with pytest.raises(TypeError, match="Bare is a predictor without a network"):

        class Bare(Predictor[Scale]):
            weights = TINY


@pytest.mark.parametrize("as_text", [False, True])
def test_weights_of_ones_own_are_named_by_their_file(tmp_path: Path, as_text: bool) -> None:
    file = tmp_path / "own.safetensors"
    save_tensors(file, {"factor": torch.ones(3)}, {"width": 3})
    predictor = ScalePredictor.from_pretrained(str(file) if as_text else file, device="cpu")
    assert predictor.network.factor.tolist() == [1, 1, 1]
    assert (predictor.network.training, predictor.network.factor.requires_grad) == (False, False)
    assert predictor.weights_file.origin == "path"
    assert repr(predictor) == "ScalePredictor(tiny, path, cpu)"


def test_the_config_of_another_model_is_refused_in_words(tmp_path: Path) -> None:
    file = tmp_path / "other.safetensors"
    save_tensors(file, {"factor": torch.ones(3)}, {"height": 3})
    with pytest.raises(WeightsFormatError, match=r"other\.safetensors does not fit ScalePredictor.*height"):
        ScalePredictor.from_pretrained(file)


def test_a_device_in_the_place_of_a_repository_is_explained() -> None:
    with pytest.raises(RepositoryNameError, match=r'The repository is "cpu"\. Write it as OWNER/NAME'):
        ExposurePredictor.from_pretrained("cpu")
