"""What several tests look with."""

import runpy
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from impasto import methods
from impasto.nets import petit
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
    return VGG(state, pooling="average").requires_grad_(requires_grad=False)


@pytest.fixture
def tint(monkeypatch):
    """Enter the method "tint" as a stranger's; gives what it was handed."""
    made = runpy.run_path(str(Path(__file__).with_name("tint.py")))
    entry = SimpleNamespace(name="tint", load=lambda: made["Tint"])
    own = methods._strangers
    monkeypatch.setattr(methods, "_strangers", lambda: [*own(), entry])
    return made["SEEN"]
