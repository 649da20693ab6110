"""AdaIN, WCT and auto: how quick, how good, and pictures larger than memory."""

import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from pathlib import Path
from statistics import mean, median
from typing import Any

import numpy as np
import pyvips
import torch
from skimage import data
from torch import Tensor, nn

from benchmarks.pairs import (
    CONTENTS,
    JUDGE,
    MORE_CONTENTS,
    SHARED,
    STYLES,
    judging_network,
    pairs,
    picture,
)
from benchmarks.quality import PICTURES, STRENGTHS, need_shared, verdict
from benchmarks.speed import process, several, stylize
from impasto.core.contract import Frame, Style, Stylizer
from impasto.core.machine import quicken
from impasto.evaluate.compare import Verdict, summarise
from impasto.media.image import read, write
from impasto.methods import load
from impasto.methods.auto import DESCENTS, LIGHTER, bolder
from impasto.nets import decoder, zoo
from impasto.ops.resample import resize
from impasto.tiles import Held, tiled
from impasto.training.data import pictures, split
from impasto.training.distances import psnr

METHODS = ("adain", "wct")
RUNS, PAIR_RUNS = 9, 3
BARS = {"adain": 0.25, "wct": 0.8}
"""Seconds that the passes are held to."""
HARD = {
    "": (CONTENTS["face"], STYLES["smoker"]),
    "hard_": (MORE_CONTENTS["ski"], STYLES["scream"]),
}
"""Two pairs, by how hard they are."""


def stylized(name: str, content, style, **options: object):
    """One picture, from the style's measuring to the end."""
    return prepared(name, style, **options)(Frame(content))


def prepared(name: str, style: Tensor, **options: object) -> Stylizer:
    """A stylizer whose networks are loaded."""
    quicken()
    generator = torch.Generator().manual_seed(0)
    return load(name)(**options).prepare([Style(style)], generator=generator)


def moved(stylizer: Any, content: Tensor) -> int:
    """How often the last picture was moved nearer to its style."""
    return stylizer.passes(tuple(content.shape[2:]))[0].noted.moves


def warm(work: Callable[[], object], runs: int = RUNS) -> float:
    """Median seconds of some runs, after two that are not counted."""
    return median([timed(work) for _ in range(runs + 2)][2:])


def first(name: str, content: Tensor, style: Tensor, strength: float) -> Callable[[], object]:
    """Each call is the first with its style, which is looked at too; networks are loaded before."""
    loaded = [prepared(name, style, strength=strength) for _ in range(RUNS + 2)]
    return lambda: loaded.pop()(Frame(content))


def universal_speed() -> dict[str, object]:
    """At 512 × 512 with everything loaded, and whole processes.

    Of a pair that is moved as seldom as most are, and of one that is moved as often as any.
    """
    need_shared()
    torch.set_num_threads(2)
    found = dict[str, object]()
    for hard, pair in HARD.items():
        content, style = (resize(picture(each, long_side=512), (512, 512)) for each in pair)
        for name in METHODS:
            for at, strength in (("", 1.0), ("default_", 0.5)):
                stylizer, key = prepared(name, style, strength=strength), f"{name}_512_{at}{hard}"
                stylizer(Frame(content))
                found[f"{key}moves"] = moved(stylizer, content)
                found[f"{key}s"] = warm(first(name, content, style, strength))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for quality in ("draft", "normal", "best"):
            found[f"auto_{quality}_512_s"] = several(*auto(folder, 512, quality))
        found["gatys_512_s"] = several(*stylize(folder, 512))
        for width, height in ((3840, 2160), (6000, 4200), (12_000, 8_400)):
            seconds, gigabytes = large(folder, width, height)
            found[f"draft_{width}_s"], found[f"draft_{width}_gb"] = seconds, gigabytes
    return found


def universal_pairs(**told: object) -> dict[str, object]:
    """Seconds of each of the 100 pairs at 512 x 512, as `universal_speed` takes them.

    The methods are told so much more. Beside them stands AdaIN with a network of VGG-19's size and
    a decoder that mirrors it, as its paper has them.
    """
    need_shared()
    torch.set_num_threads(2)
    times: dict[str, list[float]] = {}
    moves: dict[str, list[int]] = {}
    for _, *pair in pairs(long_side=512, more=True):
        content, style = (resize(each, (512, 512)) for each in pair)
        for name in METHODS:
            for at, strength in (("", 1.0), ("_default", 0.5)):
                stylizers = [
                    prepared(name, style, strength=strength, **told) for _ in range(PAIR_RUNS)
                ]
                taken = [timed(partial(each, Frame(content))) for each in stylizers]
                times.setdefault(name + at, []).append(median(taken))
                moves.setdefault(name + at, []).append(moved(stylizers[0], content))
    found = {
        key: {
            "median_s": median(taken),
            "mean_s": mean(taken),
            "worst_s": max(taken),
            "within": sum(each <= BARS[key.removesuffix("_default")] for each in taken),
            "pairs": len(taken),
            "moves": counted(moves[key]),
        }
        for key, taken in times.items()
    }
    return {"summary": found | {"vgg19_adain_s": warm(mirrored(), 3)}}


def timed(work: Callable[[], object]) -> float:
    """Seconds."""
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin


def counted(moves: list[int]) -> dict[str, int]:
    """How many pictures were moved so often."""
    return {str(n): moves.count(n) for n in sorted(set(moves))}


def mirrored() -> Callable[[], Tensor]:
    """AdaIN as in its paper: VGG-19 to relu4_1, in float32. No weight of its decoder is known here.

    It takes as long with any.
    """
    generator = torch.Generator().manual_seed(0)
    eyes, parts, seen = zoo.load(JUDGE), list[nn.Module](), 512
    for stage, width in enumerate((256, 256, 256, 256, 128, 128, 64, 64, 3)):
        parts += [nn.ReflectionPad2d(1), nn.Conv2d(seen, width, 3), nn.ReLU()]
        parts += [nn.Upsample(scale_factor=2)] if stage in {0, 4, 6} else []
        seen = width
    back = nn.Sequential(*parts[:-1]).to(memory_format=torch.channels_last)
    content, style = torch.rand((2, 1, 3, 512, 512), generator=generator).unbind()

    @torch.no_grad()
    def run() -> Tensor:
        f, g = (eyes(each, ["relu4_1"])["relu4_1"] for each in (content, style))
        (f_var, f_mean), (g_var, g_mean) = (torch.var_mean(x, (2, 3), keepdim=True) for x in (f, g))
        return back((f - f_mean) * ((g_var + 1e-5) / (f_var + 1e-5)).sqrt() + g_mean)

    return run


def auto(folder: Path, size: int, quality: str) -> tuple[str, ...]:
    """The arguments of a stylization by `auto`."""
    return stylize(folder, size, "--quality", quality, method="auto")


def large(folder: Path, width: int, height: int) -> tuple[float, float]:
    """Seconds and GB of a whole process, from a JPEG of this size to a JPEG of this size."""
    photo = folder / f"{width}.jpg"
    source = pyvips.Image.new_from_array(np.ascontiguousarray(data.coffee()))
    enlarged = source.resize(width / source.width, vscale=height / source.height)
    enlarged.write_to_file(str(photo), Q=90)
    return process(
        *("-m", "impasto", "stylize", str(photo), "--style", str(folder / "style.png")),
        *("-o", str(folder / "large.jpg"), "--overwrite", "--size", str(width)),
        *("--method", "auto", "--quality", "draft"),
    )


def universal_quality(*, more: bool = True) -> dict[str, object]:
    """All 100 pairs, or 25, at 512 px and full strength; the curve over strength is of 25."""
    need_shared()
    PICTURES.mkdir(parents=True, exist_ok=True)
    network = judging_network()
    verdicts: dict[str, dict[str, Verdict]] = {method: {} for method in METHODS}
    moves: dict[str, list[int]] = {method: [] for method in METHODS}
    for name, content, style in pairs(long_side=512, more=more):
        for method in METHODS:
            stylizer = prepared(method, style, strength=1.0)
            out = stylizer(Frame(content))
            moves[method].append(moved(stylizer, content))
            write(out, PICTURES / f"{method}-{name}.png")
            verdicts[method][name] = verdict(out, content, style, network)
    summaries = {}
    for method, judged in verdicts.items():
        summary = summarise(list(judged.values())).as_dict()
        summary["worst_pair"] = list(judged)[summary["worst_pair"]]
        summary["moves"] = counted(moves[method])
        summaries[method] = summary | {"curve": curve(method, network)}
    return {"summary": summaries} | {
        method: {name: asdict(v.result) for name, v in judged.items()}
        for method, judged in verdicts.items()
    }


def curve(method: str, network) -> dict[str, list[float]]:
    """Strength to median style and content distance over 25 pairs at 256 px."""
    rows: dict[str, list[list[float]]] = {}
    for _, content, style in pairs(long_side=256):
        for strength in STRENGTHS:
            out = stylized(method, content, style, strength=strength)
            row = verdict(out, content, style, network).result
            rows.setdefault(f"{strength:g}", []).append([row.style, row.content])
    return {
        strength: [median(axis) for axis in zip(*points, strict=True)]
        for strength, points in rows.items()
    }


def begun(content: Tensor, style: Tensor, quality: str) -> Tensor:
    """What `auto` makes of a pair, begun at a draft of seven tenths of the strength."""
    draft = stylized("adain", content, style, strength=0.35)
    told = {"strength": bolder(0.5, LIGHTER[quality]), **DESCENTS[quality]}
    return prepared("gatys", style, **told)(Frame(content, start=draft))


def auto_gain() -> dict[str, object]:
    """What each quality of `auto` gains over the one before, and over its descent from a draft.

    Gatys' default stands beside them.

    Of five pairs, so each content and each style is there once. Seconds are those of one picture
    with everything loaded; distances are the judge's medians.
    """
    need_shared()
    torch.set_num_threads(2)
    network = judging_network()
    answers: dict[str, Callable[..., object]] = {
        quality: lambda c, s, q=quality: stylized("auto", c, s, quality=q)
        for quality in ("draft", "normal", "best")
    }
    for quality in DESCENTS:
        answers[f"{quality}, from a draft"] = lambda c, s, q=quality: begun(c, s, q)
    answers["gatys"] = lambda c, s: stylized("gatys", c, s)
    rows: dict[str, list[list[float]]] = {name: [] for name in answers}
    for _, content, style in list(pairs(long_side=512))[::6]:
        for name, answer in answers.items():
            begin = time.perf_counter()
            out = answer(content, style)
            seconds = time.perf_counter() - begin
            row = verdict(out, content, style, network).result
            rows[name].append([seconds, row.ratio, row.content, row.roughness])
    columns = ("seconds", "ratio", "content", "roughness")
    summary = {
        name: dict(zip(columns, map(median, zip(*points, strict=True)), strict=True))
        for name, points in rows.items()
    }
    return {"summary": summary, "pairs": rows}


def faithful() -> dict[str, object]:
    """Reconstruction through relu3_1, and tiles against the whole.

    The first is of all photographs that were held out, as they are; and of a few with much detail.
    """
    need_shared()
    network, inverse = zoo.load("petit"), decoder.decoders()["relu3_1"]
    held = split(pictures([SHARED / "data" / "photos"]))[1]
    detailed = [picture(path, long_side=384) for path in MORE_CONTENTS.values()]

    @torch.no_grad()
    def returned(photo: Tensor) -> float:
        even = photo[:, :, : photo.shape[2] // 16 * 16, : photo.shape[3] // 16 * 16]
        return float(psnr(inverse(network(even, ["relu3_1"])["relu3_1"]), even))

    return {
        "held_out": len(held),
        "reconstruction_relu3_1_db": median(map(returned, map(read, held))),
        "reconstruction_relu3_1_db_much_detail": median(map(returned, detailed)),
    } | {
        f"{name}_{precision}_{what}": value
        for name in METHODS
        for precision in ("float32", "bfloat16")
        for what, value in seams(name, precision).items()
    }


def in_tiles(passes, content):
    """The content after some passes, in tiles of 256 px."""
    out = Held(torch.empty_like(content))
    tiled(passes, Held(content), out, side=256)
    return out.image


def seams(name: str, precision: str) -> dict[str, float]:
    """The largest difference between tiles and the whole, and the share of equal 8-bit values."""
    _, content, style = next(pairs(long_side=1000))
    stylizer: Any = prepared(name, style, strength=1.0, precision=precision)
    whole = stylizer(Frame(content))
    parts = in_tiles(stylizer.passes(tuple(content.shape[2:])), content)
    same = (whole.mul(255).round() == parts.mul(255).round()).double().mean()
    return {"largest_difference": float((whole - parts).abs().max()), "same_in_8_bit": float(same)}
