"""A network that paints as an ONNX graph: any size, and any style as a row.

Both inputs of a `Transformer` are inputs of the graph: `image`, (1, 3, H, W), sRGB in [0, 1], whose
sides are multiples of what the network asks for, and `row`, (1, R). So one graph serves all styles,
mixtures of them, which are mixed outside, and those that are learnt later. Where a row is given it
becomes part of the graph, and `image` is the only input.
"""

import json
import logging
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

import torch
from torch import Tensor, nn

from impasto.core.errors import ExtraError, WeightsError
from impasto.core.tensors import Image
from impasto.nets.transformer import Transformer

OPSET = 18
"""Old enough for many runtimes; instance normalisation is one operator in it."""
CLOSE = 1e-3
"""Most that a pixel may differ from torch's."""
SIZES = ((64, 96), (104, 72))
"""Of the pictures on which a graph is compared with its network."""


class _Baked(nn.Module):
    """A network of one input."""

    def __init__(self, network: Transformer, row: Tensor) -> None:
        super().__init__()
        self.network = network
        self.register_buffer("row", row)

    def forward(self, image: Tensor) -> Tensor:
        return self.network(image, self.get_buffer("row"))


def export(
    network: Transformer,
    path: str | Path,
    *,
    row: Tensor | None = None,
    said: Mapping[str, str] | None = None,
) -> None:
    """Write a network as an ONNX graph; the same network gives the same bytes.

    Args:
        network: in float32, on the processor.
        path: where to write; only whole files appear if the caller renames it.
        row: (1, R), a style that becomes part of the graph.
        said: metadata of the file.

    Raises:
        ExtraError: the packages onnx and onnxscript are missing.
    """
    need("onnx", "onnxscript", extra="export")
    side = network.multiple
    image = torch.zeros((1, 3, 8 * side, 9 * side))
    # The names of dimensions are read by people; 4 is the least that every layer can work with.
    height, width = (torch.export.Dim(name, min=4, max=4096) for name in ("rows", "columns"))
    free = {2: side * height, 3: side * width}
    with _silence():
        program = torch.onnx.export(
            network if row is None else _Baked(network, row),
            (image, network.rows[:1].detach()) if row is None else (image,),
            dynamo=True,
            verbose=False,
            opset_version=OPSET,
            input_names=["image", "row"] if row is None else ["image"],
            output_names=["painted"],
            dynamic_shapes=(free, None) if row is None else (free,),
        )
    assert program is not None
    _forget_origins(program.model)
    program.model.metadata_props.update(said or {})
    program.save(str(path))


def described(names: Sequence[str], rows: Tensor, returning: Tensor) -> dict[str, str]:
    """Metadata of a graph that takes rows: the styles' names, and all rows as lists of numbers.

    Args:
        names: of the styles.
        rows: (S, R).
        returning: (R,), the row that returns the picture.
    """
    numbers = [
        [float(f"{value:.9g}") for value in row] for row in torch.stack([*rows, returning]).tolist()
    ]
    return {
        "styles": json.dumps(list(names)),
        "rows": json.dumps(numbers[:-1]),
        "returning": json.dumps(numbers[-1]),
    }


def check(network: Transformer, path: str | Path, *, row: Tensor | None = None) -> float:
    """The most that a pixel of the graph in a file differs from the network's.

    Args:
        network: what the graph was written from.
        path: of the graph.
        row: the style that is part of the graph.

    Raises:
        ExtraError: the package onnxruntime is missing.
        WeightsError: they differ by more than `CLOSE`.
    """
    need("onnxruntime", extra="export")
    from onnxruntime import InferenceSession

    session = InferenceSession(str(path), providers=["CPUExecutionProvider"])
    generator = torch.Generator().manual_seed(0)
    worst = 0.0
    for size in SIZES:
        image: Image = torch.rand((1, 3, *size), generator=generator)
        shown = network.rows[-1:].detach() if row is None else row
        fed = {"image": image.numpy()} | ({"row": shown.numpy()} if row is None else {})
        (painted,) = session.run(None, fed)
        difference = torch.from_numpy(painted) - network(image, shown)
        worst = max(worst, float(difference.abs().max()))
    if not worst <= CLOSE:
        raise WeightsError(f"the exported graph differs from the network by {worst:.2g}")
    return worst


def need(*packages: str, extra: str) -> None:
    """Refuse to go on without optional packages.

    Raises:
        ExtraError: one is missing; the sentence says how to get it.
    """
    missing = [name for name in packages if find_spec(name) is None]
    if missing:
        raise ExtraError(
            f"{' and '.join(missing)} must be installed for this: pip install 'impasto[{extra}]'"
        )


@contextmanager
def _silence() -> Iterator[None]:
    """The exporter says what it finds missing and outdated in itself; none of it is for users."""
    talkers = [logging.getLogger(name) for name in ("torch.onnx", "onnxscript", "onnx_ir")]
    levels = [talker.level for talker in talkers]
    for talker in talkers:
        talker.setLevel(logging.CRITICAL)
    try:
        with warnings.catch_warnings(action="ignore"):
            yield
    finally:
        for talker, level in zip(talkers, levels, strict=True):
            talker.setLevel(level)


def _forget_origins(model) -> None:
    """Notes of the exporter, among them the folders of this machine."""
    for part in (model.graph, *model.graph.all_nodes()):
        part.metadata_props.clear()
        part.doc_string = None
    for value in (*model.graph.inputs, *model.graph.outputs):
        value.metadata_props.clear()
    for node in model.graph.all_nodes():
        for value in node.outputs:
            value.metadata_props.clear()
