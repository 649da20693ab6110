"""Habits of the house that no linter holds."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1] / "src" / "impasto"
FILES = sorted(ROOT.rglob("*.py"))
ROOMS = {path.stem for path in ROOT.iterdir() if not path.stem.startswith("__")}

each_file = pytest.mark.parametrize("path", FILES, ids=lambda p: p.relative_to(ROOT).as_posix())


def imports(source: str) -> Iterator[str]:
    """Dotted names of all that a file imports, wherever in it; relative ones begin with a dot."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        if isinstance(node, ast.ImportFrom):
            module = "." * node.level + (node.module or "")
            yield from (f"{module}.{alias.name}" for alias in node.names)


def of_root(source: str) -> list[str]:
    """Imports of the package itself instead of a room; such imports make cycles."""
    split = [name.split(".") for name in imports(source)]
    return [
        ".".join(parts)
        for parts in split
        if parts[0] == "" or (parts[0] == "impasto" and (parts[1:2] or [""])[0] not in ROOMS)
    ]


@pytest.mark.parametrize(
    "source",
    [
        "import impasto",
        "from impasto import stylize",
        "from impasto import methods, __version__",
        "from . import x",
        "from .core import options",
        "def f():\n    import impasto as i",
    ],
)
def test_an_import_of_the_root_is_seen(source: str) -> None:
    assert of_root(source)
    assert not of_root("from impasto import methods\nimport impasto.core.options, torch")


@each_file
def test_nothing_imports_the_package_root(path: Path) -> None:
    assert of_root(path.read_text(encoding="utf-8")) == []


@each_file
def test_every_file_is_short_says_what_it_is_for_and_prints_nothing(path: Path) -> None:
    source = path.read_text(encoding="utf-8")
    tree = ast.parse(source)
    assert len(source.splitlines()) <= 400
    assert ast.get_docstring(tree)
    called = [node.func for node in ast.walk(tree) if isinstance(node, ast.Call)]
    assert "print" not in {name.id for name in called if isinstance(name, ast.Name)}


def test_no_room_is_empty() -> None:
    for folder in {path.parent for path in FILES}:
        assert (folder / "__init__.py").is_file(), folder
        assert len(list(folder.glob("*.py"))) > 1, folder


def test_no_method_imports_another() -> None:
    folder = ROOT / "methods"
    for path in folder.glob("[a-z]*.py"):
        found = list(imports(path.read_text(encoding="utf-8")))
        assert not [name for name in found if name.startswith(("impasto.methods.", "."))], path


def test_import_loads_nothing_heavy() -> None:
    code = "import impasto, sys; print(*{name.partition('.')[0] for name in sys.modules})"
    run = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    loaded = set(run.stdout.split())
    assert "impasto" in loaded
    assert not loaded & {"torch", "numpy", "PIL", "pydantic", "matplotlib", "httpx", "cyclopts"}
