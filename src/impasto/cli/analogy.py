"""`impasto analogy`: what was done to A to make A-PRIME, done to B."""

from os.path import realpath
from pathlib import Path
from typing import Annotated, Any

from cyclopts import App, Parameter

from impasto.cli.flags import Overwrite, Quiet, with_flags
from impasto.cli.stylize import NEEDED, group_of, paint
from impasto.core.errors import OptionError
from impasto.jobs.sources import measured, weighed
from impasto.jobs.spec import Job
from impasto.methods.analogies import Analogies
from impasto.wrappers.controls import Controls


def analogy(
    a: Annotated[str, Parameter(help="A picture: a file.")],
    a_prime: Annotated[str, Parameter(help="The same picture after something was done to it.")],
    b: Annotated[str, Parameter(help="The picture to do it to.")],
    /,
    *,
    output: Annotated[
        Path, Parameter(alias="-o", group=NEEDED, help="Result: a .png, .jpg or .webp file.")
    ],
    size: Annotated[
        int | None,
        Parameter(
            group=NEEDED,
            help="Long side of the result in pixels. By default B's own, at most 1024.",
        ),
    ] = None,
    seed: Annotated[
        int, Parameter(group=NEEDED, help="Another seed, another variant, where there is chance.")
    ] = 0,
    quiet: Quiet = False,
    overwrite: Overwrite = False,
    options: dict[str, Any],
) -> int | None:
    """Do to B what was done to A to make A-PRIME.

    A and A-PRIME keep their size beside B, unless --style-scale says otherwise.

    Raises:
        ImpastoError: as `impasto.jobs.perform.carry`.
    """
    measured(a)  # Refused before anything is begun.
    if realpath(output) == realpath(a):
        raise OptionError(f"{output} would overwrite another picture of this run; rename it")
    options = {"style_scale": _scale(a_prime, b, size)} | options | {"unfiltered": a}
    return paint(
        [b],
        style=[a_prime],
        output=output,
        size=size,
        seed=seed,
        method="analogies",
        quiet=quiet,
        overwrite=overwrite,
        options=options,
    )


def _scale(a_prime: str, b: str, size: int | None) -> float:
    """The long side of A-PRIME over that of the result, both shrunk alike if B is."""
    source = weighed(a_prime)[0][0]
    own, result = max(measured(b)), max(Job(b, (), size=size).result_size())
    scale = max(measured(source)) * min(1.0, result / own) / result
    return min(10.0, max(0.1, scale))


app = App(name="analogy", version_flags=[])
app.default(
    with_flags(analogy, Analogies, Controls, group=group_of, without=["unfiltered", "start"])
)
