"""The docs say what the program does: nothing undocumented, nothing stale, no broken example."""

import ast
import json
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import fields
from importlib import import_module
from importlib.util import module_from_spec, spec_from_file_location
from inspect import signature
from pathlib import Path
from pkgutil import resolve_name
from typing import Any, cast

import pytest
from pydantic import BaseModel

import impasto
from impasto import methods, painted
from impasto.cli import main as cli
from impasto.cli import stylize
from impasto.evaluate.compare import Summary
from impasto.jobs.control import built
from impasto.jobs.sources import weighed
from impasto.jobs.spec import Job
from impasto.nets import zoo
from impasto.training.distill import Distill
from impasto.wrappers.controls import Controls

ROOT = Path(__file__).parents[2]
PAGES = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    ROOT / "CHANGELOG.md",
    *sorted((ROOT / "docs").glob("*.md")),
]
MACHINE = {
    "processor": " A chip ",
    "cores": 2,
    "capability": "AVX",
    "torch": "9.9",
    "date": "2020-02-02",
}


@pytest.fixture(scope="session")
def generate() -> Any:
    spec = spec_from_file_location("generate", ROOT / "docs" / "generate.py")
    assert spec
    assert spec.loader
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def reference(generate) -> str:
    return generate.reference()


def blocks(*languages: str) -> Iterator[Any]:
    """Every fenced block in these languages, with its place as the name of the test."""
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        pattern = r"^( *)```(\w+)\n(.*?)^ *```$"
        for found in re.finditer(pattern, text, flags=re.DOTALL | re.MULTILINE):
            indent, language, body = found.groups()
            if language in languages:
                body = re.sub(f"^{indent}", "", body, flags=re.MULTILINE)
                line = text[: found.start()].count("\n") + 1
                yield pytest.param(body, id=f"{page.relative_to(ROOT)}:{line}")


def command_lines() -> Iterator[Any]:
    """Every line of a shell block that runs `impasto`, as words."""
    for block in blocks("sh", "bash"):
        for line in block.values[0].replace("\\\n", " ").splitlines():
            words = shlex.split(line, comments=True)
            if words[:1] == ["impasto"]:
                yield pytest.param(words[1:], id=f"{block.id} {line}")


# What is documented


@pytest.mark.parametrize("command", cli.COMMANDS)
def test_every_command_is_in_the_reference(command, reference):
    assert f"### `impasto {command}`\n" in reference


def test_a_command_of_a_group_is_in_the_reference_with_its_options(reference):
    section = reference.partition("\n### `impasto train distill`\n")[2].partition("\n###")[0]
    for option in ("teacher", "data", "out", *Distill.model_fields):
        assert f"--{option.replace('_', '-')} " in section


@pytest.mark.parametrize("name", methods.names())
def test_every_option_of_a_method_is_in_the_reference(name, reference):
    _, _, section = reference.partition("\n## Methods\n")[2].partition(f"\n### `{name}`\n")
    section = re.split(r"\n##", section)[0]
    for option, field in methods.load(name).model_fields.items():
        (row,) = [line for line in section.splitlines() if line.startswith(f"| `{option}` |")]
        assert f"`--{option.replace('_', '-')}`" in row
        assert field.description in row


@pytest.mark.parametrize("option", sorted({*signature(stylize.paint).parameters} - {"planning"}))
def test_every_other_word_of_stylize_is_in_its_help(option, generate):
    if option != "options":
        flag = option.upper() if option == "content" else f"--{option.replace('_', '-')}"
        assert flag in generate.helped(["stylize"])


@pytest.mark.parametrize("name", [*painted.names(), *zoo.models()])
def test_every_painted_style_and_network_has_a_row(name, reference):
    assert re.search(rf"^\| `:?{name}` \|", reference, flags=re.MULTILINE)


def test_the_reference_does_not_depend_on_the_terminal(generate, reference, monkeypatch):
    monkeypatch.setenv("COLUMNS", "47")
    monkeypatch.setenv("FORCE_COLOR", "1")
    again = generate.reference()
    assert again == reference
    assert "\x1b" not in again
    assert max(map(len, generate.helped(["stylize"]).splitlines())) == 100


# What is stale


def test_the_pages_on_disk_are_fresh():
    # In a process of its own: a console that another test has used remembers its width.
    command = [sys.executable, str(ROOT / "docs" / "generate.py"), "--check"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.fixture
def copy(generate, tmp_path, monkeypatch) -> Path:
    """The generated pages in a folder of their own."""
    for name in generate.pages():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes((ROOT / name).read_bytes())
    (tmp_path / "pyproject.toml").write_bytes((ROOT / "pyproject.toml").read_bytes())
    monkeypatch.setattr(generate, "ROOT", tmp_path)
    return tmp_path


def test_a_stale_page_is_named_and_then_written(generate, copy, capsys):
    page = copy / "docs" / "reference.md"
    page.write_text("old")
    assert generate.generate(check=True) == 1
    assert capsys.readouterr().err == "docs/reference.md is stale; run make fix\n"
    assert page.read_text() == "old"
    assert generate.generate(check=False) == 0
    assert page.read_text(encoding="utf-8") == generate.reference()
    assert generate.generate(check=True) == 0


def test_an_undocumented_option_is_noticed(generate, copy, monkeypatch, capsys):
    generate.generate(check=False)
    field = methods.load(methods.DEFAULT).model_fields["strength"]
    monkeypatch.setattr(field, "description", "how much paint")
    assert generate.generate(check=True) == 1
    assert capsys.readouterr().err.startswith("docs/reference.md is stale")


def test_a_page_without_its_markers_is_refused(generate, copy):
    (copy / "README.md").write_text("# Impasto\n")
    with pytest.raises(SystemExit, match=r"README\.md must hold <!-- figures -->"):
        generate.pages()


# What was measured


def test_figures_are_written_and_missing_parts_are_left_out(generate, tmp_path):
    found = {"machine": MACHINE, "summary": {"monotonic_pairs": 24, "pairs": 25, "medians": {}}}
    (tmp_path / "strength.json").write_text(json.dumps(found))
    head, _, row, _, machine = generate.figures(tmp_path).splitlines()
    assert head == "| What | Measured |"
    assert row.endswith(" | 24 of 25 |")
    assert machine == "Measured on A chip, 2 cores with AVX, torch 9.9, 2020-02-02."
    other = {**found, "machine": MACHINE | {"capability": "NEON"}}
    summary = {field.name: 1.0 for field in fields(Summary)}
    (tmp_path / "quality.json").write_text(json.dumps(other | {"summary": summary}))
    last = generate.figures(tmp_path).splitlines()[-1]
    assert "with NEON, torch 9.9, 2020-02-02 (quality); and on " in last
    assert last.endswith("with AVX, torch 9.9, 2020-02-02 (strength).")
    assert "make bench" in generate.figures(tmp_path / "nowhere")


def test_engines_that_only_round_differently_paint_the_same(generate, tmp_path):
    row = {"square_ms": 12.3, "video_ms": 45.6, "psnr_db": 41.2, "psnr_db_median": 47.4}
    same = row | {"psnr_db": 120.0, "psnr_db_median": 120.0}
    found = {"machine": MACHINE, "engines": {"quick int8": row, "torch float32": same}}
    (tmp_path / "realtime.json").write_text(json.dumps(found))
    _, _, *rows, _, machine = generate.engines(tmp_path).splitlines()
    assert rows == [
        "| quick int8 | 12 ms | 46 ms | 41 dB | 47 dB |",
        "| torch float32 | 12 ms | 46 ms | the same | the same |",
    ]
    assert machine == "Measured on A chip, 2 cores with AVX, torch 9.9, 2020-02-02."
    assert "make bench" in generate.engines(tmp_path / "nowhere")


def test_kinds_of_blocks_stand_with_their_work_and_what_they_learnt(generate, tmp_path):
    kind = {"multiply_adds_a_pixel": 7278.0, "torch_ms": 33.4, "openvino_ms": 18.2, "loss": 0.25}
    found = {"machine": MACHINE, "steps": 9, "precision": "bfloat16", "kinds": {"full": kind}}
    (tmp_path / "blocks.json").write_text(json.dumps(found))
    head, _, row, *_ = generate.blocks(tmp_path).splitlines()
    assert head == "| Blocks | Work a pixel | torch | OpenVINO, bfloat16 | Loss after 9 steps |"
    assert row == "| full | 7.3 k | 33 ms | 18 ms | 0.250 |"
    assert "make bench" in generate.blocks(tmp_path / "nowhere")


def test_figures_have_the_keys_of_the_benchmarks(generate, monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT))
    speed = import_module("benchmarks.speed")
    for name, answer in {
        "process": (1.0, 1.0), "several": 1.0, "first_preview": 1.0, "vgg19_iteration": 1.0,
        "stylize": (),
    }.items():  # fmt: skip
        monkeypatch.setattr(speed, name, lambda *_, answer=answer, **__: answer)
    monkeypatch.setattr(speed.torch, "set_num_threads", lambda _: None)
    source, realtime = (
        (ROOT / "benchmarks" / f"{name}.py").read_text(encoding="utf-8")
        for name in ("quality", "realtime")
    )
    sizes = ("3840", "12000")
    known = {
        "universal_speed": {f"auto_{quality}_512_s" for quality in ("draft", "normal", "best")}
        | {f"draft_{size}_{unit}" for size in sizes for unit in ("s", "gb")},
        "speed": set(speed.speed()),
        "memory": set(speed.memory()),
        "realtime": set(re.findall(r'"(\w+)": ', realtime)),
        "universal_quality": set(methods.names()),
        "universal_pairs": {"vgg19_adain_s", *methods.names()},
        "universal_pairs_float32": {"vgg19_adain_s", *methods.names()},
        **{part: {field.name for field in fields(Summary)} for part in ("quality", "multistyle")},
        "strength": set(re.findall(r'"(\w+)": ', source)),
        "teachers": set(re.findall(r'"(\w+)": ', source)),
    }
    for part, _, template in generate.FIGURES:
        assert set(re.findall(r"\{(\w+)", template)) <= known[part]


# What is shown


@pytest.mark.parametrize("source", list(blocks("python")))
def test_python_compiles_and_imports_what_exists(source):
    tree = ast.parse(source)
    imports = [node for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)]
    exec(compile(ast.Module(imports, []), "<docs>", "exec"), {})
    compile(source, "<docs>", "exec")


@pytest.mark.parametrize("source", list(blocks("python")))
def test_python_calls_with_options_that_exist(source):
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "impasto.stylize":
            given = {str(keyword.arg): keyword.value for keyword in node.keywords}
            named = given.get("method")
            name = named.value if isinstance(named, ast.Constant) else methods.DEFAULT
            known = cast("type[BaseModel]", methods.load(str(name))).model_fields
            words = {*signature(impasto.stylize).parameters, *Controls.model_fields, *known}
            assert given.keys() <= words


@pytest.fixture
def parse(monkeypatch) -> Any:
    """Understand a command line as the program does, and stop before the work."""
    asked: list[Any] = []

    def only_understand(app: Any, tokens: Sequence[str]) -> None:
        command, bound, _ = app.parse_args(tokens, exit_on_error=False, print_error=False)
        if command is stylize.stylize:
            command(*bound.args, **bound.kwargs)
        asked.append(command)

    def paint(
        content: list[str],
        /,
        *,
        style: list[str] | None = None,
        method: str | None = None,
        like: Path | None = None,
        options: Any,
        **_: Any,
    ) -> None:
        assert style or like
        built(method or methods.DEFAULT, options)
        for source, _ in weighed(style or []):
            name = str(source).partition("@")[0]
            assert not name.startswith(":") or name[1:] in painted.names()

    paint.__signature__ = signature(stylize.paint)  # type: ignore[attr-defined]
    monkeypatch.setattr(stylize, "paint", paint)
    monkeypatch.setattr(stylize, "settings_of", lambda *_, **__: Job("", []))
    monkeypatch.setattr(cli, "run", only_understand)
    return lambda words: (cli.main(words), asked)


@pytest.mark.parametrize("words", list(command_lines()))
def test_command_lines_are_understood(words, parse, capsys):
    code, asked = parse(words)
    assert code == 0, capsys.readouterr().err
    assert len(asked) == 1


@pytest.mark.parametrize(
    "line",
    [
        "stylise photo.jpg",
        "stylize photo.jpg --style a.jpg --bold",
        "stylize photo.jpg --style a.jpg --strength 2",
        "stylize photo.jpg --style a.jpg:0",
        "evaluate out.png --content a.jpg",
    ],
)
def test_wrong_command_lines_are_not_understood(line, parse):
    assert parse(line.split())[0] == cli.REFUSED


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page):
    text = re.sub(r"^ *```.*?^ *```$", "", page.read_text("utf-8"), flags=re.DOTALL | re.MULTILINE)
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", text):
        assert target.startswith("http") or (page.parent / target).exists(), target


def test_every_command_resolves_to_something_callable():
    for path, _ in cli.COMMANDS.values():
        assert callable(resolve_name(path))
