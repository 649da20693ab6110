"""The widest convolutions of a graph in 8 bits, where paintings do not suffer from it.

Only those between the deepest maps, nearly half of the work, are calculated so; with all in 8 bits
the network paints other strokes. The ranges of their numbers are measured on pictures drawn from
noise whose strength falls with its frequency, as it does in photographs (Field, "Relations between
the statistics of natural images and the response properties of cortical cells", 1987).
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from impasto.core.tensors import Image

SIDE, PICTURES = 256, 4
"""Of the pictures on which ranges are measured."""


def quantize(graph: Path, path: Path, *, rows: Tensor) -> None:
    """Write a graph whose deepest convolutions are in 8 bits.

    Args:
        graph: as `impasto.nets.export` writes it.
        path: where to write.
        rows: (S, R), the styles in which ranges are measured.
    """
    import onnx
    from onnxruntime.quantization import CalibrationDataReader, QuantType, quantize_static

    class Shown(CalibrationDataReader):
        def __init__(self) -> None:
            self.fed = _fed(rows)

        def get_next(self) -> Any:  # None at the end, which its base does not say.
            return next(self.fed, None)

    with _silence():
        quantize_static(
            str(graph),
            str(path),
            Shown(),
            op_types_to_quantize=["Conv"],
            nodes_to_quantize=_deepest(onnx.load(graph).graph),
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            per_channel=True,
            reduce_range=True,  # Processors without instructions for 8 bits overflow at the full.
        )


def _deepest(graph) -> list[str]:
    """The names of the convolutions of 3 x 3 between maps of the most channels."""
    shapes = {each.name: tuple(each.dims) for each in graph.initializer}
    convs = {n.name: shapes.get(n.input[1], ()) for n in graph.node if n.op_type == "Conv"}
    most = max(shape[1] for shape in convs.values() if len(shape) == 4)
    return [name for name, shape in convs.items() if shape == (most, most, 3, 3)]


def _fed(rows: Tensor) -> Iterator[dict]:
    generator = torch.Generator().manual_seed(0)
    pictures = [_picture(generator).numpy() for _ in range(PICTURES)]
    for row in rows.detach():
        for picture in pictures:
            yield {"image": picture, "row": row[None].numpy()}


def _picture(generator: torch.Generator) -> Image:
    """Noise with amplitudes of one over the frequency, its values spread over [0, 1]."""
    noise = torch.fft.rfft2(torch.randn((1, 3, SIDE, SIDE), generator=generator))
    down, across = torch.fft.fftfreq(SIDE)[:, None], torch.fft.rfftfreq(SIDE)[None]
    frequency = (down**2 + across**2).sqrt().clamp_min(1 / SIDE)
    made = torch.fft.irfft2(noise / frequency, s=(SIDE, SIDE))
    return (0.5 + 0.25 * (made - made.mean()) / made.std()).clamp(0, 1)


@contextmanager
def _silence() -> Iterator[None]:
    """Advice to whoever writes graphs."""
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(logging.NOTSET)
