"""A method prepared as a job's controls ask: its styles changed before, its picture after."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, cast

from pydantic import BaseModel

from impasto.core.contract import Regional, Style, Stylizer
from impasto.core.errors import OptionError
from impasto.core.options import build
from impasto.core.tensors import Image
from impasto.jobs import regions
from impasto.jobs.prepared import Prepared, generator, side_of, styles_of
from impasto.jobs.spec import Job
from impasto.methods import load, names
from impasto.ops.resample import fit, resize
from impasto.tiles import Source as Strips
from impasto.wrappers import Controls, Wrapped, colored, repainted

CONTROLS = ("color", "smooth", "mask", "several masks", "style_mask")
"""What can be asked of every method, or of some."""
_REGIONAL = ("several masks", "style_mask")


def taking(control: str) -> list[str]:
    """The methods that take a control."""
    return [n for n in names() if control not in _REGIONAL or hasattr(load(n), "regional")]


def built(name: str, options: Mapping[str, Any]) -> tuple[Any, Controls]:
    """A method and the controls, from one bag of options; a method's own go first.

    Raises:
        OptionError: an option is unknown or has a value that is not accepted.
    """
    model = cast("type[BaseModel]", load(name))
    own = {word: value for word, value in options.items() if word in model.model_fields}
    rest = {word: value for word, value in options.items() if word not in own}
    if unknown := [word for word in rest if word not in Controls.model_fields]:
        raise OptionError(refusal(name, unknown[0]))
    return build(model, own), build(Controls, rest)


def refusal(name: str, option: str) -> str:
    """What to say of an option that a method does not have."""
    having = [other for other in names() if option in cast("Any", load(other)).model_fields]
    if having:
        return f"{name} has no option {option}; {_and(having)} {'have' if having[1:] else 'has'} it"
    known = [*cast("Any", load(name)).model_fields, *Controls.model_fields]
    return f"there is no option {option}; the options are {', '.join(known)}"


@dataclass(frozen=True)
class Control:
    """A job whose method and controls are built.

    Attributes:
        job: what to do.
        method: built from the job's options.
        controls: likewise.
        size: height and width of the result.
        whole: whether the picture can be done at once.
        device: where the styles are put.
    """

    job: Job
    method: Any
    controls: Controls
    size: tuple[int, int]
    whole: bool
    device: str

    def prepared(
        self, known: Prepared, *, content: Callable[[], Image]
    ) -> tuple[Wrapped, list[Strips]]:
        """The stylizer, and where each style goes: one region a style, or none.

        Args:
            known: stylizers that other jobs have left.
            content: gives the content, of any size, for its colours.

        Raises:
            ImpastoError: a picture cannot be opened, a control is refused, or as the method's
                `prepare`.
        """
        several = len(self.job.mask) > 1
        self._check("several masks", several)
        self._check("style_mask", bool(self.job.style_mask))
        masks = regions.masks(self.job, size=self.size)
        stylizer = self._stylizer(known, content)
        mask = masks[0] if len(masks) == 1 else None
        return Wrapped(stylizer, self.controls, mask), masks if several else []

    def _stylizer(self, known: Prepared, content: Callable[[], Image]) -> Stylizer:
        color = self.controls.color
        place: Any = {"size": self.size, "whole": self.whole, "device": self.device}
        if color == "style" and not self.job.style_mask:
            return known.stylizer(self.job, self.method, **place)
        styles = styles_of(self.job, self.method, **place)
        if color == "content-only-colors":
            strength = getattr(self.method, "strength", 1.0)
            return repainted(styles, content(), strength=strength)
        if color != "style":
            side = side_of(self.method, size=self.size, whole=self.whole)
            styles = [colored(_no_larger(each, side), content(), color=color) for each in styles]
        styles = regions.masked_styles(self.job, styles)
        return self.method.prepare(styles, generator=generator(self.job.seed))

    def _check(self, control: str, asked: bool) -> None:
        if asked and control in _REGIONAL and not isinstance(self.method, Regional):
            raise OptionError(
                f"{self.job.method} cannot take {control}; {_and(taking(control))} can"
            )


def _and(words: list[str]) -> str:
    return " and ".join(filter(None, (", ".join(words[:-1]), words[-1])))


def _no_larger(style: Style, side: int) -> Style:
    """A style no larger than a method looks at it."""
    image = style.image
    if image is None or max(image.shape[2:]) <= side:
        return style
    return replace(style, image=resize(image, fit(*image.shape[2:], long_side=side)))
