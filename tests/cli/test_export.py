"""`impasto export` writes a whole graph or nothing."""

import json
from importlib.util import find_spec

import pytest
import torch
from safetensors.torch import save_file

from impasto.cli.main import main
from impasto.nets.transformer import Slim


@pytest.fixture
def file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    torch.manual_seed(0)
    state = Slim(3, widths=(4, 8, 12), blocks=1).state_dict()
    state = {key: value.contiguous() for key, value in state.items()}
    save_file(state, "net.safetensors", {"names": json.dumps(["wave", "scream"])})
    return tmp_path


@pytest.mark.skipif(not find_spec("onnxscript"), reason="needs the packages of impasto[export]")
def test_a_network_is_exported_with_its_styles(file, capsys):
    import onnx

    assert main(["export", "net.safetensors", "-o", "net.onnx"]) == 0
    assert "from torch" in capsys.readouterr().out
    model = onnx.load("net.onnx")
    assert [value.name for value in model.graph.input] == ["image", "row"]
    said = {prop.key: prop.value for prop in model.metadata_props}
    assert json.loads(said["styles"]) == ["wave", "scream"]


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("export net.safetensors -o net.bin", "net.bin must end in .onnx"),
        ("export net.safetensors -o a.onnx --style sea", "must be one of wave, scream; got 'sea'"),
        ("export none.safetensors -o a.onnx", "none.safetensors"),
    ],
)
def test_refusals_write_nothing(file, capsys, words, sentence):
    assert main(words.split()) == 2
    assert sentence in capsys.readouterr().err
    assert [path.name for path in file.iterdir()] == ["net.safetensors"]
