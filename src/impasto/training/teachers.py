"""What the teachers say of crops: asked once, kept in a pool, and renewed a little at a time."""

from collections.abc import Sequence

import torch
from torch import Tensor

from impasto.core.errors import OptionError
from impasto.nets.vgg import VGG
from impasto.ops.stats import gram

Answers = dict[str, tuple[Tensor, Tensor]]
"""Tap to principal components (N, K, h, w) and standardised channels (N, C, h', w')."""

STRIDE = {"relu1_1": 4, "relu2_1": 4, "relu3_1": 2}
"""The channels of large layers are kept at some positions only: enough, and much cheaper."""
CHUNK = 16
"""Crops are always shown in so many: convolutions of another batch size may round differently."""


class Teachers:
    """The networks to learn from, and the coordinates in which their answers are given.

    Args:
        networks: tried in order; each tap is asked of the first that has it.
        components: tap to the number of principal components to give, if it has as many channels.

    Raises:
        OptionError: no network has one of the taps.
    """

    def __init__(self, networks: Sequence[VGG], components: dict[str, int]) -> None:
        self.asked: list[tuple[VGG, list[str]]] = []
        left = list(components)
        for network in networks:
            self.asked.append((network, [tap for tap in left if tap in network.layers]))
            left = [tap for tap in left if tap not in network.layers]
        if left:
            raise OptionError(f"teacher must be networks that reach {', '.join(left)} as well")
        self.components = {k: min(count, self.channels(k)) for k, count in components.items()}
        self.device = networks[0].input.weight.device
        self.basis: dict[str, Tensor] = {}
        self.deviation: dict[str, Tensor] = {}

    def channels(self, tap: str) -> int:
        """The number of channels at a tap."""
        network = next(network for network, taps in self.asked if tap in taps)
        return network.get_parameter(f"{tap.replace('relu', 'conv')}.bias").shape[0]

    def measure(self, crops: Tensor) -> None:
        """Find the principal components and the deviation of every tap on crops (N, 3, H, W).

        The components are those of the second moment, not of the covariance, because that is what a
        Gram matrix is. They are scaled so that a feature has a mean square of 1 over all of them.
        """
        moments: dict[str, list[tuple[Tensor, Tensor]]] = {}
        for chunk in crops.split(CHUNK):
            for tap, feature in self.features(chunk).items():
                means = feature.double().mean((2, 3))
                moments.setdefault(tap, []).append((gram(feature.double()).double(), means))
        for tap, found in moments.items():
            second = torch.cat([grams for grams, _ in found]).mean(0)
            mean = torch.cat([means for _, means in found]).mean(0)
            vectors = torch.linalg.eigh(second).eigenvectors.flip(1)[:, : self.components[tap]]
            self.basis[tap] = (vectors / second.trace().sqrt()).float()
            variance = (second.diagonal() - mean**2).clamp_min(0)
            self.deviation[tap] = (variance + 1e-3 * variance.mean()).sqrt().float()

    @torch.no_grad()
    def features(self, x: Tensor) -> dict[str, Tensor]:
        """Raw activations at every tap of crops (N, 3, H, W)."""
        found: dict[str, Tensor] = {}
        for network, taps in self.asked:
            if taps:
                found |= network(x.to(self.device), taps)
        return found

    def answers(self, x: Tensor) -> Answers:
        """What the student is to say of crops (N, 3, H, W), in fp16."""
        chunks = [self._answer(chunk) for chunk in x.split(CHUNK)]
        return {
            tap: (torch.cat([c[tap][0] for c in chunks]), torch.cat([c[tap][1] for c in chunks]))
            for tap in self.components
        }

    def _answer(self, x: Tensor) -> Answers:
        said: Answers = {}
        full = torch.cat([x, x[:1].expand(CHUNK - len(x), -1, -1, -1)])
        for tap, feature in self.features(full).items():
            f = feature[: len(x)].float()
            s = STRIDE.get(tap, 1)
            # One product a crop: in a single one for all, a crop's place would change its rounding.
            components = (self.basis[tap].mT @ f.flatten(2)).view(len(x), -1, *f.shape[2:])
            channels = f[:, :, ::s, ::s] / self.deviation[tap][:, None, None]
            said[tap] = (components.half(), channels.half())
        return said

    def state(self) -> dict[str, Tensor]:
        """The coordinates."""
        kinds = (("basis", self.basis), ("deviation", self.deviation))
        return {f"{kind}.{tap}": value for kind, found in kinds for tap, value in found.items()}

    def restore(self, state: dict[str, Tensor]) -> None:
        """Take up what `state` gave; other tensors are passed over."""
        for tap in self.components:
            self.basis[tap] = state[f"basis.{tap}"].to(self.device)
            self.deviation[tap] = state[f"deviation.{tap}"].to(self.device)


class Pool:
    """A ring of crops with the teachers' answers to them, in the main memory.

    Args:
        teachers: are asked about every crop once.
        size: crops that are kept; then the oldest give way.
    """

    def __init__(self, teachers: Teachers, *, size: int) -> None:
        self.teachers, self.size = teachers, size
        self.at = 0
        self.images = torch.empty(0)
        self.answers: Answers = {}

    def add(self, x: Tensor) -> None:
        """Put in crops (N, 3, H, W) in [0, 1]."""
        for chunk in x.split(CHUNK):
            # The teachers see the rounded crop, as the student will, also after a checkpoint.
            rounded = chunk.half()
            answers = self.teachers.answers(rounded.float())
            if not self.answers:
                self.images = self._ring(rounded)
                self.answers = {
                    tap: (self._ring(components), self._ring(channels))
                    for tap, (components, channels) in answers.items()
                }
            at = (self.at + torch.arange(len(chunk))) % self.size
            self.images[at] = _last(rounded)
            for tap, both in answers.items():
                for kept, new in zip(self.answers[tap], both, strict=True):
                    kept[at] = _last(new)
            self.at += len(chunk)

    def draw(self, count: int, generator: torch.Generator) -> tuple[Tensor, Answers]:
        """Crops (count, 3, H, W) and the answers to them, on the teachers' device."""
        at = torch.randint(min(self.at, self.size), (count,), generator=generator)

        def taken(kept: Tensor) -> Tensor:
            return kept[at].to(self.teachers.device).permute(0, 3, 1, 2)

        answers = {tap: (taken(a), taken(b)) for tap, (a, b) in self.answers.items()}
        return taken(self.images).float(), answers

    def state(self) -> dict[str, Tensor]:
        """The crops, oldest first; the answers can be had again."""
        filled = min(self.at, self.size)
        at = (self.at - filled + torch.arange(filled)) % self.size
        return {"images": self.images[at].permute(0, 3, 1, 2), "at": torch.tensor(self.at)}

    def restore(self, state: dict[str, Tensor]) -> None:
        """Take up what `state` gave, asking the teachers anew."""
        self.at = int(state["at"]) - len(state["images"])
        self.add(state["images"])

    def _ring(self, like: Tensor) -> Tensor:
        return torch.empty((self.size, *_last(like).shape[1:]), dtype=like.dtype)


def _last(x: Tensor) -> Tensor:
    """Channels last, as convolutions leave them: mixing orders costs a third of a step."""
    return x.permute(0, 2, 3, 1).cpu()
