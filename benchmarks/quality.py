"""How good the pictures are, judged by the exact layers of VGG-19, which nothing here optimised."""

from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path
from statistics import median

import torch
from torch import Tensor

from benchmarks.pairs import JUDGE, SHARED, judging_network, pairs
from impasto.core.contract import Frame, Style
from impasto.core.errors import WeightsError
from impasto.core.machine import quicken
from impasto.evaluate.compare import Verdict, judge, summarise
from impasto.evaluate.metrics import CONTENT_LAYER, STYLE_LAYERS
from impasto.media.image import write
from impasto.methods.gatys import Gatys
from impasto.nets import zoo
from impasto.nets.vgg import VGG

PICTURES = Path(__file__).parents[1] / "build" / "benchmarks"
EYES = {
    "petit": "petit",
    "exact": JUDGE,
    "distilled": JUDGE.with_name("vgg19_distilled16x.safetensors"),
}
STRENGTHS = (0.25, 0.5, 0.75, 1.0)
STRONGER = (0.5, 0.6, 0.7, 0.8, 0.9)
"""Strengths at which petit is compared with its teachers at the default one: two pairs of eyes that
keep differently much of a content can be told apart only where they keep as much."""


def stylized(method: Gatys, content: Tensor, style: Tensor) -> Tensor:
    """One picture, always from the same seed."""
    quicken()
    stylizer = method.prepare([Style(style)], generator=torch.Generator().manual_seed(0))
    return stylizer(Frame(content))


def verdict(out: Tensor, content: Tensor, style: Tensor, network) -> Verdict:
    """The judge's rows, always from the same draws."""
    generator = torch.Generator().manual_seed(0)
    return judge(out, content, style=style, network=network, generator=generator)


def need_shared() -> None:
    """Refuse where the judge is missing."""
    if not JUDGE.exists():
        raise WeightsError(f"the judge is missing: put the project's shared folder at {SHARED}")


def quality() -> dict[str, object]:
    """All 25 pairs at 512 px and default strength."""
    need_shared()
    PICTURES.mkdir(parents=True, exist_ok=True)
    network, verdicts = judging_network(), {}
    for name, content, style in pairs(long_side=512):
        out = stylized(Gatys(), content, style)
        write(out, PICTURES / f"{name}.png")
        verdicts[name] = verdict(out, content, style, network)
    summary = summarise(list(verdicts.values())).as_dict()
    names = list(verdicts)
    summary["worst_pair"] = names[summary["worst_pair"]]
    return {
        "summary": summary,
        "pairs": {name: v.as_dict() for name, v in verdicts.items()},
    }


def strength() -> dict[str, object]:
    """Whether the style distance falls and the content distance rises with strength."""
    need_shared()
    network, curves = judging_network(), {}
    for name, content, style in pairs(long_side=256):
        points = [
            verdict(stylized(Gatys(strength=s), content, style), content, style, network).result
            for s in STRENGTHS
        ]
        first = verdict(content, content, style, network).result
        curves[name] = [(p.style, p.content) for p in (first, *points)]
    monotonic = [
        all(a[0] > b[0] and a[1] < b[1] for a, b in pairwise(curve)) for curve in curves.values()
    ]
    medians = {
        f"{s:g}": [median(curve[i][axis] for curve in curves.values()) for axis in (0, 1)]
        for i, s in enumerate((0.0, *STRENGTHS))
    }
    return {
        "summary": {"monotonic_pairs": sum(monotonic), "pairs": len(monotonic), "medians": medians},
        "curves": curves,
    }


class Together:
    """The teachers of petit as one network: each layer is that of the first that has it."""

    def __init__(self, *networks: VGG) -> None:
        self.asked = {layer: net for net in reversed(networks) for layer in net.layers}
        self.layers = tuple(sorted(self.asked))

    def __call__(self, image: Tensor, taps: Iterable[str]) -> dict[str, Tensor]:
        """The activations at these layers."""
        wanted = tuple(taps)
        found: dict[str, Tensor] = {}
        for network in dict.fromkeys(self.asked[tap] for tap in wanted):
            found |= network(image, [tap for tap in wanted if self.asked[tap] is network])
        return found

    def metric(self, _tap: str) -> None:
        """The identity."""


def teachers(long_side: int = 256) -> dict[str, object]:
    """Compare petit and its teachers as eyes of the same method, with as many evaluations.

    With one of them by the layers of the exact VGG-19, with all of them together by those that are
    usual, and there at the strength that brings petit nearest to their content distance without
    exceeding it. The exact VGG-19 is also the judge here, so it is judged by what it optimised.
    """
    need_shared()
    network, rows = judging_network(), {}
    loaded = {eyes: zoo.load(source) for eyes, source in EYES.items()}
    exact = {"style_layers": STYLE_LAYERS, "content_layers": (CONTENT_LAYER,)}
    looked = {eyes: Gatys(network=net, **exact) for eyes, net in loaded.items()} | {
        f"petit, usual layers, {s:g}": Gatys(network=loaded["petit"], strength=s) for s in STRONGER
    }
    looked |= {
        "together": Gatys(network=Together(loaded["exact"], loaded["distilled"])),
    }
    for name, content, style in list(pairs(long_side=long_side))[::6]:
        for eyes, method in looked.items():
            row = verdict(stylized(method, content, style), content, style, network).result
            rows.setdefault(name, {})[eyes] = (row.style, row.content)

    def over(eyes: str, axis: int, own: str = "petit") -> float:
        return median(row[own][axis] / row[eyes][axis] for row in rows.values())

    curve = {
        s: [over("together", axis, f"petit, usual layers, {s:g}") for axis in (0, 1)]
        for s in STRONGER
    }
    equal = max(s for s, (_, content) in curve.items() if content <= 1)
    return {
        "summary": {
            "style_petit_over_exact": over("exact", 0),
            "content_petit_over_exact": over("exact", 1),
            "style_petit_over_distilled": over("distilled", 0),
            "content_petit_over_distilled": over("distilled", 1),
            "petit_over_together": {f"{s:g}": ratios for s, ratios in curve.items()},
            "strength_of_equal_content": equal,
            "style_petit_over_together": curve[equal][0],
            "content_petit_over_together": curve[equal][1],
        },
        "pairs": rows,
    }
