"""Write into the docs what the program itself knows; with `--check`, only say what is stale.

`reference.md` is written as a whole. Elsewhere it is what stands between `<!-- name -->` and
`<!-- /name -->`: the measured figures, the painted styles, the order of the rooms.
"""

import json
import os
import re
import sys
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from pkgutil import resolve_name
from typing import Any, cast
from unittest.mock import patch

from cyclopts import App
from pydantic import BaseModel

from impasto import methods, painted
from impasto.cli.main import COMMANDS, main
from impasto.core.options import accepts
from impasto.jobs.control import CONTROLS, taking
from impasto.nets import zoo
from impasto.wrappers.controls import Controls

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks" / "results"
# Whatever terminal this runs in, the help looks the same.
TERMINAL = {"COLUMNS": "100", "NO_COLOR": "1", "FORCE_COLOR": ""}

FIGURES = (
    (
        "universal_pairs",
        "AdaIN at 512 × 512 px, painting looked at too, with all loaded: median of 100 pairs",
        "{adain[median_s]:.2f} s",
    ),
    ("universal_pairs", "WCT, likewise", "{wct[median_s]:.2f} s"),
    (
        "universal_pairs",
        "AdaIN as in its paper, with VGG-19 in float32, on the same machine",
        "{vgg19_adain_s:.1f} s",
    ),
    (
        "universal_pairs_float32",
        "The three on a machine without bfloat16 and AVX512",
        "{adain[median_s]:.2f} s, {wct[median_s]:.2f} s, {vgg19_adain_s:.1f} s",
    ),
    ("universal_speed", "A draft of 512 px: whole process", "{auto_draft_512_s:.1f} s"),
    ("universal_speed", "A picture of 512 px by default, likewise", "{auto_normal_512_s:.1f} s"),
    ("universal_speed", "The best of 512 px, likewise", "{auto_best_512_s:.1f} s"),
    (
        "universal_speed",
        "A draft of 3840 × 2160 px, from JPEG to JPEG",
        "{draft_3840_s:.1f} s, {draft_3840_gb:.2f} GB",
    ),
    (
        "universal_speed",
        "A draft of 12,000 × 8,400 px, likewise",
        "{draft_12000_s:.0f} s, {draft_12000_gb:.2f} GB",
    ),
    ("speed", "Gatys' method at 512 px, whole process", "{stylize_512_s:.1f} s"),
    ("speed", "The same at 1024 px", "{stylize_1024_s:.1f} s"),
    ("speed", "The same at 2048 px", "{stylize_2048_s:.1f} s"),
    (
        "speed",
        "Cost of a pixel at 2048 px over one at 512 px",
        "{cost_2048_over_512_per_pixel:.2f}",
    ),
    ("speed", "First preview at 512 px, from the start of the process", "{first_preview_s:.1f} s"),
    (
        "speed",
        "1,000 iterations on VGG-19 at 512 px by the same code (extrapolated)",
        "{vgg19_1000_iterations_s:,.0f} s",
    ),
    ("speed", "That over Gatys' method at 512 px", "{times_faster_than_vgg19:,.0f} ×"),
    (
        "speed",
        "That over a picture of 512 px by default",
        "{default_times_faster_than_vgg19:,.0f} ×",
    ),
    ("speed", "`impasto --help`", "{help_s:.2f} s"),
    ("speed", "`import impasto`", "{import_s:.3f} s"),
    (
        "realtime",
        "A frame of 512 × 512 px in one of sixteen styles, plain torch",
        "{torch_ms:.0f} ms, {torch_fps:.0f} a second",
    ),
    (
        "realtime",
        "The same on the quickest engine and precision",
        "{best_ms:.0f} ms, {best_fps:.0f} a second ({best})",
    ),
    ("realtime", "That over the paper's network in plain torch", "{times_the_paper:.1f} ×"),
    ("realtime", "A frame of 1280 × 720 px on the same engine", "{video_fps:.1f} a second"),
    ("memory", "Peak memory at 512 px", "{peak_512_gb:.2f} GB"),
    ("memory", "Peak memory at 1024 px", "{peak_1024_gb:.2f} GB"),
    ("memory", "Peak memory at 2048 px", "{peak_2048_gb:.2f} GB"),
    ("quality", "Style distance over that of the untouched photograph, median", "{ratio:.3f}"),
    ("quality", "Content distance, median", "{content:.2f}"),
    ("quality", "Roughness, median (1 is as rough as the style)", "{roughness:.2f}"),
    (
        "quality",
        "Pyramid distance over that of the untouched photograph, median",
        "{pyramid:.2f}",
    ),
    (
        "quality",
        "Style distance over the better of photograph and colour transfer, worst pair",
        "{worst:.2f}",
    ),
    (
        "strength",
        "Pairs on which more strength is always more style and less content",
        "{monotonic_pairs} of {pairs}",
    ),
    (
        "universal_quality",
        "AdaIN at full strength, 100 pairs: style @ content distance as above, medians",
        "{adain[ratio]:.3f} @ {adain[content]:.2f}",
    ),
    ("universal_quality", "WCT, likewise", "{wct[ratio]:.3f} @ {wct[content]:.2f}"),
    (
        "universal_quality",
        "Worst pair, as above, of AdaIN and of WCT",
        "{adain[worst]:.2f}, {wct[worst]:.2f}",
    ),
    (
        "multistyle",
        "The sixteen styles by default, 80 pairs: style @ content distance, medians",
        "{ratio:.3f} @ {content:.2f}",
    ),
    ("multistyle", "Worst pair, as above", "{worst:.2f}"),
    (
        "teachers",
        "Style distance with `petit` over that with the exact VGG-19, which is also the judge",
        "{style_petit_over_exact:.2f}",
    ),
    ("teachers", "Content distance, likewise", "{content_petit_over_exact:.2f}"),
    (
        "teachers",
        "Style distance with `petit` over that with its other teacher, a distilled VGG-19",
        "{style_petit_over_distilled:.2f}",
    ),
    ("teachers", "Content distance, likewise", "{content_petit_over_distilled:.2f}"),
    (
        "teachers",
        "Style distance with `petit` over that with both together at strength 0.5, each for its "
        "layers, at the strength that brings it nearest to their content distance from below",
        "{style_petit_over_together:.2f} at {strength_of_equal_content:g}",
    ),
    ("teachers", "Content distance, likewise", "{content_petit_over_together:.2f}"),
)
"""The part of the benchmarks, what was measured, and how to write it."""
DISTANCES = ("ratio", "content", "roughness")
PSNR, SAME = ("psnr_db", "psnr_db_median"), 90
"""In dB; from so many on nothing but rounding in float32 differs."""
UNMEASURED = "Nothing is measured yet; `make bench` does it."


def pages() -> dict[str, str]:
    """Every page that is written here, as it should be."""
    return {
        "docs/reference.md": reference(),
        "docs/controls.md": _filled(
            "docs/controls.md", {"takes": takes(), "costs": costs(RESULTS)}
        ),
        "docs/losses.md": _filled("docs/losses.md", {"losses": judged_losses(RESULTS)}),
        "docs/styles.md": _filled("docs/styles.md", {"styles": painted_styles()}),
        "docs/architecture.md": _filled("docs/architecture.md", {"rooms": rooms()}),
        "docs/engines.md": _filled("docs/engines.md", {"engines": engines(RESULTS)}),
        "docs/training.md": _filled("docs/training.md", {"blocks": blocks(RESULTS)}),
        "docs/auto.md": _filled("docs/auto.md", {"auto": gains(RESULTS)}),
        "docs/judging.md": _filled("docs/judging.md", {"curves": curves(RESULTS)}),
        "README.md": _filled("README.md", {"figures": figures(RESULTS)}),
    }


def reference() -> str:
    """All commands, methods, networks and painted styles."""
    return (
        "\n\n".join(
            [
                "# Reference",
                "Written by `docs/generate.py` from the program itself.",
                "## Commands",
                *_commands(),
                "## Methods",
                "Each option of a method is a flag of `impasto stylize` and a keyword of "
                "`impasto.stylize`. On the command line, the words of a list are parted by commas.",
                *_methods(),
                "### All methods",
                "Options that every method has; see [controls](controls.md).",
                _options(Controls),
                "## Networks",
                _networks(),
                "## Painted styles",
                painted_styles(),
            ]
        ).rstrip()
        + "\n"
    )


def command_names() -> Iterator[tuple[str, ...]]:
    """Every command, and those of groups behind their group; the bare `impasto` first."""
    yield ()
    for name, (path, _) in COMMANDS.items():
        yield (name,)
        found = resolve_name(path)
        if isinstance(found, App):
            yield from ((name, word) for word in found if not word.startswith("-"))


def helped(words: Iterable[str]) -> str:
    """The help of a command as it is printed, without colours, 100 characters wide."""
    printed = StringIO()
    with patch.dict(os.environ, TERMINAL), redirect_stdout(printed):
        main([*words, "--help"])
    return "\n".join(line.rstrip() for line in printed.getvalue().strip().splitlines())


def painted_styles() -> str:
    """The names and descriptions of all painted styles."""
    rows = [(f"`:{name}`", painted.describe(name)) for name in painted.names()]
    return _table(("Style", "What it shows"), rows)


def rooms() -> str:
    """The layers that import-linter holds, the top one first."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    contracts = settings["tool"]["importlinter"]["contracts"]
    layers = next(contract["layers"] for contract in contracts if contract["type"] == "layers")
    return "\n".join(["```text", *layers, "```"])


def takes() -> str:
    """Which method takes which control."""
    rows = [
        (f"`{name}`", *("yes" if name in taking(control) else "" for control in CONTROLS))
        for name in methods.names()
    ]
    return _table(("", *CONTROLS), rows)


def figures(results: Path) -> str:
    """A table of what was measured; a part that has no file is left out."""
    rows, machines = [], dict[str, list[str]]()
    for part, what, template in FIGURES:
        path = results / f"{part}.json"
        if path.exists():
            found = json.loads(path.read_text(encoding="utf-8"))
            rows.append((what, template.format_map(found.get("summary", found))))
            parts = machines.setdefault(_machine(found["machine"]), [])
            parts += [part] * (part not in parts)
    if not rows:
        return UNMEASURED
    # A machine need not be told from others where there is but one.
    said = [
        machine + (f" ({', '.join(parts)})" if len(machines) > 1 else "")
        for machine, parts in machines.items()
    ]
    return f"{_table(('What', 'Measured'), rows)}\n\nMeasured on {'; and on '.join(said)}."


def gains(results: Path) -> str:
    """What each quality of `auto` takes and gives, and Gatys' method beside it."""
    found = _summary(results, "auto_gain")
    rows = [
        (name, f"{row['seconds']:.1f} s", *(f"{row[key]:.3f}" for key in DISTANCES))
        for name, row in found.items()
    ]
    head = ("", "Time", "Style over that of the photograph", "Content", "Roughness")
    return _table(head, rows) if rows else UNMEASURED


def engines(results: Path) -> str:
    """Milliseconds of every engine and precision, and how far its pictures are from torch's."""
    if not (found := _found(results, "realtime")):
        return UNMEASURED
    rows = [
        (
            name,
            f"{row['square_ms']:.0f} ms",
            f"{row['video_ms']:.0f} ms",
            *(f"{row[key]:.0f} dB" if row[key] < SAME else "the same" for key in PSNR),
        )
        for name, row in found["engines"].items()
    ]
    head = ("Engine", "512 × 512", "1280 × 720", "PSNR, worst", "PSNR, median")
    return _measured(head, rows, found)


def blocks(results: Path) -> str:
    """Work and time of several kinds of blocks, and what each has learnt in as many steps."""
    if not (found := _found(results, "blocks")):
        return UNMEASURED
    rows = [
        (
            name,
            f"{row['multiply_adds_a_pixel'] / 1000:.1f} k",
            f"{row['torch_ms']:.0f} ms",
            f"{row['openvino_ms']:.0f} ms",
            f"{row['loss']:.3f}",
        )
        for name, row in found["kinds"].items()
    ]
    quick = f"OpenVINO, {found['precision']}"
    head = ("Blocks", "Work a pixel", "torch", quick, f"Loss after {found['steps']} steps")
    return _measured(head, rows, found)


def costs(results: Path) -> str:
    """Time and memory of every control, over those of the same run without it."""
    parts = [_summary(results, part) for part in ("controls_draft", "controls")]
    if not all(parts):
        return UNMEASURED
    rows = [
        (control, *(f"{part[key][control]:.2f}" for part in parts for key in ("time", "memory")))
        for control in parts[0]["time"]
    ]
    head = ("", "Draft: time", "Draft: memory", "Default: time", "Default: memory")
    return _table(head, rows)


def judged_losses(results: Path) -> str:
    """What two judges say of every loss over strength, few pairs, and of the best two on many."""
    tables = []
    for part, about in (("losses", "On two pairs"), ("losses_final", "On all 25 pairs")):
        found = _summary(results, part)
        rows = [
            (f"`{name}`", *("{gram:.3f}, {sliced:.3f} @ {content:.2f}".format(**row)
                            for row in curve.values()))
            for name, curve in found.items()
        ]  # fmt: skip
        head = (about, *(f"at {strength}" for strength in next(iter(found.values()), {})))
        tables += [_table(head, rows)] if rows else []
    return "\n\n".join(tables) or UNMEASURED


def curves(results: Path) -> str:
    """Style and content distance over strength, of every method that was measured."""
    known = {"gatys": _summary(results, "strength").get("medians", {})}
    for name, summary in _summary(results, "universal_quality").items():
        known[name] = summary["curve"]
    points = {name: curve for name, curve in known.items() if curve}
    if not points:
        return UNMEASURED
    strengths = [key for key in next(iter(points.values())) if float(key)]
    rows = [
        (key, *("{:.3f} @ {:.2f}".format(*curve[key]) for curve in points.values()))
        for key in strengths
    ]
    return _table(("Strength", *points), rows)


def _summary(results: Path, part: str) -> dict[str, Any]:
    return _found(results, part).get("summary", {})


def _found(results: Path, part: str) -> dict[str, Any]:
    """All that a part of the benchmarks has kept; nothing where it was not run."""
    path = results / f"{part}.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}


def _measured(head: Sequence[str], rows: Sequence[Sequence[str]], found: dict[str, Any]) -> str:
    return f"{_table(head, rows)}\n\nMeasured on {_machine(found['machine'])}."


def _machine(machine: dict[str, Any]) -> str:
    return (
        f"{machine['processor'].strip()}, {machine['cores']} cores with {machine['capability']}, "
        f"torch {machine['torch']}, {machine['date']}"
    )


def _commands() -> Iterator[str]:
    for words in command_names():
        yield f"### `{' '.join(['impasto', *words])}`"
        yield f"```text\n{helped(words)}\n```"


def _methods() -> Iterator[str]:
    for name in methods.names():
        method = cast("type[BaseModel]", methods.load(name))
        yield f"### `{name}`"
        yield (method.__doc__ or "").partition("\n")[0]
        yield _options(method)


def _options(model: type[BaseModel]) -> str:
    rows = [
        (
            f"`{option}`",
            f"`--{option.replace('_', '-')}`",
            accepts(field),
            _default(field.get_default()),
            field.description or "",
        )
        for option, field in model.model_fields.items()
    ]
    return _table(("Python", "Command line", "Takes", "Default", "What it is"), rows)


def _default(value: object) -> str:
    shown = ",".join(map(str, value)) if isinstance(value, tuple) else value
    return "" if shown is None else f"`{shown}`"


def _networks() -> str:
    rows = [
        (
            f"`{model.name}`",
            model.about,
            model.origin,
            model.licence,
            f"{model.size / 1e6:.0f} MB, once" if model.size else "none",
        )
        for model in zoo.models().values()
    ]
    return _table(("Name", "What it is", "Origin", "Licence", "Download"), rows)


def _table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    head = list(head)
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(map(_cell, line))} |" for line in lines)


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _filled(name: str, bodies: Mapping[str, str]) -> str:
    """The page with what stands between its markers replaced."""
    text = (ROOT / name).read_text(encoding="utf-8")
    for marker, body in bodies.items():
        text, count = re.subn(
            rf"(<!-- {marker} -->).*?(<!-- /{marker} -->)",
            lambda match, body=body: f"{match[1]}\n\n{body}\n\n{match[2]}",
            text,
            flags=re.DOTALL,
        )
        if count != 1:
            raise SystemExit(f"{name} must hold <!-- {marker} --> … <!-- /{marker} --> once")
    return text


def generate(*, check: bool) -> int:
    """Write every page that is stale, or name the first and return 1."""
    for name, text in pages().items():
        path = ROOT / name
        if path.exists() and path.read_text(encoding="utf-8") == text:
            continue
        if check:
            sys.stderr.write(f"{name} is stale; run make fix\n")
            return 1
        path.write_text(text, encoding="utf-8", newline="\n")
    return 0


if __name__ == "__main__":
    sys.exit(generate(check="--check" in sys.argv[1:]))
