"""`impasto export`: a network that paints as an ONNX graph for other programs."""

import sys
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from impasto.cli.flags import Overwrite
from impasto.media.image import check_writable, write_bytes


def export(
    network: Annotated[
        str, Parameter(help="multistyle, or a .safetensors, .pth or .pt file with a network.")
    ],
    /,
    *,
    output: Annotated[Path, Parameter(alias="-o", help="The .onnx file to write.")],
    style: Annotated[
        str | None,
        Parameter(help="Put this style into the graph; otherwise it takes any style as a row."),
    ] = None,
    overwrite: Overwrite = False,
) -> None:
    """Write a network as an ONNX graph for pictures of any size, and compare it with the network.

    Raises:
        ImpastoError: there is no such network or style, a package is missing, the file cannot be
            written, or the graph paints something else than the network; then nothing is written.
    """
    from tempfile import TemporaryDirectory

    from impasto.nets import export as graphs
    from impasto.nets import trained

    check_writable(output, endings=(".onnx",), overwrite=overwrite)
    known = trained.bundled() if network == "multistyle" else trained.load(network)
    row = None if style is None else known.known(style)[trained.ROW][None]
    said = graphs.described(known.names, known.styles) if style is None else {"style": style}
    with TemporaryDirectory() as folder:
        path = Path(folder) / "graph.onnx"
        graphs.export(known.network, path, row=row, said=said)
        worst = graphs.check(known.network, path, row=row)
        write_bytes(output, path.read_bytes())
    sys.stdout.write(f"{output}, at most {worst:.1g} from torch\n")
