"""Teach a network that paints one more style: a row of its own, and nothing else.

Dumoulin, Shlens and Kudlur, ICLR 2017, section 3.2: the convolutions of a trained network serve new
styles as well. The losses are those of `impasto.training.feedforward`.
"""

import copy
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn

from impasto.core.errors import OptionError
from impasto.core.progress import Report, silent
from impasto.media import image as media
from impasto.nets import zoo
from impasto.nets.fetch import digest
from impasto.nets.trained import MAKER, ROW, Trained, bundled, load
from impasto.training.data import listed, pictures, split
from impasto.training.distances import grams, style_far
from impasto.training.feedforward import Feed, Feeding, eyes_of, run
from impasto.universal.palette import ENDING, save_style

RECIPE: Mapping[str, Any] = {"steps": 1200, "content_scale": 0.25}
"""What is not as for a whole network. A row is learnt soon; and the content, which the convolutions
have learnt to keep, has not to be held by it as much."""
TRIED = 4
"""Crops on which the first row of a new style is chosen."""


class Teaching(Feeding):
    """The recipe for one more style of a network that is trained: nothing but its row.

    Args:
        trained: the network; it begins with the row that does best of those that it has.
        words: further arguments of `Feeding`.
    """

    def __init__(self, options: Feed, *, trained: Trained, **words: Any) -> None:
        self.trained = trained
        network = copy.deepcopy(trained.network)
        first = network.rows[:1]
        network.rows = nn.Parameter(torch.cat([first, first]))
        # A gradient of the first row is dropped: the way to the other styles begins there too.
        network.rows.register_hook(lambda g: g * torch.tensor([[0.0], [1.0]]).to(g))
        super().__init__(options, network=network, **words)

    @torch.no_grad()
    def start(self) -> None:
        """Begin at the row whose paintings of some crops come nearest to the style."""
        x = self._laid(self.crops.plain(TRIED))
        found = []
        for row in self.trained.styles:
            self.network.rows[1] = row
            made = self._painted(x, torch.ones(TRIED, 1), torch.full((TRIED,), 0.5))
            seen_of = grams(self.eyes, self.eyes(made, self.layers), self.layers)
            wanted = {layer: g.expand(TRIED, -1, -1) for layer, g in self.grams.items()}
            found.append(float(style_far(seen_of, wanted).mean()))
        self.network.rows[1] = self.trained.styles[found.index(min(found))]

    def _write(self, step: int) -> None:
        known = {ROW: self.network.rows[1].detach().cpu(), MAKER: self.trained.sha256}
        save_style(self.folder / f"{self.names[0]}{ENDING}", known, name=self.names[0])


def teach(
    options: Feed,
    *,
    to: str | Path = "multistyle",
    network: str = "petit",
    photos: Sequence[Path],
    style: Path,
    folder: Path,
    device: torch.device,
    report: Report = silent,
) -> Path:
    """Teach a trained network one more style; the others stay as they are, to the bit.

    Args:
        options: of the recipe; its architecture has no say.
        to: the bundled network, or a file.
        network: name or file of the network that the losses look with.
        photos: folders of pictures to learn from.
        style: the picture.
        folder: where to write; it is made.
        device: where to compute.
        report: is told of every step.

    Returns:
        The style, a small file that serves as a style of `multistyle`.

    Raises:
        ImpastoError: as `feed`, or the network has no strength to be chosen.
    """
    trained = bundled() if to == "multistyle" else load(to)
    if len(trained.network.rows) == len(trained.names):
        raise OptionError(f"{to} cannot learn a style: it has no row that returns the picture")
    found = pictures(photos)
    origin = {
        "eyes": zoo.fingerprint(network),
        "pictures": listed(found),
        "style": digest(style),
        "to": trained.sha256.tolist(),
    }
    recipe = Teaching(
        options,
        trained=trained,
        eyes=eyes_of(network, device),
        device=device,
        photos=split(found),
        styles={style.stem: media.read(style)},
        folder=folder,
        provenance={},
    )
    run(recipe, options, origin, report=report)
    return folder / f"{style.stem}{ENDING}"
