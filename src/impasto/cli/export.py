"""`impasto export`: a network that paints as an ONNX graph for other programs."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from impasto.cli.flags import Overwrite
from impasto.core.errors import OptionError
from impasto.media.image import check_writable, write_bytes

if TYPE_CHECKING:
    from torch import Tensor

    from impasto.nets.trained import Trained


def export(
    network: Annotated[
        str,
        Parameter(
            help="multistyle or one of its styles, or a .safetensors, .pth, .pt or .model file "
            "with a network."
        ),
    ],
    /,
    *,
    output: Annotated[Path, Parameter(alias="-o", help="The .onnx file to write.")],
    style: Annotated[
        str | None,
        Parameter(
            help="Put this style, a name or a .style file, into the graph; otherwise it takes any "
            "style as a row, unless the network knows only one."
        ),
    ] = None,
    strength: Annotated[
        float, Parameter(help="Of the style that is put into the graph, from 0 to 1.")
    ] = 0.5,
    overwrite: Overwrite = False,
) -> None:
    """Write a network as an ONNX graph for pictures of any size, and compare it with the network.

    Raises:
        ImpastoError: there is no such network or style, a package is missing, the file cannot be
            written, or the graph paints something else than the network; then nothing is written.
    """
    from tempfile import TemporaryDirectory

    import torch

    from impasto.nets import export as graphs
    from impasto.nets import trained
    from impasto.nets.gallery import works

    check_writable(output, endings=(".onnx",), overwrite=overwrite)
    if not 0 <= strength <= 1:
        raise OptionError(f"strength must be a number from 0 to 1; got {strength:g}")
    if style is None and network in works():
        network, style = "multistyle", network
    known = trained.bundled() if network == "multistyle" else trained.load(network)
    if style is None and len(known.names) == 1:
        row = known.mixed(known.styles, torch.ones(1), strength=strength)
        said = {"style": known.names[0], "strength": f"{strength:g}"}
    elif style is None:
        row, said = None, graphs.described(known.names, known.styles, known.network.returning())
    else:
        row = known.mixed(_row(known, style)[None], torch.ones(1), strength=strength)
        said = {"style": style, "strength": f"{strength:g}"}
    with TemporaryDirectory() as folder:
        path = Path(folder) / "graph.onnx"
        graphs.export(known.network, path, row=row, said=said)
        worst = graphs.check(known.network, path, row=row)
        write_bytes(output, path.read_bytes())
    sys.stdout.write(f"{output}, at most {worst:.1g} from torch\n")


def _row(known: "Trained", style: str) -> "Tensor":
    """The row of a style that the network knows, or that was learnt with it; (R,)."""
    from impasto.nets.trained import MAKER, ROW
    from impasto.universal.palette import ENDING, load_style

    if not style.lower().endswith(ENDING):
        return known.known(style)[ROW]
    measured = load_style(style)
    if MAKER not in measured or not measured[MAKER].equal(known.sha256):
        raise OptionError(f"{style} was not learnt with this network")
    return measured[ROW]
