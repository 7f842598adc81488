"""DRHT's networks and the conversions between them."""

from dataclasses import replace

import pytest
import torch

from vision_models.exposure.config import DRHTConfig
from vision_models.exposure.network import DRHT, AutoEncoder, decode_radiance, encode_radiance, log_radiance
from vision_models.exposure.training.losses import needed

TINY = DRHTConfig(width=4, working_size=64, global_context=True)


def test_the_paper_s_size_has_the_article_s_kernels_and_channels() -> None:
    network = AutoEncoder(DRHTConfig().width)
    blocks = [*network.encoder, network.latent, *network.decoder]
    assert [block[0].out_channels for block in blocks] == [64, 64, 128, 256, 256, 512, 256, 256, 128, 64, 64]
    assert [block[0].kernel_size[0] for block in blocks] == [9, 5, 3, 3, 3, 3, 3, 3, 3, 5, 9]
    assert [block[0].stride[0] for block in blocks] == [1, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2]
    assert 4.8e6 < sum(parameter.numel() for parameter in DRHT(DRHTConfig()).parameters()) / 2 < 4.9e6


def test_the_paper_s_size_says_so_and_the_compact_one_does_not() -> None:
    assert DRHTConfig().is_paper_size
    assert not TINY.is_paper_size


def test_encoded_radiance_decodes_to_itself_and_stays_in_the_ldr_range() -> None:
    config = DRHTConfig()
    radiance = torch.tensor([0.001, 0.18, 1.0, 100.0, 30.0**2.2])
    encoded = encode_radiance(radiance, config)
    torch.testing.assert_close(decode_radiance(encoded, config), radiance, rtol=1e-4, atol=1e-6)
    assert encoded.max() <= 1.0 + 1e-6
    assert encode_radiance(torch.ones(1), config).item() == pytest.approx(1 / 30)


def test_black_is_finite_in_the_logarithm() -> None:
    assert log_radiance(torch.zeros(1), DRHTConfig()).item() == pytest.approx(-5.541, abs=1e-3)


def test_before_training_only_the_skips_speak() -> None:
    photo = torch.rand(2, 3, 64, 64)
    prediction = DRHT(TINY).eval()(photo)
    torch.testing.assert_close(prediction.encoded, TINY.alpha * photo)
    torch.testing.assert_close(prediction.radiance, photo.clamp_min(1e-4) ** 2.2, rtol=1e-3, atol=1e-6)


def test_a_photo_s_result_does_not_depend_on_the_photos_beside_it() -> None:
    torch.manual_seed(0)
    network = DRHT(TINY)
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.05)
    network.eval()
    photos = torch.rand(4, 3, 64, 96)
    with torch.inference_mode():
        together = network(photos)
        alone = network(photos[2:3])
    torch.testing.assert_close(together.corrected[2:3], alone.corrected, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(together.radiance[2:3], alone.radiance, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("size", [(31, 31), (32, 33), (100, 64)])
def test_a_size_that_does_not_halve_five_times_is_refused(size: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="multiples of 32"):
        DRHT(TINY)(torch.rand(1, 3, *size))


@pytest.mark.parametrize(("width", "working_size"), [(0, 256), (24, 8)])
def test_impossible_settings_are_refused(width: int, working_size: int) -> None:
    with pytest.raises(ValueError, match="must be at least"):
        DRHTConfig(width=width, working_size=working_size)


def test_a_flat_picture_comes_back_flat() -> None:
    torch.manual_seed(0)
    network = DRHT(replace(TINY, smooth_decoder=True)).eval()
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    with torch.inference_mode():
        corrected = network(torch.full((1, 3, 256, 256), 0.3)).corrected[..., 96:160, 96:160]
    assert (corrected.amax(dim=(2, 3)) - corrected.amin(dim=(2, 3))).max() < 1e-3


def test_light_that_is_not_clipped_is_the_linearised_photo_but_for_one_factor() -> None:
    torch.manual_seed(0)
    network = DRHT(replace(TINY, trust_unclipped=True)).eval()
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.05)
    photo = torch.rand(1, 3, 64, 64) * 0.8 + 0.02
    with torch.inference_mode():
        ratio = network(photo).radiance / photo.pow(2.2)
    assert ratio.amax() / ratio.amin() < 1.001


def test_what_is_well_exposed_needs_nothing_and_what_is_not_all() -> None:
    right = torch.full((3, 3, 8, 8), 0.5)
    photo = torch.stack([right[0], right[0] + 0.1, right[0] - 0.4])
    torch.testing.assert_close(needed(photo, right), torch.tensor([0.0, 0.5, 1.0]))
