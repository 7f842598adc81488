"""What people do to GIFs: words on them, faster or slower, back and forth, square or upright."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from PIL import Image, ImageDraw, ImageFont

from vision_models.media.videos import WHOLE, Crop

if TYPE_CHECKING:
    from vision_models.media.videos import Video

Position = Literal["top", "middle", "bottom"]
Shape = Literal["as it is", "square", "portrait"]

SLOWEST, FASTEST = 0.5, 2.0
LONGEST_CAPTION = 200  # characters
_ASPECTS: dict[Shape, float] = {"square": 1.0, "portrait": 4 / 5}  # width by height
_MARGIN = 0.04  # of the height
_OUTLINE = 0.08  # of the letters' height


@dataclass(frozen=True)
class Edits:
    """How a GIF differs from the video that it is cut out of.

    Attributes:
        caption: Words to be written on it; long lines are broken.
        position: Where.
        size: Height of the letters, as a share of the picture's.
        outline: Whether white letters have a black edge, and so can be read on anything.
        speed: 0.5 (half as fast) to 2.
        back_and_forth: Whether it plays forwards, then backwards.
        shape: Of the picture; what is too wide or too high is cut off on both sides.

    Raises:
        ValueError: for a speed, a size or a caption beyond the limits.
    """

    caption: str = ""
    position: Position = "bottom"
    size: float = 0.12
    outline: bool = True
    speed: float = 1.0
    back_and_forth: bool = False
    shape: Shape = "as it is"

    def __post_init__(self) -> None:
        if not SLOWEST <= self.speed <= FASTEST:
            raise ValueError(f"The speed has to be between {SLOWEST} and {FASTEST}, not {self.speed}.")
        if not 0.03 <= self.size <= 0.5:
            raise ValueError(f"The size of a caption has to be between 0.03 and 0.5 of the height, not {self.size}.")
        if len(self.caption) > LONGEST_CAPTION:
            raise ValueError(f"A caption can have up to {LONGEST_CAPTION} characters, not {len(self.caption)}.")


AS_IT_IS = Edits()


def shaped(video: Video, shape: Shape) -> Video:
    """Return the video with what is too wide, or too high, cut off on both sides."""
    aspect = _ASPECTS.get(shape)
    if aspect is None:
        return video
    ratio = aspect * video.height / video.width  # of the new width to the old one
    crop = Crop((1 - ratio) / 2, 0, ratio, 1) if ratio < 1 else Crop(0, (1 - 1 / ratio) / 2, 1, 1 / ratio)
    return video if crop == WHOLE else video.cropped(crop)


def caption_picture(edits: Edits, size: tuple[int, int]) -> Image.Image:
    """Write the caption on a transparent picture of this width and height."""
    width, height = size
    picture = Image.new("RGBA", size)
    draw = ImageDraw.Draw(picture)
    margin = round(_MARGIN * height)
    letters = max(round(edits.size * height), 8)
    while True:
        font = ImageFont.load_default(letters)
        edge = max(round(_OUTLINE * letters), 1) if edits.outline else 0
        usual = max(draw.textlength("n", font), 1)
        lines = textwrap.wrap(edits.caption, max(int((width - 2 * margin) / usual), 4)) or [""]
        text = "\n".join(lines)
        left, top, right, bottom = draw.multiline_textbbox((0, 0), text, font, align="center", stroke_width=edge)
        if (right - left <= width - 2 * margin and bottom - top <= height - 2 * margin) or letters <= 8:
            break
        letters = max(letters * 9 // 10, 8)
    y = {"top": margin, "middle": (height - (bottom - top)) / 2, "bottom": height - margin - (bottom - top)}
    place = ((width - (right - left)) / 2 - left, y[edits.position] - top)
    draw.multiline_text(
        place, text, "white", font, align="center", stroke_width=edge, stroke_fill="black" if edge else None
    )
    return picture
