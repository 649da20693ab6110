"""`impasto plan`: what a run would take, as a table."""

import sys
from collections.abc import Sequence
from dataclasses import replace
from itertools import product

from impasto.cli.look import table
from impasto.cli.main import say
from impasto.core.errors import ImpastoError
from impasto.jobs.folders import Found
from impasto.jobs.plan import Plan, planned
from impasto.jobs.prepared import Prepared
from impasto.jobs.spec import Job

HEAD = ("picture", "pixels", "memory", "time", "tiles")
REFUSED = 2


def plan(job: Job, contents: Sequence[str | Found], *, each: bool = False) -> int:
    """Tell what a job would take for each of these contents; 2 if one would be refused.

    Args:
        job: its content plays no part.
        contents: files.
        each: paint every style by itself instead of all blended.
    """
    rows: list[tuple[str, ...]] = [HEAD]
    refusals: list[str] = []
    total = 0.0
    prepared = Prepared()
    paths = [str(one.path if isinstance(one, Found) else one) for one in contents]
    styles = [[style] for style in job.styles] if each else [job.styles]
    for path, chosen in product(paths, styles):
        try:
            found = planned(replace(job, content=path, styles=chosen), prepared=prepared)
        except ImpastoError as error:
            refusals.append(str(error))
            continue
        rows.append(_row(f"{path}, {chosen[0][0]}" if each else path, found))
        # A batch starts once.
        total += found.seconds - (found.start if total else 0)
        refusals += [found.refusal] if found.refusal else []
    if len(rows) > 2:
        rows.append(("all", "", "", _time(total), ""))
    if len(rows) > 1:
        table(rows)
    sys.stdout.flush()
    for sentence in refusals:
        say(sentence)
    return REFUSED if refusals else 0


def _row(name: str, plan: Plan) -> tuple[str, ...]:
    height, width = plan.size
    tiles = f"{plan.tiles} of {plan.side} px and {plan.margin} around" if plan.side else "none"
    tiles = "would be refused" if plan.refusal else tiles
    return name, f"{width} × {height}", f"{plan.memory / 1e9:.2f} GB", _time(plan.seconds), tiles


def _time(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 180 else f"{seconds / 60:.0f} min"
