import pytest
import torch

from impasto.core.errors import OptionError
from impasto.jobs import texture as module
from impasto.jobs.texture import Texture, texture
from impasto.methods.quilting import Quilting


def draw(*size: int) -> torch.Tensor:
    return torch.rand((1, 3, *size), generator=torch.Generator().manual_seed(1))


def test_it_is_what_quilting_synthesizes() -> None:
    sample = draw(24, 32)
    out = texture(sample, (40, 56), seed=3, block=8, tolerance=0.2)
    generator = torch.Generator().manual_seed(3)
    wanted = Quilting(block=8, tolerance=0.2).synthesize(sample, (40, 56), generator=generator)
    assert torch.equal(out, wanted)


def test_a_sample_is_brought_to_size(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    monkeypatch.setattr(
        module.Quilting, "synthesize", lambda _, sample, size, **__: seen.append(sample) or sample
    )
    for sample, size in ((draw(24, 32), 16), (draw(24, 32), None), (draw(20, 800), None)):
        texture(sample, (16, 16), sample_size=size)
    assert [tuple(sample.shape[2:]) for sample in seen] == [(12, 16), (24, 32), (13, 512)]


def test_its_options_are_those_of_quilting() -> None:
    assert set(Texture.model_fields) == {"block", "overlap", "tolerance"}
    for name, field in Texture.model_fields.items():
        assert field.description == Quilting.model_fields[name].description


@pytest.mark.parametrize(
    ("size", "options", "sentence"),
    [
        ((8, 40), {}, "size must be at least 16 pixels a side; got 40x8"),
        ((900_000, 900_000), {}, "size must be at most .* for texture within"),
        ((40, 40), {"sample_size": 3}, "sample_size must be at least 16; got 3"),
        ((40, 40), {"block": 3}, "block must be a whole number at least 4; got 3"),
        ((40, 40), {"block": 30}, "block must be at most 24"),
        ((40, 40), {"strength": 1.0}, "there is no option strength; the options are block, "),
    ],
)
def test_refusals(size, options, sentence) -> None:
    with pytest.raises(OptionError, match=sentence):
        texture(draw(24, 32), size, **options)
