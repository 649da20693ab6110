"""Networks that turn a picture into a painting in one pass, each trained for some styles.

`Paper` is the image transformation network of Johnson, Alahi and Fei-Fei, "Perceptual Losses for
Real-Time Style Transfer and Super-Resolution", ECCV 2016, as most people build it: instance
normalisation, reflected borders, nearest upsampling. `Slim` is ours, for processors: it begins at a
quarter of the size, does most of its work at an eighth, and takes 18 k multiply-adds a pixel where
the paper's takes 146 k.

In both a style is a row of numbers, the gains and shifts of all normalisations (conditional
instance normalisation: Dumoulin, Shlens and Kudlur, "A Learned Representation for Artistic Style",
ICLR 2017). The convolutions are shared by all styles; rows can be mixed, added and kept apart.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from impasto.core.errors import OptionError, WeightsError
from impasto.core.tensors import Image
from impasto.nets import zoo
from impasto.nets.fetch import digest
from impasto.ops.resample import mirror, resize

EPSILON = 1e-5
"""Added to variances, as in the networks that others have trained."""
ROW, MAKER = "transformer.row", "transformer.sha256"
"""Names in `Style.measured` of a row, and of the digest of the network that it was learnt with."""
ENDINGS = (".pth", ".pt", ".safetensors")
"""Of files that hold a network."""
SMALLEST = 16
"""Pixels of the shortest side that a network is shown."""
MARGIN = 8
"""Pixels of mirrored surroundings, for the deepest maps of small pictures."""
GREY, CONTRAST = 0.5, 4.0
"""What `Slim` takes from a picture and multiplies it with, to have numbers around 0 of size 1."""


class _Norm(nn.Module):
    """Instance normalisation with gains and shifts out of a style's row.

    Dumoulin et al., equation 5.

    Args:
        channels: of the maps.
        begin: where in the row its gains begin; its shifts follow them.
    """

    def __init__(self, channels: int, *, begin: int) -> None:
        super().__init__()
        self.channels, self.begin, self.end = channels, begin, begin + 2 * channels

    def forward(self, x: Tensor, row: Tensor) -> Tensor:
        """The maps (N, C, h, w), normalised, scaled and shifted by rows (N, R)."""
        own = row[:, self.begin : self.end].to(x.dtype)
        if torch.compiler.is_exporting():
            gain, shift = own[..., None, None].split(self.channels, 1)
            return F.instance_norm(x, eps=EPSILON) * gain + shift
        # For one picture batch normalisation is the same, and far quicker with channels last.
        each = zip(x.split(1), *own.split(self.channels, 1), strict=True)
        return torch.cat(
            [F.batch_norm(h, None, None, g, s, True, 0.0, EPSILON) for h, g, s in each]
        )


class _Convolution(nn.Conv2d):
    """A convolution over the mirrored map, so that no border shows."""

    def __init__(
        self, seen: int, given: int, *, side: int = 3, stride: int = 1, bias: bool = True
    ) -> None:
        super().__init__(seen, given, side, stride, bias=bias)
        self.reach = side // 2

    def forward(self, input: Tensor) -> Tensor:
        edge = self.reach
        # Reflection needs more than `edge` pixels along a side; where there are fewer, they repeat.
        mode = "reflect" if min(input.shape[2:]) > edge else "replicate"
        return super().forward(F.pad(input, (edge, edge, edge, edge), mode=mode))


class Transformer(nn.Module):
    """What both networks are: convolutions, each normalised, and rows of styles.

    A row ends with three numbers that say how much of the picture is kept, in R, G and B, and
    three that are added to the result. So there is a row that returns the picture: it keeps all,
    and scales what the last convolution is given by 0.

    Attributes:
        rows: (S, R), a style each.
        multiple: sides of what it takes are multiples of it.
    """

    rows: nn.Parameter
    multiple: int

    def __init__(self) -> None:
        super().__init__()
        self.length = 0

    def forward(self, image: Tensor, row: Tensor) -> Tensor:
        """The painted pictures (N, 3, H, W); sRGB, not clamped.

        Args:
            image: (N, 3, H, W), sRGB in [0, 1].
            row: (N, R), of one style each, or a mixture of rows.
        """
        raise NotImplementedError

    def half(self) -> "Transformer":
        """This network in bfloat16, in place, but for the rows; pictures stay float32."""
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                module.bfloat16()
        return self

    def _step(self, seen: int, given: int, *, side: int = 3, stride: int = 1) -> nn.ModuleList:
        norm = _Norm(given, begin=self.length)
        self.length = norm.end
        return nn.ModuleList([_Convolution(seen, given, side=side, stride=stride), norm])

    def _block(self, channels: int) -> nn.ModuleList:
        return nn.ModuleList([self._step(channels, channels) for _ in range(2)])

    def _finish(self, styles: int) -> None:
        """Rows that scale by 1, shift by 0 and keep nothing; weights in the quickest layout."""
        norms = [m for m in self.modules() if isinstance(m, _Norm)]
        row = torch.zeros(self.length + 2 * 3)
        for norm in norms:
            row[norm.begin : norm.begin + norm.channels] = 1
        self.rows = nn.Parameter(row.repeat(styles, 1))
        self.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]

    def returning(self) -> Tensor:
        """The first row, with that set which makes it return the picture; (R,)."""
        last = max((m for m in self.modules() if isinstance(m, _Norm)), key=lambda m: m.begin)
        ends = torch.zeros(6 + last.end - last.begin)
        ends[-6:-3] = 1
        return torch.cat([self.rows[0, : last.begin], ends.to(self.rows)])

    def _out(self, painted: Tensor, image: Tensor, row: Tensor) -> Tensor:
        """What is painted, as much of the picture as is kept, and what is added to both."""
        kept, added = row[:, -6:, None, None].split(3, 1)
        return painted.float() + kept * image + added

    @property
    def _dtype(self) -> torch.dtype:
        return next(m for m in self.modules() if isinstance(m, nn.Conv2d)).weight.dtype


def _stepped(step: nn.Module, x: Tensor, row: Tensor) -> Tensor:
    conv, norm = step.children()
    return norm(conv(x), row)


def _added(block: nn.Module, x: Tensor, row: Tensor) -> Tensor:
    """A residual block with nothing behind the sum."""
    first, second = block.children()
    return x + _stepped(second, F.relu(_stepped(first, x, row)), row)


class Slim(Transformer):
    """Our network for processors.

    The picture is folded to a quarter of its size, all its pixels kept as channels. At the end it
    is unfolded by repeating and convolving, which leaves no grid, and the folded picture is shown
    once more at half of the size, so that fine lines stay where they are.

    Args:
        styles: number of rows.
        widths: channels at a half, a quarter and an eighth of the size.
        blocks: residual blocks at an eighth; there is one more on either side at a quarter.
    """

    multiple = 8

    def __init__(
        self, styles: int, *, widths: tuple[int, int, int] = (16, 48, 96), blocks: int = 3
    ) -> None:
        super().__init__()
        half, quarter, eighth = widths
        self.fold = self._step(3 * 16, quarter)
        self.before = self._block(quarter)
        self.down = self._step(quarter, eighth, stride=2)
        self.blocks = nn.ModuleList([self._block(eighth) for _ in range(blocks)])
        self.up = nn.Conv2d(eighth, quarter, 1)
        self.after = self._block(quarter)
        self.unfold = self._step(quarter, half)
        self.fine = self._step(half + 3 * 4, half)
        self.paint = _Convolution(half, 3, bias=False)
        self._finish(styles)
        with torch.no_grad():  # The first pictures are grey rather than glaring.
            self.paint.weight.mul_(0.1)
            self.rows[:, -3:] = GREY

    def forward(self, image: Tensor, row: Tensor) -> Tensor:
        """As of every `Transformer`."""
        x = ((image - GREY) * CONTRAST).to(self._dtype)
        h = F.relu(_stepped(self.fold, F.pixel_unshuffle(x, 4), row))
        h = _added(self.before, h, row)
        deep = F.relu(_stepped(self.down, h, row))
        for block in self.blocks:
            deep = _added(block, deep, row)
        h = h + F.interpolate(self.up(deep), scale_factor=2.0, mode="bilinear", align_corners=False)
        h = _added(self.after, h, row)
        h = F.relu(_stepped(self.unfold, F.interpolate(h, scale_factor=2.0), row))
        h = F.relu(_stepped(self.fine, torch.cat([h, F.pixel_unshuffle(x, 2)], 1), row))
        return self._out(self.paint(F.interpolate(h, scale_factor=2.0)), image, row)


class Paper(Transformer):
    """The network of Johnson et al., in the sizes in which their followers built it.

    Args:
        styles: number of rows; one as in Johnson et al., more as in Dumoulin et al.
    """

    multiple = 4

    def __init__(self, styles: int) -> None:
        super().__init__()
        self.down = nn.ModuleList(
            [
                self._step(3, 32, side=9),
                self._step(32, 64, stride=2),
                self._step(64, 128, stride=2),
            ]
        )
        self.blocks = nn.ModuleList([self._block(128) for _ in range(5)])
        self.up = nn.ModuleList([self._step(128, 64), self._step(64, 32)])
        self.paint = _Convolution(32, 3, side=9, bias=False)
        self._finish(styles)

    def forward(self, image: Tensor, row: Tensor) -> Tensor:
        """As of every `Transformer`; within, values are those of 8 bits."""
        h = (image * 255).to(self._dtype)
        for step in self.down:
            h = F.relu(_stepped(step, h, row))
        for block in self.blocks:
            h = _added(block, h, row)
        for step in self.up:
            h = F.relu(_stepped(step, F.interpolate(h, scale_factor=2.0), row))
        return self._out(self.paint(h) / 255, image, row)


@dataclass(frozen=True)
class Trained:
    """A network and what its rows are.

    Attributes:
        network: frozen.
        names: of the styles, a row each; where there is one row more, the first returns the
            picture, so that a strength can be chosen.
        sha256: of the file, 32 bytes.
    """

    network: Transformer
    names: tuple[str, ...]
    sha256: Tensor

    def known(self, name: str) -> dict[str, Tensor]:
        """A style for `Style.measured`.

        Raises:
            OptionError: the network has no such style.
        """
        if name not in self.names:
            raise OptionError(f"style must be one of {', '.join(self.names)}; got {name!r}")
        return {ROW: self.styles[self.names.index(name)], MAKER: self.sha256}

    @property
    def styles(self) -> Tensor:
        """The rows of all styles, (S, R)."""
        return self.network.rows.detach()[-len(self.names) :]

    def mixed(self, rows: Tensor, weights: Tensor, *, strength: float) -> Tensor:
        """One row, (1, R): the styles mixed, and all on the way from the picture to them.

        Args:
            rows: (K, R).
            weights: (K,), of any sum.
            strength: from 0, the picture, to 1; has no say where no row returns the picture.
        """
        row = (weights / weights.sum()).to(rows) @ rows
        if len(self.network.rows) > len(self.names):
            row = torch.lerp(self.network.returning().detach(), row, strength)
        return row[None]


@torch.no_grad()
def paint(network: Transformer, image: Image, row: Tensor, *, scale: float = 1.0) -> Image:
    """A picture of any size, painted.

    Args:
        network: what to paint with.
        image: (1, 3, H, W), sRGB in [0, 1].
        row: (1, R).
        scale: size of strokes over that which was trained; the network sees a picture that is
            smaller by so much.

    Returns:
        (1, 3, H, W) in [0, 1].
    """
    height, width = (max(SMALLEST, round(side / scale)) for side in image.shape[2:])
    grown = mirror(resize(image, (height, width)), margin=MARGIN, multiple=network.multiple)
    top, left = (grown.shape[2] - height) // 2, (grown.shape[3] - width) // 2
    painted = network(grown.contiguous(memory_format=torch.channels_last), row)
    own = painted[:, :, top : top + height, left : left + width].clamp(0, 1)
    return resize(own, image.shape[2:]).contiguous()


def load(path: str | Path) -> Trained:
    """The network in a file: ours as it is trained, or in the layout of PyTorch's examples.

    Raises:
        WeightsError: the file cannot be read, or holds no such network. No pickle is run.
    """
    path = Path(path)
    if path.suffix.lower() == ".safetensors":
        state, said = zoo.tensors(path)
    else:
        state, said = zoo.pickled(path), {}
    return build(state, names=json.loads(said.get("names", "null")), sha256=digest(path))


def build(
    state: Mapping[str, Tensor], *, names: Sequence[str] | None = None, sha256: str = ""
) -> Trained:
    """The network that a state dict is of, ours or one in the layout of PyTorch's examples.

    Args:
        state: of `Slim`, of `Paper`, or of the widely used `TransformerNet`.
        names: of the styles; None for a network of one.
        sha256: of the file, in hexadecimal.

    Raises:
        WeightsError: it is none of these, or holds numbers that are not finite.
    """
    if "conv1.conv2d.weight" in state:
        state = _from_examples(state)
    state = {key: value.float() for key, value in state.items()}
    names = tuple(names or ("",))
    try:
        network = _empty(state)
        network.load_state_dict(state)
    except (KeyError, RuntimeError, ValueError) as error:
        sentence = " ".join(str(error).split())[:200]
        raise WeightsError(f"the weights are of no network that paints: {sentence}") from error
    if not all(value.isfinite().all() for value in state.values()):
        raise WeightsError("the weights hold numbers that are not finite")
    if len(network.rows) not in (len(names), len(names) + 1):
        raise WeightsError(f"the weights hold {len(network.rows)} rows for {len(names)} styles")
    made_of = torch.tensor(list(bytes.fromhex(sha256)), dtype=torch.uint8)
    return Trained(network.eval().requires_grad_(False), names, made_of)


def _empty(state: Mapping[str, Tensor]) -> Transformer:
    styles = len(state["rows"])
    if "fold.0.weight" not in state:
        return Paper(styles)
    half, quarter = state["paint.weight"].shape[1], state["fold.0.weight"].shape[0]
    blocks = len({key.split(".")[1] for key in state if key.startswith("blocks.")})
    return Slim(styles, widths=(half, quarter, state["up.weight"].shape[1]), blocks=blocks)


def _from_examples(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The state of `Paper` from that of the `TransformerNet` of PyTorch's examples.

    There convolutions are `conv1.conv2d`, `res1.conv1.conv2d`, `deconv1.conv2d`, and norms `in1`,
    `res1.in1`, `in4`; old files hold running statistics too, which were never used.
    """
    places = [
        *(((f"conv{i}", f"in{i}"), f"down.{i - 1}") for i in (1, 2, 3)),
        *(
            ((f"res{i}.conv{k}", f"res{i}.in{k}"), f"blocks.{i - 1}.{k - 1}")
            for i in range(1, 6)
            for k in (1, 2)
        ),
        *(((f"deconv{i}", f"in{i + 3}"), f"up.{i - 1}") for i in (1, 2)),
    ]
    found, row = {}, []
    try:
        for (conv, norm), ours in places:
            for part in ("weight", "bias"):
                found[f"{ours}.0.{part}"] = state[f"{conv}.conv2d.{part}"]
                row.append(state[f"{norm}.{part}"])
        found["paint.weight"] = state["deconv3.conv2d.weight"]
        row += [torch.zeros(3), state["deconv3.conv2d.bias"] / 255]
    except KeyError as error:
        raise WeightsError(f"the weights lack {error.args[0]}") from error
    return found | {"rows": torch.cat([part.float() for part in row])[None]}


@cache
def bundled() -> Trained:
    """The network of many styles that comes with the package; its first row returns the picture.

    Raises:
        WeightsError: it is missing or damaged.
    """
    state, said = zoo.load_painter("multistyle")
    sha256 = zoo.painters()["multistyle"].sha256
    return build(state, names=json.loads(said["names"]), sha256=sha256)
