"""What a network that paints should be built of: several kinds of blocks, timed and taught."""

import tempfile
from collections.abc import Callable
from pathlib import Path
from statistics import mean

import torch
from torch import nn

from benchmarks.pairs import SHARED
from benchmarks.quality import need_shared
from benchmarks.realtime import SQUARE, eager, photograph, steady
from impasto.core.machine import quicken
from impasto.media.image import from_array
from impasto.nets import engines
from impasto.nets.export import need
from impasto.nets.transformer import Convolution, Norm, Slim
from impasto.nets.vgg import bfloat16_is_fast
from impasto.painted import paint
from impasto.training.data import pictures, split
from impasto.training.feedforward import Feed, Feeding, eyes_of
from impasto.training.loop import Course, train

STYLES = ("swirl", "mosaic", "hatching", "watercolour")
LEARNT = Feed(batch=6, size=128, half_share=1.0, mixed_share=0.0, samples=0)
STEPS, LAST = 100, 25
"""Steps that each kind is taught, and those at the end over which its loss is a mean."""


class Depthwise(Slim):
    """Every convolution of a block is one for each channel, and one of 1 x 1."""

    def _block(self, channels: int) -> nn.ModuleList:
        return nn.ModuleList([self._apart(channels) for _ in range(2)])

    def _apart(self, channels: int) -> nn.ModuleList:
        each = Convolution(channels, channels)
        each.weight = nn.Parameter(each.weight[:, :1].detach().clone())
        each.groups = channels
        return self._normed(nn.Sequential(each, Convolution(channels, channels, side=1)), channels)

    def _normed(self, convolution: nn.Module, channels: int) -> nn.ModuleList:
        norm = Norm(channels, begin=self.length)
        self.length = norm.end
        return nn.ModuleList([convolution, norm])


class Bottleneck(Depthwise):
    """A block is 1 x 1 to half of the channels, 3 x 3 among these, and 1 x 1 back."""

    def _block(self, channels: int) -> nn.ModuleList:
        less = channels // 2
        narrow = nn.Sequential(
            Convolution(channels, less, side=1), nn.ReLU(), Convolution(less, less)
        )
        wide = Convolution(less, channels, side=1)
        return nn.ModuleList([self._normed(narrow, less), self._normed(wide, channels)])


KINDS: dict[str, Callable[[int], Slim]] = {
    "full, 24 and 64 channels": Slim,
    "full, 48 and 96 channels": lambda styles: Slim(styles, widths=(16, 48, 96)),
    "depthwise, 24 and 64 channels": Depthwise,
    "depthwise, 32 and 128 channels": lambda styles: Depthwise(styles, widths=(16, 32, 128)),
    "bottleneck, 24 and 64 channels": Bottleneck,
    "bottleneck, 32 and 128 channels": lambda styles: Bottleneck(styles, widths=(16, 32, 128)),
}
"""How a network of each kind is made for a number of styles."""


def blocks() -> dict[str, object]:
    """Milliseconds at 512 x 512, and what is left of the loss after as many steps from nothing."""
    need_shared()
    need(*engines.NEEDS["openvino"], extra="fast")
    quicken()
    precision = "bfloat16" if bfloat16_is_fast(torch.device("cpu")) else "float32"
    kinds = {
        name: _timed(make, precision) | {"loss": _taught(make)} for name, make in KINDS.items()
    }
    return {"steps": STEPS, "precision": precision, "kinds": kinds}


def _timed(make: Callable[[int], Slim], precision: str) -> dict[str, float]:
    """The work of a network, and its time in eager torch and in OpenVINO, which is quicker."""
    network = make(1).eval().requires_grad_(requires_grad=False)
    image, row = photograph(SQUARE), network.rows
    engine = engines.start(network, kind="openvino", precision=precision)
    return {
        "multiply_adds_a_pixel": _multiply_adds(network),
        "torch_ms": 1000 * steady(lambda: eager(network, image, row)),
        "openvino_ms": 1000 * steady(lambda: engine(image, row)),
    }


def _taught(make: Callable[[int], Slim]) -> float:
    """The loss of a network after its first steps; every kind sees the same crops."""
    torch.manual_seed(0)
    network, totals = make(1 + len(STYLES)), list[float]()
    styles = {name: from_array(paint(name, width=512, height=384)) for name in STYLES}
    with tempfile.TemporaryDirectory() as folder:
        recipe = Feeding(
            LEARNT,
            eyes=eyes_of("petit", torch.device("cpu")),
            network=network,
            photos=split(pictures([SHARED / "data" / "photos"])),
            styles=styles,
            folder=Path(folder),
            provenance={},
            device=torch.device("cpu"),
        )
        course = Course(STEPS, LEARNT.rate, warm_up=LAST, factors={"rows": 5.0})
        train(
            recipe,
            course,
            folder=Path(folder),
            identity={},
            report=lambda progress: totals.append((progress.losses or {}).get("total", 0.0)),
        )
    return mean(totals[-LAST:])


@torch.inference_mode()
def _multiply_adds(network: Slim) -> float:
    """Of all convolutions, over the pixels of a picture."""
    side, done = 256, list[float]()

    def count(conv: nn.Module, _given: object, out: torch.Tensor) -> None:
        assert isinstance(conv, nn.Conv2d)
        done.append(out.shape[2] * out.shape[3] * conv.weight.numel())

    hooks = [m.register_forward_hook(count) for m in network.modules() if isinstance(m, nn.Conv2d)]
    doubled = [(network.unfold[0], side // 4), (network.paint, side // 2)]
    network(torch.zeros(1, 3, side, side), network.rows)
    for hook in hooks:
        hook.remove()
    # These enlarge, by 2 x 2 weights for each of four places; their hooks are not called.
    done += [at**2 * 16 / 9 * conv.weight.numel() for conv, at in doubled]
    return sum(done) / side**2
