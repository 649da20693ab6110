"""What each of several styles gives: everything, fine strokes, coarse ones, or layer by layer.

After Gatys et al., "Controlling Perceptual Factors in Neural Style Transfer", CVPR 2017, section 6,
which mixes the scales of two styles. Departure: the paper first makes a new style picture from
both; here each layer asks one style or the other, or both by halves.
"""

from collections.abc import Callable, Sequence
from contextlib import suppress
from math import inf, log2

from impasto.core.errors import OptionError

Mix = Callable[[str, float], float]
"""The share of a style at a layer, a position of which is so many pixels of a result of 512."""


def mixes(words: Sequence[str] | None, layers: Sequence[str], *, count: int) -> list[Mix]:
    """What each style gives, from one word for each.

    Args:
        words: "all", "fine", "coarse", or one weight for each layer as "1/1/0.5/0/0"; None is all
            of every style.
        layers: at which styles are matched, in the order of the weights.
        count: of styles.

    Raises:
        OptionError: a word is none of these, or there are more or fewer than styles.
    """
    words = words or ("all",) * count
    if len(words) != count:
        raise OptionError(
            f"style_mix must be one for each of the {count} styles; got {', '.join(words)}"
        )
    return [_mix(word, layers) for word in words]


def _mix(word: str, layers: Sequence[str]) -> Mix:
    if word == "all":
        return lambda *_: 1.0
    if word in ("fine", "coarse"):
        return lambda _, scale: fineness(scale) if word == "fine" else 1 - fineness(scale)
    with suppress(ValueError):
        weights = dict(zip(layers, map(float, word.split("/")), strict=True))
        if min(weights.values()) >= 0 and 0 < max(weights.values()) < inf:
            # The grain goes with the finest layer.
            return lambda layer, _: weights.get(layer, weights[layers[0]])
    raise OptionError(
        "style_mix must be all, fine, coarse or a weight for each of the layers "
        f"{', '.join(layers)} with / between; got {word}"
    )


def fineness(scale: float) -> float:
    """The share of the style that gives the fine strokes, in what is so many pixels large.

    All of it up to 2 pixels of a result of 512, half at 4, none from 8: networks see strokes at
    several times the size of a position.
    """
    return min(1.0, max(0.0, (3 - log2(scale)) / 2))


def scales(given: Sequence[float] | None, *, count: int) -> Sequence[float]:
    """Those given, one for each style, or 1 for all.

    Raises:
        OptionError: there is not one for each style, above 0.
    """
    given = given or (1.0,) * count
    if len(given) != count or min(given) <= 0:
        got = ", ".join(f"{scale:g}" for scale in given)
        raise OptionError(
            f"style_scales must be one for each of the {count} styles, above 0; got {got}"
        )
    return given
