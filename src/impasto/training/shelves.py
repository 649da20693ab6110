"""Crops that are shown to a slow network once and used many times."""

from typing import NamedTuple

import torch
from torch import Tensor

from impasto.nets.decoder import STATISTICS
from impasto.nets.vgg import VGG
from impasto.training.data import Pairs
from impasto.training.distances import grams

DEEP = STATISTICS[-1]
"""Where a loss sees the content."""
SHELF, RENEW = 20, 4
"""Batches of contents and of styles whose targets are kept, and steps after which one is renewed:
the teacher is slow, and any content goes with any style."""


class Shown(NamedTuple):
    """Crops (N, 3, H, W), and what the teacher says: deepest activations, and Gram matrices."""

    crops: Tensor
    deep: Tensor
    grams: tuple[Tensor, ...]


class Shelf:
    """Crops with what a network says of them, asked once; the oldest give way.

    Args:
        network: the teacher.
        size: crops that are kept.
    """

    def __init__(self, network: VGG, *, size: int) -> None:
        self.network, self.size = network, size
        self.rows: list[tuple[Tensor, ...]] = []

    @torch.no_grad()
    def add(self, x: Tensor) -> None:
        """Put in crops (N, 3, H, W)."""
        features = self.network(x, STATISTICS)
        said = grams(self.network, features, STATISTICS)
        parts = [x, features[DEEP], *said.values()]
        rows = zip(*(part.split(1) for part in parts), strict=True)
        self.rows = [*self.rows, *rows][-self.size :]

    def draw(self, count: int, generator: torch.Generator) -> Shown:
        """Some of the crops, by chance."""
        at = torch.randint(len(self.rows), (count,), generator=generator).tolist()
        x, deep, *said = (torch.cat(part) for part in zip(*(self.rows[i] for i in at), strict=True))
        return Shown(x, deep, tuple(said))

    def state(self) -> Tensor:
        """The crops, oldest first."""
        return torch.cat([row[0] for row in self.rows])


class Shelves:
    """A shelf of contents and one of styles.

    Args:
        network: the teacher.
        batch: crops that are shown to it at a time.
    """

    def __init__(self, network: VGG, *, batch: int) -> None:
        self.device, self.batch = network.input.weight.device, batch
        self.contents = Shelf(network, size=SHELF * batch)
        self.styles = Shelf(network, size=SHELF * batch)

    def fill(self, pairs: Pairs) -> None:
        """Show the teacher the first crops."""
        for _ in range(SHELF):
            self._renew(pairs)

    def renew(self, step: int, pairs: Pairs) -> None:
        """In some steps the oldest crops give way."""
        if step % RENEW == 0:
            self._renew(pairs)

    def draw(self, count: int, generator: torch.Generator) -> tuple[Shown, Shown]:
        """Some contents and as many styles, by chance."""
        return self.contents.draw(count, generator), self.styles.draw(count, generator)

    def state(self) -> dict[str, Tensor]:
        """The crops that the teacher was shown."""
        return {"contents": self.contents.state(), "styles": self.styles.state()}

    def restore(self, state: dict[str, Tensor]) -> None:
        """Take up what `state` gave, asking the teacher anew, as many at a time as before."""
        for shelf, crops in ((self.contents, state["contents"]), (self.styles, state["styles"])):
            for x in crops.to(self.device).split(self.batch):
                shelf.add(x.contiguous(memory_format=torch.channels_last))

    def _renew(self, pairs: Pairs) -> None:
        self.contents.add(pairs.contents(self.batch))
        self.styles.add(pairs.styles(self.batch))
