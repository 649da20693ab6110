"""Networks that paint, with the names of their styles: bundled or from files, ours or others'."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import torch
from torch import Tensor

from impasto.core.errors import OptionError, WeightsError
from impasto.core.tensors import Image
from impasto.nets import zoo
from impasto.nets.engines import Engine
from impasto.nets.fetch import digest
from impasto.nets.transformer import GONE, Paper, Slim, Transformer
from impasto.ops.resample import mirror, resize

ROW, MAKER = "transformer.row", "transformer.sha256"
"""Names in `Style.measured` of a row, and of the digest of the network that it was learnt with."""
BUNDLED = "multistyle"
ENDINGS = (".pth", ".pt", ".model", ".safetensors")
"""Of files that hold a network."""
FILE = "network.safetensors"
"""What a training calls its network. A style that was learnt with it is looked for beside it."""
SMALLEST = 16
"""Pixels of the shortest side that a network is shown."""
MARGIN = 8
"""Pixels of mirrored surroundings, for the deepest maps of small pictures."""


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
        if self.names == ("",):
            raise OptionError(f"the network knows one style, which has no name; got {name!r}")
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
def paint(network: Transformer | Engine, image: Image, row: Tensor, *, scale: float = 1.0) -> Image:
    """A picture of any size, painted.

    Args:
        network: what to paint with, by itself or on an engine.
        image: (1, 3, H, W), sRGB in [0, 1].
        row: (1, R).
        scale: size of strokes over that which was trained; the network sees a picture that is
            smaller by so much.

    Returns:
        (1, 3, H, W) in [0, 1].
    """
    full, wide = image.shape[2:]
    height, width = (max(SMALLEST, round(side / scale)) for side in (full, wide))
    grown = mirror(resize(image, (height, width)), margin=MARGIN, multiple=network.multiple)
    top, left = (grown.shape[2] - height) // 2, (grown.shape[3] - width) // 2
    painted = network(grown.contiguous(memory_format=torch.channels_last), row)
    own = painted[:, :, top : top + height, left : left + width].clamp(0, 1)
    return resize(own, (full, wide)).contiguous()


def load(path: str | Path) -> Trained:
    """The network in a file: ours as it is trained, or in the layout of PyTorch's examples.

    Raises:
        WeightsError: the file cannot be read, or holds no such network. No pickle is run.
    """
    path = Path(path)
    if not path.is_file():
        raise WeightsError(f"{path} does not exist")
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


def hexadecimal(sha256: Tensor) -> str:
    """A digest of 32 bytes as it is written."""
    return bytes(int(value) for value in sha256).hex()


def is_network(state: Mapping[str, Tensor]) -> bool:
    """Whether `build` might know these tensors."""
    return "rows" in state or "conv1.conv2d.weight" in state


def _empty(state: Mapping[str, Tensor]) -> Transformer:
    styles = len(state["rows"])
    with torch.random.fork_rng(devices=()):  # First values are drawn, and of no use.
        if "fold.0.weight" not in state:
            return Paper(styles)
        half, quarter = state["paint.weight"].shape[1], state["fold.0.weight"].shape[0]
        blocks = len({key.split(".")[1] for key in state if key.startswith("blocks.")})
        widths, seen = (half, quarter, state["up.weight"].shape[1]), state["fold.0.weight"].shape[1]
        return Slim(styles, widths=widths, blocks=blocks, noise=seen - 3 * 16)


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
        row += [state["deconv3.conv2d.bias"] / 255, torch.full((3,), GONE)]
    except KeyError as error:
        raise WeightsError(f"the weights lack {error.args[0]}") from error
    return found | {"rows": torch.cat([part.float() for part in row])[None]}


def bundled() -> Trained:
    """The network of many styles that comes with the package; its first row returns the picture.

    Raises:
        WeightsError: it is missing or damaged.
    """
    zoo.note({BUNDLED: zoo.painters()[BUNDLED].sha256})
    return _bundled()


@cache
def _bundled() -> Trained:
    state, said = zoo.load_painter(BUNDLED)
    return build(state, names=json.loads(said["names"]), sha256=zoo.painters()[BUNDLED].sha256)
