"""A method prepared as a job's controls ask: its styles changed before, its picture after."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import ceil
from typing import Any, cast

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from impasto.core.contract import Learnt, Regional, Style, Stylizer
from impasto.core.errors import OptionError
from impasto.core.options import build
from impasto.core.tensors import Image
from impasto.jobs import regions
from impasto.jobs.prepared import Prepared, generator, side_of, styles_of
from impasto.jobs.spec import Job
from impasto.media.image import Source
from impasto.methods import load, names
from impasto.ops.resample import fit, resize
from impasto.ops.stroke import stroke as stroke_of
from impasto.tiles import Source as Strips
from impasto.wrappers.controls import Controls
from impasto.wrappers.wrapped import Wrapped, colored, repainted

CONTROLS = (
    "strength",
    "quality",
    "color luminance",
    "smooth",
    "mask",
    "protect",
    "subject",
    "several masks",
    "style_mask",
    "content_map",
    "match_regions",
    "color linear",
    "stroke",
)
"""What can be asked of every method, or of some."""
MEASURED = 512
"""Long side at which the strokes of a style are measured, in pixels."""
LEAST_SCALE, MOST_SCALE = 0.1, 10.0
"""A style is brought to no less and no more than so much of its usual size."""
_PARTED, *_LOOKED = CONTROLS[7:11]
"""A place for each style, and places in the pictures of styles."""
_STROKES = ("stroke", "style_scale")


def taking(control: str) -> list[str]:
    """The methods that take a control."""
    known = {name: load(name) for name in names()}
    if control in ("strength", "quality"):
        return [name for name in known if control in fields_of(name)]
    if control == _PARTED:
        return [name for name, method in known.items() if _parts(method)]
    if control in (*_LOOKED, "stroke"):
        return [name for name, method in known.items() if hasattr(method, "regional")]
    if control == "color linear":
        return [name for name, method in known.items() if not hasattr(method, "learnt")]
    return list(known)


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


def fields_of(name: str) -> dict[str, FieldInfo]:
    """All options that can be given with a method, its own first.

    Raises:
        OptionError: there is no such method.
    """
    return {**Controls.model_fields, **cast("type[BaseModel]", load(name)).model_fields}


def over(
    base: Job,
    *,
    method: str | None = None,
    styles: Sequence[tuple[Source, float]] = (),
    size: int | None = None,
    seed: int | None = None,
    options: Mapping[str, Any],
) -> Job:
    """A job with its own settings, and those of another wherever it says nothing.

    Args:
        base: of its options those count that the method has. A size of strokes gives way to the
            other way of saying one.
        method: what is said, as of a Job, like all that follows.
        styles: none are those of the other.
        size: in pixels.
        seed: of all randomness.
        options: win over those of the other.

    Raises:
        OptionError: there is no such method.
    """
    method = method or base.method
    fields = fields_of(method)
    kept = {name: value for name, value in base.options.items() if name in fields}
    if not options.keys().isdisjoint(_STROKES):
        kept = {name: value for name, value in kept.items() if name not in _STROKES}
    return replace(
        base,
        method=method,
        styles=styles or base.styles,
        size=base.size if size is None else size,
        seed=base.seed if seed is None else seed,
        options={**kept, **options},
    )


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
        job, controls = self.job, self.controls
        places = regions.places(job, controls, size=self.size, content=content)
        two = bool(controls.subject) and bool(places.regions)
        asked = {
            "subject for two styles": two,
            "several masks": bool(places.regions) and not two,
            "style_mask": bool(job.style_mask),
            "content_map": job.content_map is not None or bool(job.style_map),
            "match_regions": controls.match_regions is not None,
        }
        self._check([word for word, wanted in asked.items() if wanted])
        stylizer, parts = self._stylizer(known, content)
        mask = regions.Product(places.masks) if places.masks else None
        return Wrapped(stylizer, controls, mask), places.regions or parts

    def _stylizer(
        self, known: Prepared, content: Callable[[], Image]
    ) -> tuple[Stylizer, list[Strips]]:
        job, color = self.job, self.controls.color
        place: Any = {"size": self.size, "whole": self.whole, "device": self.device}
        split = job.style_mask or job.content_map is not None or self.controls.match_regions
        if color == "style" and not split and self.controls.stroke is None:
            return known.stylizer(job, self.method, **place), []
        styles = styles_of(job, self.method, **place)
        side = side_of(self.method, size=self.size, whole=self.whole)
        if self.controls.stroke is not None:
            styles = [_scaled(each, side, stroke=self.controls.stroke) for each in styles]
        if color not in ("style", "content-only-colors"):
            styles = [
                colored(_no_larger(each, ceil(side * each.scale)), content(), color=color)
                for each in styles
            ]
        styles = regions.masked_styles(job, styles)
        parts, masks = regions.paired(job, self.controls, styles, content)
        goes = [regions.Stretched(mask, size=self.size) for mask in masks]
        if color == "content-only-colors":
            strength = getattr(self.method, "strength", 1.0)
            return repainted(parts or styles, content(), strength=strength), list(goes)
        return self.method.prepare(parts or styles, generator=generator(job.seed)), list(goes)

    def _check(self, asked: list[str]) -> None:
        """One way at a time to part a picture, and only for methods that can."""
        color, learnt = self.controls.color, isinstance(self.method, Learnt)
        if self.controls.stroke is not None and _scales(self.method):
            raise OptionError("stroke and style_scale both say how large strokes are; give one")
        if self.controls.stroke is not None and not isinstance(self.method, Regional):
            raise OptionError(f"{self.job.method} cannot take stroke; {_and(taking('stroke'))} can")
        if color in ("linear", "linear-symmetric", "histogram") and learnt:
            able = _and(taking("color linear"))
            raise OptionError(f"{self.job.method} cannot take color {color}; {able} can")
        for word in asked:
            looked = word in _LOOKED
            if not (isinstance(self.method, Regional) if looked else _parts(self.method)):
                able = _and(taking(word if looked else _PARTED))
                raise OptionError(f"{self.job.method} cannot take {word}; {able} can")
        if len(asked) > 1:
            raise OptionError(f"{_and(asked)} cannot go together; choose one")
        job = self.job
        if "content_map" in asked and (
            job.content_map is None or len(job.style_map) != len(job.styles)
        ):
            raise OptionError(
                f"content_map and style_map go together, style_map once for each of the "
                f"{len(job.styles)} styles; got {len(job.style_map)}"
            )


def _and(words: list[str]) -> str:
    return " and ".join(filter(None, (", ".join(words[:-1]), words[-1])))


def _parts(method: Any) -> bool:
    """Whether a method, or its class, paints each style in a place of its own."""
    return hasattr(method, "regional") or getattr(method, "mixes", False)


def _scales(method: Any) -> bool:
    """Whether it is asked for another size of strokes than its usual one."""
    field = cast("type[BaseModel]", type(method)).model_fields.get("style_scale")
    return field is not None and method.style_scale != field.default


def _scaled(style: Style, side: int, *, stroke: float) -> Style:
    """A style at the scale at which its strokes have this size in pixels."""
    if style.image is None:
        raise OptionError("stroke needs the picture of a style; a .style file does not hold it")
    image = resize(style.image, fit(*style.image.shape[2:], long_side=MEASURED))
    own = stroke_of(image) / MEASURED * side
    if not LEAST_SCALE <= stroke / own <= MOST_SCALE:
        raise OptionError(
            f"stroke must be from {LEAST_SCALE * own:.2g} to {MOST_SCALE * own:.3g} pixels for "
            f"this style at this size; got {stroke:g}"
        )
    return replace(style, scale=stroke / own)


def _no_larger(style: Style, side: int) -> Style:
    """A style no larger than a method looks at it."""
    image = style.image
    if image is None or max(image.shape[2:]) <= side:
        return style
    return replace(style, image=resize(image, fit(*image.shape[2:], long_side=side)))
