"""`impasto train …`: make the weights that methods use."""

import sys
from pathlib import Path
from typing import Annotated, Any

import torch
from cyclopts import App, Group, Parameter

from impasto.cli.flags import with_flags
from impasto.cli.main import STOPPED, say
from impasto.cli.terminal import bar
from impasto.core.options import build
from impasto.training.distill import Distill
from impasto.training.distill import distill as run
from impasto.training.loop import CHECKPOINT

_RECIPE = Group("The recipe", sort_key=1)


def distill(
    *,
    teacher: Annotated[
        list[str],
        Parameter(
            negative=(),
            help="Network to learn from: vgg19, vgg16 or a weights file. "
            "Repeat: each layer is asked of the first that has it.",
        ),
    ],
    data: Annotated[
        list[Path],
        Parameter(negative=(), help="Folder of pictures to learn from. Repeat for more."),
    ],
    paintings: Annotated[
        list[Path] | None,
        Parameter(
            negative=(),
            help="Folder of pictures that serve as styles too; without it those of --data do.",
        ),
    ] = None,
    out: Annotated[
        Path, Parameter(help="Folder of the run; the same command goes on where it was stopped.")
    ],
    quiet: Annotated[
        bool, Parameter(alias="-q", negative=(), help="Say nothing on the way.")
    ] = False,
    options: dict[str, Any],
) -> int:
    """Distil the bundled feature network petit from larger ones."""
    # Threads inherit this from the one that starts them, so it comes before all work.
    torch.set_flush_denormal(True)
    try:
        with bar(quiet=quiet) as report:
            weights = run(
                build(Distill, options),
                teachers=teacher,
                photos=data,
                paintings=paintings or (),
                folder=out,
                device=torch.device("cuda" if torch.cuda.is_available() else "cpu"),
                report=report,
            )
    except KeyboardInterrupt:
        kept = (out / CHECKPOINT).exists()
        how = "goes on from the last checkpoint" if kept else "begins anew"
        say(f"stopped; the same command {how}")
        return STOPPED
    sys.stdout.write(f"{weights}\n")
    return 0


app = App(name="train", help="Train the weights that methods use.", version_flags=[])
app.command(with_flags(distill, Distill, group=lambda *_: _RECIPE), name="distill")
