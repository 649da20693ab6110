"""The bundled network of many styles: how good, how even in between, and beside Gatys' method."""

import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from statistics import median

import torch
from torch import Tensor

from benchmarks.pairs import JUDGE, SHARED, judging_network, picture
from benchmarks.quality import EYES, PICTURES, need_shared, verdict
from impasto.core.contract import Frame, Style
from impasto.core.tensors import Features
from impasto.evaluate.compare import Verdict, summarise
from impasto.evaluate.metrics import (
    CONTENT_LAYER,
    STYLE_LAYERS,
    content_distance,
    style_distance,
)
from impasto.media.image import from_array, write
from impasto.methods import load
from impasto.nets import trained, zoo
from impasto.painted import paint
from impasto.training.data import pictures, split
from impasto.universal.palette import load_style

PAINTINGS = {
    "starry-night-of-van-gogh": "examples/starry_night.jpg",
    "scream-of-munch": "examples/the_scream.jpg",
    "wave-of-hokusai": "examples/great_wave.jpg",
    "hills-of-macdonald": "paintings/alexander-mackenzie_journals.jpg",
    "parliament-of-monet": "paintings/joseph-conrad_the-secret-agent.jpg",
    "facets-of-gleizes": "paintings/karel-capek_r-u-r_paul-selver_nigel-playfair.jpg",
    "rain-of-hassam": "paintings/sinclair-lewis_main-street.jpg",
    "corridor-of-van-gogh": "paintings/thomas-mann_the-magic-mountain_h-t-lowe-porter.jpg",
    "vision-of-ciurlionis": "paintings/robert-w-chambers_the-king-in-yellow.jpg",
    "diva-of-the-twenties": "paintings/w-e-b-du-bois_dark-princess.jpg",
}
"""The paintings after which styles were trained, below ../shared/data; the others are by code."""
SIZE = 512
PHOTOS, EACH = 20, 4
"""Photographs not trained on, and styles a photograph."""
BESIDE = (0.25, 0.3, 0.4, 0.5)
"""Strengths that are set beside Gatys' method at its default."""
EXACT = 5
"""Photographs for which Gatys' method looks with the exact VGG-19, a hundred times slower."""
ADDED = {
    "wave-of-hokusai": PAINTINGS["wave-of-hokusai"],
    "shipwreck": "examples/shipwreck.jpg",
}
ADDED_PHOTOS = 5
STEPS = (0.0, 0.25, 0.5, 0.75, 1.0)


def painting(name: str) -> Tensor:
    """What a style was trained on."""
    if name in PAINTINGS:
        return picture(PAINTINGS[name], long_side=SIZE)
    return from_array(paint(name, width=SIZE, height=SIZE * 3 // 4))


def painted(
    content: Tensor, *names: str, weights=(1.0,), measured=None, strength: float = 0.5
) -> Tensor:
    """A photograph in a mixture of styles, or in one that was measured."""
    known = trained.bundled()
    styles = [
        Style(None, weight, measured=measured or known.known(name))
        for name, weight in zip(names or ("",), weights, strict=True)
        if weight > 0
    ]
    method = load("multistyle")(strength=strength)
    return method.prepare(styles, generator=torch.Generator())(Frame(content))


def optimised(content: Tensor, name: str, eyes: str) -> Tensor:
    """The same by Gatys' method, with `petit` or with the network that the training looked with."""
    layers: dict[str, object] = {}
    if eyes == "exact":
        layers = {"style_layers": STYLE_LAYERS, "content_layers": (CONTENT_LAYER,)}
    method = load("gatys")(network=zoo.load(EYES[eyes]), **layers)
    generator = torch.Generator().manual_seed(0)
    return method.prepare([Style(painting(name))], generator=generator)(Frame(content))


def photographs() -> list[Tensor]:
    """Photographs of COCO that were held out, at the size of the benchmark."""
    held = [p for p in split(pictures([SHARED / "data" / "photos"]))[1] if "coco" in p.parts]
    more = [p for p in split(pictures([SHARED / "data" / "photos"]))[1] if "imagenet" in p.parts]
    paths = (held + more)[:PHOTOS]
    return [picture(path.relative_to(SHARED / "data"), long_side=SIZE) for path in paths]


def multistyle() -> dict[str, object]:
    """Every style on some of twenty photographs.

    The network was trained through the exact VGG-19, which is the judge of all methods. So a second
    judge is asked that no training of networks that paint looked with.
    """
    need_shared()
    PICTURES.mkdir(parents=True, exist_ok=True)
    names = trained.bundled().names
    judges = {name: judging_network(EYES[name]) for name in ("exact", "distilled")}
    rows = {judge: {name: list[Verdict]() for name in names} for judge in judges}
    for i, photo in enumerate(photographs()):
        for j in range(EACH):
            name = names[(i * EACH + j) % len(names)]
            out = painted(photo, name)
            write(out, PICTURES / f"multistyle-{i:02}-{name}.png")
            for judge, network in judges.items():
                rows[judge][name].append(verdict(out, photo, painting(name), network))
    whole = {
        judge: summarise([each for row in known.values() for each in row]).as_dict()
        for judge, known in rows.items()
    }
    return {
        "summary": whole["exact"],
        "other_judge": whole["distilled"],
        "styles": {name: summarise(row).as_dict() for name, row in rows["exact"].items()},
    }


def beside_gatys() -> dict[str, object]:
    """A style on each of twenty photographs, at some strengths, over Gatys' method by default."""
    return _beside("petit", PHOTOS)


def beside_gatys_exact() -> dict[str, object]:
    """The same with the exact VGG-19, with which the training looked."""
    return _beside("exact", EXACT)


def _beside(eyes: str, count: int) -> dict[str, object]:
    need_shared()
    network, names = judging_network(), trained.bundled().names
    rows: dict[str, list[list[float]]] = {f"{strength:g}": [] for strength in BESIDE}
    for i, photo in enumerate(photographs()[:count]):
        # Of a few styles, some from all over the list: paintings and what is drawn by code.
        name = names[i * max(1, len(names) // count) % len(names)]
        look, kept = (network(picture, STYLE_LAYERS) for picture in (painting(name), photo))
        other = _far(network(optimised(photo, name, eyes), STYLE_LAYERS), look, kept)
        for strength in BESIDE:
            own = _far(network(painted(photo, name, strength=strength), STYLE_LAYERS), look, kept)
            rows[f"{strength:g}"].append([a / b for a, b in zip(own, other, strict=True)])
    return {
        "summary": {
            strength: dict(
                zip(("style", "content"), map(median, zip(*row, strict=True)), strict=True)
            )
            for strength, row in rows.items()
        },
        "over_gatys": rows,
    }


def mixing() -> dict[str, object]:
    """Whether each step between two styles leaves the one and comes nearer to the other.

    `nearer` asks it of the style that is nearer in the mixture: of the first half of the way
    for the one, of the second for the other. `even` asks it of both all the way.
    """
    need_shared()
    names = trained.bundled().names
    photo, found = photographs()[0], {}
    for one, other in zip(names, names[5:] + names[:5], strict=True):
        looks = [_seen(painted(photo, one, other, weights=(1 - t, t))) for t in STEPS]
        goals = _seen(painting(one)), _seen(painting(other))
        found[f"{one} to {other}"] = [
            [style_distance(look, goal) for look in looks] for goal in goals
        ]
    half = len(STEPS) // 2 + 1
    nearer = [_rises(a[:half]) and _rises(b[-1 : -half - 1 : -1]) for a, b in found.values()]
    even = [_rises(a) and _rises(b[::-1]) for a, b in found.values()]
    return {
        "summary": {"nearer": sum(nearer), "even": sum(even), "of": len(found)},
        "ways": found,
    }


def adding() -> dict[str, object]:
    """One style more, by the command as it stands: how long, and how good beside the bundle.

    A style of the bundle is learnt again, which tells what a row by itself loses; and paintings are
    learnt that the network was never shown.
    """
    need_shared()
    PICTURES.mkdir(parents=True, exist_ok=True)
    network, photos, rows = judging_network(), photographs()[:ADDED_PHOTOS], {}
    for name, source in ADDED.items():
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / f"{name}.png"
            write(picture(source, long_side=SIZE), file)
            begin = time.perf_counter()
            command = f"-m impasto train multistyle --add-style {file} --out {folder} --quiet"
            folders = ["--photos", str(SHARED / "data" / "photos")]
            subprocess.run([sys.executable, *command.split(), *folders], check=True)
            minutes = (time.perf_counter() - begin) / 60
            learnt = load_style(Path(folder) / f"{name}.style")
        style, found = picture(source, long_side=SIZE), []
        for i, photo in enumerate(photos):
            out = painted(photo, measured=learnt)
            write(out, PICTURES / f"added-{name}-{i}.png")
            own = verdict(out, photo, style, network).result
            found.append([own.ratio, own.content])
            if name in PAINTINGS:
                other = verdict(painted(photo, name), photo, style, network).result
                found[-1].append(own.ratio / other.ratio)
        columns = [median(column) for column in zip(*found, strict=True)]
        rows[name] = dict(zip(("ratio", "content", "over_bundled"), columns, strict=False))
        rows[name]["minutes"] = minutes
    return {"summary": rows}


def _seen(image: Tensor) -> dict[str, Tensor]:
    """What the judge sees of a picture; it remembers nothing, unlike in other benchmarks."""
    network = zoo.load(JUDGE)
    network.padding = "zeros"
    return network(image, set(STYLE_LAYERS))


def _far(seen: Features, look: Features, kept: Features) -> tuple[float, float]:
    """Style and content distance, of what the judge saw."""
    return style_distance(seen, look), content_distance(seen, kept)


def _rises(values: Sequence[float]) -> bool:
    return all(a <= b for a, b in pairwise(values))
