"""The words that mean the same for every method."""

from typing import Literal

from pydantic import Field

from impasto.core.options import Options

Color = Literal[
    "style", "luminance", "linear", "linear-symmetric", "histogram", "content-only-colors"
]


class Controls(Options):
    """The words that mean the same for every method."""

    stroke: float | None = Field(
        None, gt=0, description="size of strokes in pixels of the result, at any size"
    )
    color: Color = Field(
        "style",
        description="whose colours: the style's; the content's in one of four ways; or the "
        "style's and nothing else of it",
    )
    smooth: float = Field(0.0, ge=0, le=1, description="smooths what is flat and leaves edges")
    subject: tuple[float, ...] | None = Field(
        None,
        description="LEFT,TOP,RIGHT,BOTTOM around what the first style paints, in pixels of "
        "CONTENT or shares of it; a second style paints the rest",
    )
    match_regions: int | None = Field(
        None, ge=2, le=8, description="how many kinds of places go from the style to the same kinds"
    )
    protect: tuple[Literal["faces", "subject"], ...] = Field(
        (), description="what stays as it is: faces, subject, or both"
    )
