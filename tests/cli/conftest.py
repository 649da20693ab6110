import runpy
from pathlib import Path
from types import SimpleNamespace

import pytest

from impasto import methods


@pytest.fixture
def tint(monkeypatch):
    """Enter the method "tint" as a stranger's; gives what it was handed."""
    made = runpy.run_path(str(Path(__file__).parents[1] / "tint.py"))
    entry = SimpleNamespace(name="tint", load=lambda: made["Tint"])
    own = methods._strangers
    monkeypatch.setattr(methods, "_strangers", lambda: [*own(), entry])
    return made["SEEN"]
