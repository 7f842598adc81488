"""Settings of DRHT.

Yang et al., "Image Correction via Deep Reciprocating HDR Transformation", CVPR 2018, arXiv 1804.04371.
"""

from __future__ import annotations

from dataclasses import dataclass

from vision_models.weights.record import Weights

PAPER_WIDTH = 64
LUMINANCE = (0.2126, 0.7152, 0.0722)  # of red, green and blue, Rec. 709


@dataclass(frozen=True)
class DRHTConfig:
    """The size of both networks and the constants between them. The defaults are the paper's size."""

    width: int = PAPER_WIDTH  # channels of the first block; every other block is a fixed multiple of it
    working_size: int = 362  # the networks see pictures of about working_size**2 pixels (the paper trains on 256 x 512)
    alpha: float = 1 / 30  # HDR in the LDR domain is alpha * H**gamma, so that H up to 30**2.2 stays below 1
    gamma: float = 1 / 2.2
    log_offset: float = 1 / 255  # network 2 reads log(H + log_offset)
    # None of these is in the paper's figure:
    global_context: bool = False  # the mean of the latent map is added back to every cell of it
    smooth_decoder: bool = False  # a small blur after each transposed convolution, which leaves a plaid otherwise
    trust_unclipped: bool = False  # the HDR estimate is the linearised photo times one number where that is not clipped
    judge_need: bool = False  # a number says how much of the correction the photo needs
    keep_blacks: bool = False  # what is black in the photo does not become grey fog

    def __post_init__(self) -> None:
        if self.width < 4:
            raise ValueError(f"width must be at least 4, not {self.width}")
        if self.working_size < 64:
            raise ValueError(f"working_size must be at least 64, not {self.working_size}")

    @property
    def is_paper_size(self) -> bool:
        """Whether both networks have as many channels as in the paper."""
        return self.width == PAPER_WIDTH


WEIGHTS = Weights(
    name="exposure-compact",
    filename="exposure/exposure-compact.safetensors",
    sha256="e91601ef35aa76079461a2e242338d51bde8c0948918c72fa57ec1df9dc92dba",
    license="Apache-2.0",
    paper="https://arxiv.org/abs/1804.04371",
    bundled="exposure/weights/exposure-compact.safetensors",
    card="exposure/MODEL_CARD.md",
)
