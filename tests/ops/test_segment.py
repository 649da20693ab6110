import numpy as np
import pytest
import torch

from impasto.media.image import from_array
from impasto.ops.resample import resize
from impasto.ops.segment import faces, kinds, subject

data = pytest.importorskip("skimage.data")


def test_a_subject_is_found_within_its_rectangle_and_its_edge_is_soft():
    image = torch.full((1, 3, 120, 160), 0.2) + 0.05 * torch.rand(
        (1, 3, 120, 160), generator=torch.Generator().manual_seed(0)
    )
    rows, columns = torch.meshgrid(torch.arange(120), torch.arange(160), indexing="ij")
    disc = (rows - 60) ** 2 + (columns - 80) ** 2 < 30**2
    image[0, 0, disc] += 0.6
    found = subject(image, (0.2, 0.15, 0.8, 0.85))[0, 0]
    assert ((found > 0.5) != disc).float().mean() < 0.01
    assert found[:10].max() == 0
    assert ((found > 0.1) & (found < 0.9)).any()
    assert torch.equal(found, subject(image, (0.2, 0.15, 0.8, 0.85))[0, 0])


@pytest.mark.parametrize("value", [0.0, 0.5])
def test_where_nothing_stands_out_it_is_the_rectangle(value):
    found = subject(torch.full((1, 3, 100, 100), value), (0.25, 0.25, 0.75, 0.75))
    assert found[..., 30:70, 30:70].min() > 0.9
    assert found[..., :15].max() < 0.1


def test_a_face_is_found_where_it_is_and_nowhere_else():
    found = resize(faces(from_array(data.astronaut())), (512, 512))[0, 0]
    assert found[110, 225] == 1
    assert found[300:].max() == 0
    assert 0.01 < found.mean() < 0.08
    assert faces(from_array(data.coffee())).max() == 0
    assert faces(torch.zeros(1, 3, 40, 30)).max() == 0


def test_kinds_are_clusters():
    rng = np.random.default_rng(2)
    rows = torch.from_numpy(rng.normal(size=(90, 4))) * 0.1
    rows[30:60] += 3
    rows[60:, 0] -= 5
    labels = kinds(rows, 3, seed=4)
    assert len(labels.unique()) == 3
    for part in labels.split(30):
        assert len(part.unique()) == 1
