"""`impasto plan`: what a run would take, as a table."""

import sys
from collections.abc import Sequence
from dataclasses import replace

from impasto.cli.look import table
from impasto.cli.main import say
from impasto.core.errors import ImpastoError
from impasto.jobs.folders import Found
from impasto.jobs.plan import Plan, planned
from impasto.jobs.spec import Job

HEAD = ("picture", "pixels", "memory", "time", "tiles")
REFUSED = 2


def plan(job: Job, contents: Sequence[str | Found]) -> int:
    """Tell what a job would take for each of these contents; 2 if one would be refused."""
    rows: list[tuple[str, ...]] = [HEAD]
    refusals: list[str] = []
    total = 0.0
    for content in contents:
        path = str(content.path if isinstance(content, Found) else content)
        try:
            found = planned(replace(job, content=path))
        except ImpastoError as error:
            refusals.append(str(error))
            continue
        rows.append(_row(path, found))
        total += found.seconds
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
