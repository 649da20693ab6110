import json
import re
import subprocess
import sys
from importlib.resources import files

import pytest

import impasto

HEAVY = ("torch", "pydantic", "PIL", "numpy", "matplotlib", "jaxtyping", "rich.progress")


def loaded_by(code: str) -> set[str]:
    code = f"{code}\nimport json, sys\nsys.stderr.write(json.dumps(sorted(sys.modules)))"
    ran = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    return set(json.loads(ran.stderr))


def test_importing_loads_nothing_heavy():
    loaded = loaded_by("import impasto; dir(impasto); impasto.__version__")
    assert "impasto" in loaded
    assert not loaded & {*HEAVY, "cyclopts"}


@pytest.mark.parametrize("flag", ["--help", "--version"])
def test_help_loads_no_torch(flag):
    loaded = loaded_by(f"from impasto.cli.main import main; assert main(['{flag}']) == 0")
    assert "impasto.cli.main" in loaded
    assert not loaded & {"torch", "pydantic", "PIL", "numpy", "matplotlib"}


@pytest.mark.parametrize(("command", "free"), [("models", "torch"), ("styles", "torch")])
def test_lists_load_no_torch(command, free):
    loaded = loaded_by(f"from impasto.cli.main import main; assert main(['{command}']) == 0")
    assert free not in loaded


def test_the_front_door_has_what_it_says():
    assert sorted(dir(impasto)) == sorted(impasto.__all__)
    assert all(getattr(impasto, name) is not None for name in impasto.__all__)
    assert "gatys" in impasto.methods.names()
    assert "petit" in impasto.models()
    assert len(impasto.styles()) >= 8
    assert re.fullmatch(r"\d+\.\d+\.\d+", impasto.__version__)
    with pytest.raises(AttributeError, match="nonsense"):
        _ = impasto.nonsense


def test_the_package_is_typed():
    assert (files("impasto") / "py.typed").is_file()
