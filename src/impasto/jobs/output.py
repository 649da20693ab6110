"""How the picture of a job is written: what it takes over from the content, and what is asked."""

from dataclasses import dataclass, replace

from impasto.core.errors import OptionError
from impasto.jobs.sources import is_painted
from impasto.media.formats import checked_quality
from impasto.media.image import Source, describe
from impasto.media.metadata import Metadata
from impasto.media.profiles import named


@dataclass(frozen=True)
class Output:
    """How a picture is written; by default as the content is, as far as the format can.

    Attributes:
        quality: of formats with loss, from 1 to 100; None is 95.
        bits: of a channel, 8 or 16; None is as many as the content has.
        profile: "keep" is the content's, "srgb", "p3", or an .icc file of RGB.
        metadata: whether EXIF, XMP and the recipe go into the file.
    """

    quality: int | None = None
    bits: int | None = None
    profile: str = "keep"
    metadata: bool = True

    def check(self) -> None:
        """Refuse what would fail after the work.

        Raises:
            OptionError: a value that is not accepted.
        """
        checked_quality(self.quality)
        if self.bits not in (None, 8, 16):
            raise OptionError(f"bits must be 8 or 16; got {self.bits!r}")
        if self.profile != "keep":
            named(self.profile)

    def said(self, content: Source, *, recipe: str | None = None) -> Metadata:
        """What the file shall say beside its pixels.

        Args:
            content: from which it was made.
            recipe: that it shall hold.

        Raises:
            MediaError: the content cannot be read.
        """
        found = Metadata() if is_painted(content) else describe(content)
        if self.profile != "keep":
            found = replace(found, icc=named(self.profile), grey=False)
        if not self.metadata:
            found, recipe = replace(found, exif=None, xmp=None), None
        return replace(found, bits=self.bits or found.bits, recipe=recipe)


def original(content: Source) -> Source | None:
    """The content as that from which transparency comes: none if code painted it."""
    return None if is_painted(content) else content
