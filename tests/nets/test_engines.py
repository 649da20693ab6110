"""Every engine paints what torch paints; graphs are exported whole, and remembered."""

import json

import pytest
import torch

from impasto.core.errors import ExtraError, OptionError, WeightsError
from impasto.nets import engines, export
from impasto.nets.transformer import Paper, Slim

runs_graphs = pytest.mark.skipif(
    len(engines.installed()) < 3, reason="needs the packages of impasto[fast]"
)


@pytest.fixture(autouse=True, scope="module")
def _cache(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("IMPASTO_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


def _random(network, *, seed=1):
    generator = torch.Generator().manual_seed(seed)
    for value in network.parameters():
        value.data += 0.1 * torch.randn(value.shape, generator=generator)
    return network.requires_grad_(False)


@pytest.fixture(scope="module")
def network():
    return _random(Slim(3, widths=(4, 8, 12), blocks=1))


def _picture(*size, seed=0):
    """A texture: on flat pictures engines agree by themselves."""
    return torch.rand((1, 3, *size), generator=torch.Generator().manual_seed(seed))


@runs_graphs
@pytest.mark.parametrize("kind", ["torch", "onnxruntime", "openvino"])
def test_engines_paint_what_torch_paints_at_any_size(network, kind):
    engine = engines.start(network, kind=kind, precision="float32")
    assert (engine.kind, engine.precision) == (kind, "float32")
    mixed = (network.rows[:1] + network.rows[1:2]) / 2
    for size, row in [((64, 96), network.rows[1:2]), ((40, 32), mixed), ((64, 96), mixed)]:
        painted = engine(_picture(*size), row)
        assert torch.allclose(painted, network(_picture(*size), row), atol=1e-3)


@runs_graphs
@pytest.mark.parametrize("kind", ["torch", "openvino"])
def test_bfloat16_paints_nearly_the_same(network, kind):
    engine = engines.start(network, kind=kind, precision="bfloat16")
    plain = network(_picture(64, 64), network.rows[:1])
    difference = engine(_picture(64, 64), network.rows[:1]) - plain
    assert float(difference.square().mean().sqrt()) < 0.05 * float(plain.std())


@runs_graphs
@pytest.mark.parametrize("kind", ["onnxruntime", "openvino"])
def test_8_bits_in_the_deepest_maps_paint_nearly_the_same(network, kind):
    import onnx

    engine = engines.start(network, kind=kind, precision="int8")
    plain = network(_picture(64, 64), network.rows[:1])
    difference = engine(_picture(64, 64), network.rows[:1]) - plain
    assert 1e-5 < float(difference.square().mean().sqrt()) < 0.05 * float(plain.std())
    nodes = onnx.load(engines._in_8_bits(network)).graph.node
    assert sum(node.op_type == "QuantizeLinear" for node in nodes) >= 2
    with pytest.raises(OptionError, match="precision of torch must be float32, bfloat16"):
        engines.start(network, kind="torch", precision="int8")


@runs_graphs
def test_a_painting_stays_when_the_next_is_made(network):
    engine = engines.start(network, kind="openvino", precision="float32")
    first = engine(_picture(32, 32), network.rows[:1])
    kept = first.clone()
    engine(_picture(32, 32, seed=2), network.rows[2:])
    assert torch.equal(first, kept)


@runs_graphs
def test_the_quickest_is_measured_once(network, monkeypatch):
    seconds = {"torch": 3.0, "onnxruntime": 1.0, "openvino": 2.0}
    asked = []

    def measured(engine, _):
        asked.append(engine.kind)
        return seconds[engine.kind]

    monkeypatch.setattr(engines, "_measured", measured)
    assert engines.start(network, precision="float32").kind == "onnxruntime"
    assert sorted(asked) == sorted(seconds)
    assert engines.start(network, precision="float32").kind == "onnxruntime"
    assert len(asked) == 3


def test_what_is_not_there_is_refused(network, monkeypatch):
    with pytest.raises(
        OptionError, match="engine must be one of auto, torch, onnxruntime, openvino"
    ):
        engines.start(network, kind="tensorrt")
    with pytest.raises(OptionError, match="precision must be one of auto, float32, bfloat16, int8"):
        engines.start(network, precision="int4")
    monkeypatch.setattr(export, "find_spec", lambda _: None)
    with pytest.raises(ExtraError, match=r"pip install 'impasto\[fast\]'"):
        engines.start(network, kind="openvino")


def test_torch_alone_is_enough(network, monkeypatch):
    monkeypatch.setattr(engines, "find_spec", lambda _: None)
    assert engines.installed() == ("torch",)
    assert engines.start(network, precision="float32").kind == "torch"


@runs_graphs
def test_a_style_can_be_part_of_the_graph(network, tmp_path):
    import onnx

    row = network.rows[1:2]
    export.export(network, tmp_path / "a.onnx", row=row, said={"style": "a"})
    assert export.check(network, tmp_path / "a.onnx", row=row) <= 1e-3
    model = onnx.load(tmp_path / "a.onnx")
    assert [value.name for value in model.graph.input] == ["image"]
    assert {prop.key: prop.value for prop in model.metadata_props}["style"] == "a"
    with pytest.raises(WeightsError, match="differs"):
        export.check(network, tmp_path / "a.onnx", row=network.rows[:1])


@runs_graphs
def test_the_same_network_is_the_same_graph_and_tells_nothing_of_this_machine(network, tmp_path):
    export.export(network, tmp_path / "a.onnx")
    written = (tmp_path / "a.onnx").read_bytes()
    assert written == engines._graph(network).read_bytes()
    assert b".py" not in written


def test_styles_are_described_by_their_rows(network):
    said = export.described(["a", "b"], network.rows[1:], network.returning())
    assert json.loads(said["styles"]) == ["a", "b"]
    assert torch.allclose(torch.tensor(json.loads(said["rows"])), network.rows[1:], atol=1e-6)
    returning = torch.tensor(json.loads(said["returning"]))
    assert torch.equal(returning, network.returning())


@runs_graphs
def test_the_paper_is_exported_too(tmp_path):
    network = _random(Paper(1))
    network.rows.data[:, -3:] = 0
    export.export(network, tmp_path / "paper.onnx")
    assert export.check(network, tmp_path / "paper.onnx") <= 1e-3
