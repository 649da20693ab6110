"""`impasto evaluate`: a result beside the trivial answers, as a table or as JSON."""

import json
import sys
from contextlib import suppress
from pathlib import Path
from typing import Annotated

import torch
from cyclopts import Parameter

from impasto.cli.look import table
from impasto.cli.main import say
from impasto.cli.terminal import bar
from impasto.core.errors import ImpastoError, OptionError
from impasto.evaluate.compare import judge
from impasto.jobs.replay import recipe_of
from impasto.jobs.sources import opened
from impasto.media.image import read
from impasto.nets import zoo
from impasto.nets.gallery import works


def evaluate(
    out: Annotated[str, Parameter(help="The stylized picture.")],
    /,
    *,
    content: Annotated[str, Parameter(help="The photograph it was made from.")],
    style: Annotated[str, Parameter(help="The picture it imitates: a file, or :NAME.")],
    network: Annotated[
        str, Parameter(help="The judge: vgg19, vgg16 or a weights file; not what was optimised.")
    ] = "vgg19",
    style_scale: Annotated[
        float, Parameter(help="The style scale that the result was asked for.")
    ] = 1.0,
    as_json: Annotated[
        bool, Parameter(name="--json", negative=(), help="Print JSON instead of a table.")
    ] = False,
) -> None:
    """Judge a result beside the content copied, its colours transferred, and the style cropped.

    Lower is better but for roughness, which is best near 1: distance to the style, the same over
    that of the content copied, distance to the content, roughness, pyramid distance to the style.
    """
    if not 0.1 <= style_scale <= 10:
        raise OptionError(f"style_scale must be a number from 0.1 to 10; got {style_scale:g}")
    result = read(out)
    _warn(out, style, network)
    side = max(result.shape[2:])
    pictures = opened(content, long_side=side), opened(style, long_side=round(side * style_scale))
    model = zoo.models().get(network)
    with bar(quiet=model is None or model.status != "to download"):
        judging = zoo.load(network)
    # As VGG was trained; reflection is for pictures that are optimised.
    judging.padding = "zeros"
    verdict = judge(
        result,
        pictures[0],
        style=pictures[1],
        network=judging,
        style_scale=style_scale,
        generator=torch.Generator().manual_seed(0),
    )
    if as_json:
        sys.stdout.write(f"{json.dumps(verdict.as_dict(), indent=2)}\n")
    else:
        table(verdict.table())


def _warn(out: str, style: str, network: str) -> None:
    """Say where the figures will flatter."""
    with suppress(ImpastoError):
        if network in recipe_of(Path(out)).networks:
            say(f"{out} was made by looking with {network}, which will be pleased with it")
    if style in works():
        say(f"{style} stands for a rendering of ours here; name the painting to judge by it")
