"""Run the benchmarks and keep what they find: `python -m benchmarks [speed] [quality] …`.

Each part writes `benchmarks/results/<part>.json`, with the machine it ran on. Times are medians of
whole processes; machines differ and are shared, so what counts are the ratios within one run.
"""

import json
import os
import platform
import sys
from datetime import UTC, datetime
from functools import partial
from importlib.metadata import version
from pathlib import Path

import torch

from benchmarks import (
    analogies,
    batch,
    blocks,
    controls,
    losses,
    multistyle,
    plan,
    quality,
    quilting,
    realtime,
    speed,
    strokes,
    universal,
)
from impasto.core.errors import ImpastoError

RESULTS = Path(__file__).parent / "results"
PARTS = {
    "speed": speed.speed,
    "memory": speed.memory,
    "quality": quality.quality,
    "strength": quality.strength,
    "teachers": quality.teachers,
    "losses": losses.losses,
    "losses_final": losses.losses_final,
    "regions": losses.regions,
    "strokes": strokes.strokes,
    "controls": controls.controls,
    "controls_draft": controls.controls_draft,
    "universal_speed": universal.universal_speed,
    "universal_pairs": universal.universal_pairs,
    "universal_pairs_float32": partial(universal.universal_pairs, precision="float32"),
    "universal_quality": universal.universal_quality,
    "auto_gain": universal.auto_gain,
    "faithful": universal.faithful,
    "analogies": analogies.analogies,
    "realtime": realtime.realtime,
    "blocks": blocks.blocks,
    "multistyle": multistyle.multistyle,
    "beside_gatys": multistyle.beside_gatys,
    "beside_gatys_exact": multistyle.beside_gatys_exact,
    "mixing": multistyle.mixing,
    "adding": multistyle.adding,
    "quilting": quilting.quilting,
    "plan": plan.plan,
    "batch": batch.batch,
    "killed": batch.killed,
}


def machine() -> dict[str, object]:
    """What the figures were measured on."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.is_file() else []
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    processor = next(named, platform.processor())
    return {
        "processor": processor,
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "capability": torch.backends.cpu.get_cpu_capability(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "torch": torch.__version__,
        "impasto": version("impasto"),
        "date": datetime.now(UTC).date().isoformat(),
    }


def main() -> None:
    """Run the parts named on the command line, or all."""
    RESULTS.mkdir(exist_ok=True)
    for part in sys.argv[1:] or PARTS:
        try:
            found = PARTS[part]()
        except ImpastoError as error:
            print(f"{part} is left out: {error}")
            continue
        kept = {"machine": machine(), **found}
        (RESULTS / f"{part}.json").write_text(json.dumps(kept, indent=1) + "\n")
        print(part, json.dumps(found.get("summary", found), indent=1))


if __name__ == "__main__":
    main()
