"""What several tests look with."""

import copy
import runpy
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from impasto import methods
from impasto.nets import decoder, petit, refiner, trained, zoo
from impasto.nets.transformer import Slim
from impasto.nets.vgg import VGG

# A warning that torch gives once per process would fail whichever test happens to be first.
torch.set_warn_always(True)
# Small pictures gain nothing from threads, and on busy cores threads wait for each other.
torch.set_num_threads(1)


@pytest.fixture(scope="session")
def eyes() -> VGG:
    """A network of petit's shape with random weights and metrics near the identity."""
    generator = torch.Generator().manual_seed(0)
    state = petit.initial_state(generator)
    for tap in petit.TAPS:
        width = petit.WIDTHS[tap.replace("relu", "conv")]
        noise = torch.randn((width, width), generator=generator)
        state[f"metric.{tap}"] = torch.eye(width) + 0.05 * noise
    return VGG(state, pooling=petit.POOLING).requires_grad_(requires_grad=False)


@pytest.fixture
def random_weights(monkeypatch, eyes) -> None:
    """`petit`, the decoders and the refiner have random weights wherever they are loaded."""
    generator = torch.Generator().manual_seed(1)
    widths = [petit.WIDTHS[f"conv{level}_1"] for level in range(1, 6)]
    plain = {
        f"relu{level}_1": decoder.initial_state(widths[:level], generator) for level in range(1, 6)
    }
    styled = decoder.initial_styled_state(widths[:4], generator)
    styled["modulate.weight"] = torch.randn(styled["modulate.weight"].shape, generator=generator)
    styled["modulate.weight"] *= 0.16 / decoder.HIDDEN**0.5
    for state in (*plain.values(), styled):
        # So that pictures have contrast and few values leave their range.
        state["conv1_1.weight"] *= 0.035 / state["conv1_1.weight"].std()

    inverses = {tap: decoder.Decoder(state) for tap, state in plain.items()}
    one = decoder.StyledDecoder(styled)
    monkeypatch.setattr(zoo, "load", lambda *_, **__: copy.deepcopy(eyes))
    monkeypatch.setattr(decoder, "decoders", lambda: copy.deepcopy(inverses), raising=False)
    monkeypatch.setattr(decoder, "styled", lambda: copy.deepcopy(one), raising=False)
    moves, source = refiner.Refiner().requires_grad_(False), torch.Generator().manual_seed(2)
    for parameter in moves.parameters():
        noise = torch.randn(parameter.shape, generator=source)
        parameter.copy_(noise * (1 / max(1, parameter[0].numel())) ** 0.5)
    moves.usual[4:] = 0.3
    moves.leave.weight *= 0.1
    moves.leave.bias *= 0.1

    def bundled(device=None, *, half=False) -> refiner.Refiner:
        return copy.deepcopy(moves).half() if half else copy.deepcopy(moves)

    monkeypatch.setattr(refiner, "bundled", bundled)
    painter = _painter(generator)
    monkeypatch.setattr(trained, "bundled", lambda: painter)


def _painter(generator: torch.Generator) -> trained.Trained:
    """A network of three styles that makes pictures with contrast."""
    state = Slim(4, widths=(8, 16, 24), blocks=1).state_dict()
    for key, value in state.items():
        noise = torch.randn(value.shape, generator=generator)
        seen = value[0].numel() if key != "rows" else 4
        state[key] = (value if key == "rows" else 0) + noise * (1.0 / seen) ** 0.5
    state["rows"][:, -6:-3], state["rows"][:, -3:] = 0.5, -1
    return trained.build(state, names=["a", "b", "c"], sha256="0" * 64)


@pytest.fixture
def tint(monkeypatch):
    """Enter the method "tint" as a stranger's; gives what it was handed."""
    made = runpy.run_path(str(Path(__file__).with_name("tint.py")))
    entry = SimpleNamespace(name="tint", load=lambda: made["Tint"])
    own = methods._strangers
    monkeypatch.setattr(methods, "_strangers", lambda: [*own(), entry])
    return made["SEEN"]
