"""Any convolutional network as named feature maps.

A network here is anything with `layers`, a call `network(image, taps) -> Features` and
`metric(tap)`: `VGG`, `petit`, or any `nn.Module` wrapped in `Hooked`.
"""

import runpy
from collections.abc import Iterable, Sequence
from contextlib import suppress
from math import log2
from pathlib import Path
from typing import Annotated, Any, Protocol, cast, runtime_checkable

import torch
from jaxtyping import Float
from pydantic import BeforeValidator
from torch import Tensor, nn

from impasto.core.contract import Cost
from impasto.core.errors import OptionError
from impasto.core.tensors import Features, Image
from impasto.nets import zoo
from impasto.nets.fetch import digest

STYLE_LAYERS = ("relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1")
"""Gatys et al., CVPR 2016, section 2."""
CONTENT_LAYERS = ("relu4_2", "relu4_1")
"""The first of these that a network has: relu4_2 as in the paper."""


DESCENTS = {
    "petit": (0, 1650, 620, 0.8e-6),
    "vgg16": (0.15e9, 2400, 2000, 8e-6),
    "vgg19": (0.15e9, 2400, 2000, 9.5e-6),
}
"""Bytes of a network, for a pixel of a small and of a large picture that is changed by gradients,
and seconds for a pixel of every step; see `jobs.calibration`."""

_PROBE = 128
"""Side of the picture by which the scales of a network are found, in pixels."""


@runtime_checkable
class Network(Protocol):
    """Eyes: a picture in, named feature maps out."""

    @property
    def layers(self) -> Sequence[str]:
        """The names that may be asked for, shallow to deep."""
        ...

    def __call__(self, image: Image, taps: Iterable[str]) -> Features:
        """The activations at these layers."""
        ...

    def metric(self, tap: str) -> Tensor | None:
        """A matrix (C, C) in which to measure distances at this layer; None is the identity."""
        ...


class _Enough(Exception):  # noqa: N818 - not an error: the deepest layer has been seen
    pass


class Hooked:
    """Any module's named submodules as feature maps.

    Args:
        module: takes pictures (N, 3, H, W); its parameters are frozen.
        mean, std: what the module expects pictures to be normalised with, per channel; the
            defaults change nothing.
    """

    def __init__(
        self,
        module: nn.Module,
        *,
        mean: Sequence[float] = (0, 0, 0),
        std: Sequence[float] = (1, 1, 1),
    ) -> None:
        self.module = module.eval().requires_grad_(requires_grad=False)
        self.layers = tuple(name for name, _ in module.named_modules() if name)
        self.mean = torch.tensor(mean).view(1, 3, 1, 1)
        self.std = torch.tensor(std).view(1, 3, 1, 1)

    def __call__(self, image: Float[Tensor, "N 3 h w"], taps: Iterable[str]) -> Features:
        """The first outputs of the named submodules; runs no further than the last of them.

        Raises:
            OptionError: a submodule is not run, or does not give feature maps.
        """
        wanted = {name: self.module.get_submodule(name) for name in taps}
        found: Features = {}

        def keep(name: str, output: Any) -> None:
            if not isinstance(output, Tensor) or output.ndim != 4:
                raise OptionError(f"layer {name} of the network gives no feature maps (N, C, H, W)")
            # A copy, because the next layer may work in place, as most ReLUs of torchvision do.
            found.setdefault(name, output.clone())
            if len(found) == len(wanted):
                raise _Enough

        hooks = [
            module.register_forward_hook(
                lambda _module, _input, output, name=name: keep(name, output)
            )
            for name, module in wanted.items()
        ]
        try:
            self.module((image - self.mean.to(image)) / self.std.to(image))
        except _Enough:
            pass
        finally:
            for hook in hooks:
                hook.remove()
        if unseen := wanted.keys() - found.keys():
            raise OptionError(f"the network never runs its layer {', '.join(sorted(unseen))}")
        return found

    def metric(self, tap: str) -> None:
        """The identity."""

    @torch.no_grad()
    def usual(self) -> tuple[str, ...]:
        """One layer a scale, fine to coarse, five at most: the first activation after each halving.

        That is what relu1_1, relu2_1, … are in VGG. It is found by looking at a flat picture once;
        a scale without an activation of its own gives the first of what it has.
        """
        seen: dict[int, list[str]] = {}

        def note(name: str, output: Any) -> None:
            if isinstance(output, Tensor) and output.ndim == 4 and min(output.shape[2:]) >= 4:
                seen.setdefault(round(log2(_PROBE / output.shape[2])), []).append(name)

        leaves = {name: m for name, m in self.module.named_modules() if not [*m.children()]}
        hooks = [
            module.register_forward_hook(lambda _m, _i, output, name=name: note(name, output))
            for name, module in leaves.items()
        ]
        device = next((p.device for p in self.module.parameters()), None)
        # A classifier at the end may not accept this size; all that matters has been seen by then.
        with suppress(RuntimeError):
            self.module(torch.zeros(1, 3, _PROBE, _PROBE, device=device))
        for hook in hooks:
            hook.remove()
        scales = [names for _, names in sorted(seen.items())][: len(STYLE_LAYERS)]
        return tuple(
            next((name for name in names if _is_activation(leaves[name])), names[0])
            for names in scales
        )


def _is_activation(module: nn.Module) -> bool:
    return type(module).__module__ == nn.ReLU.__module__


CODE = ".py"
"""The ending of a file that makes a network when it is run."""


def _seen_through(network: object) -> object:
    """A module that is not yet a network is one by the names of its parts."""
    bare = isinstance(network, nn.Module) and not isinstance(network, Network)
    return Hooked(cast("nn.Module", network)) if bare else network


Eyes = Annotated[str | Network, BeforeValidator(_seen_through)]
"""An option: a network by name or file, or as it is, also a bare module."""


def coded(path: str | Path, device: torch.device) -> Network:
    """The network that a file of Python makes.

    The file is run as it is. It defines `network`: a `Hooked`, any other `Network`, or an
    `nn.Module` that takes RGB in [0, 1]; or a function without arguments that returns one.

    Args:
        path: of the file.
        device: where the network is to be.

    Raises:
        OptionError: there is no such file, it fails, or it defines no network.
    """
    path = Path(path).expanduser()
    if not path.is_file():
        raise OptionError(f"network must be a file that is there; {path} is not")
    try:
        network = runpy.run_path(str(path)).get("network")
        if callable(network) and not isinstance(network, nn.Module | Network):
            network = network()
    except (Exception, SystemExit) as error:  # Whatever strangers' code raises.
        said = " ".join(str(error).split()) or type(error).__name__
        raise OptionError(f"{path} makes no network: {said}") from error
    network = _seen_through(network)
    if not isinstance(network, Network) or not network.layers:
        raise OptionError(
            f"{path} must define network: a torch.nn.Module with layers, an "
            "impasto.features.Hooked, or a function that returns one"
        )
    module = network.module if isinstance(network, Hooked) else network
    if isinstance(module, nn.Module):
        module.to(device)
    zoo.note({path.name: digest(path)})
    return network


def choose(network: Network, asked: Sequence[str] | None, *, option: str) -> tuple[str, ...]:
    """The layers to use: those asked for, or the usual ones that this network has.

    Args:
        network: what to look with.
        asked: layer names; None is the usual ones.
        option: "style_layers" or "content_layers", for the default and for the sentence.

    Raises:
        OptionError: the network has no such layer.
    """
    if asked is None and isinstance(network, Hooked):
        found = network.usual()
        # Gatys' relu4_2 lies at the fourth of five scales.
        asked = found if option == "style_layers" else found[:4][-1:]
    if asked is None:
        usual = STYLE_LAYERS if option == "style_layers" else CONTENT_LAYERS
        asked = [layer for layer in usual if layer in network.layers]
        asked = asked if option == "style_layers" else asked[:1]
    missing = [layer for layer in asked if layer not in network.layers]
    if missing or not asked:
        got = ", ".join(missing) or "none"
        raise OptionError(f"{option} must be among {', '.join(network.layers)}; got {got}")
    return tuple(asked)


def descending(network: str | Network, pixels: float, *, steps: int, looked: int) -> Cost:
    """About what it takes to change a picture by gradients.

    Args:
        network: by name; of any other, as much as of VGG-19 is assumed.
        pixels: of the picture.
        steps: of the descent.
        looked: pixels that are looked at in all steps together.
    """
    known = DESCENTS.get(network) if isinstance(network, str) else None
    own, small, large, seconds = known or DESCENTS["vgg19"]
    # Small maps stay in the heap when they are freed, large ones go back to the system.
    memory = own + min(0.05e9 + small * pixels, 0.65e9 + large * pixels)
    return Cost(memory, 0.2 + 0.01 * steps + seconds * looked)


def weighted(
    layers: Sequence[str], weights: Sequence[float] | None, *, option: str
) -> dict[str, float]:
    """The layers with their weights, brought to a sum of one.

    Args:
        layers: their names.
        weights: one each; None is all alike.
        option: "style_weights" or "content_weights", for the sentence.

    Raises:
        OptionError: there are more or fewer, one is below 0, or all are 0.
    """
    weights = weights or (1.0,) * len(layers)
    if len(weights) != len(layers) or min(weights) < 0 or sum(weights) <= 0:
        raise OptionError(
            f"{option} must be one for each of the layers {', '.join(layers)}, none below 0, "
            f"not all 0; got {', '.join(f'{w:g}' for w in weights)}"
        )
    return {layer: w / sum(weights) for layer, w in zip(layers, weights, strict=True)}
