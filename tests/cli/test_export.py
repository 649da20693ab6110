"""`impasto export` writes a whole graph or nothing."""

import json
from importlib.util import find_spec

import pytest
import torch
from safetensors.torch import save_file

from impasto.cli.main import main
from impasto.nets.transformer import Slim
from impasto.universal.palette import save_style


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


@pytest.mark.skipif(not find_spec("onnxscript"), reason="needs the packages of impasto[export]")
def test_a_style_in_the_graph_is_as_strong_as_stylize_paints_it(file, capsys):
    import onnxruntime

    from impasto.nets import trained

    known = trained.load("net.safetensors")
    save_style("mine.style", known.known("scream"))
    image = torch.rand((1, 3, 64, 72), generator=torch.Generator().manual_seed(0))
    for words, strength in (
        (["--style", "scream"], 0.5),
        (["--style", "mine.style", "--strength", "0.25"], 0.25),
    ):
        assert main(["export", "net.safetensors", "-o", "net.onnx", "--overwrite", *words]) == 0
        said = capsys.readouterr()
        assert said.err == ""
        (painted,) = onnxruntime.InferenceSession("net.onnx").run(None, {"image": image.numpy()})
        row = torch.lerp(known.network.returning(), known.network.rows[2], strength)
        assert torch.allclose(torch.from_numpy(painted), known.network(image, row[None]), atol=1e-3)


@pytest.mark.skipif(not find_spec("onnxscript"), reason="needs the packages of impasto[export]")
def test_the_only_style_of_a_network_is_put_into_the_graph(file):
    import onnxruntime

    from impasto.nets import trained

    torch.manual_seed(1)
    state = Slim(2, widths=(4, 8, 12), blocks=1).state_dict()
    save_file({key: value.contiguous() for key, value in state.items()}, "one.safetensors")
    assert main(["export", "one.safetensors", "-o", "one.onnx"]) == 0
    known = trained.load("one.safetensors")
    image = torch.rand((1, 3, 64, 72), generator=torch.Generator().manual_seed(0))
    (painted,) = onnxruntime.InferenceSession("one.onnx").run(None, {"image": image.numpy()})
    row = torch.lerp(known.network.returning(), known.network.rows[1], 0.5)
    assert torch.allclose(torch.from_numpy(painted), known.network(image, row[None]), atol=1e-3)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("export net.safetensors -o net.bin", "net.bin must end in .onnx"),
        ("export net.safetensors -o a.onnx --style sea", "must be one of wave, scream; got 'sea'"),
        ("export net.safetensors -o a.onnx --style sea --strength 2", "strength must be a number"),
        ("export none.safetensors -o a.onnx", "none.safetensors"),
    ],
)
def test_refusals_write_nothing(file, capsys, words, sentence):
    assert main(words.split()) == 2
    assert sentence in capsys.readouterr().err
    assert [path.name for path in file.iterdir()] == ["net.safetensors"]
