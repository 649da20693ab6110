from pathlib import Path

import numpy as np
import pytest
import torch

from impasto.core.errors import OptionError
from impasto.nets import petit, zoo
from impasto.nets.vgg import VGG
from impasto.training.teachers import CHUNK, STRIDE, Pool, Teachers

COMPONENTS = dict.fromkeys(petit.TAPS, 5)


def crops(count: int, seed: int = 0) -> torch.Tensor:
    return torch.rand((count, 3, 32, 32), generator=torch.Generator().manual_seed(seed))


@pytest.fixture
def network(teacher: Path) -> VGG:
    return zoo.load(teacher)


@pytest.fixture
def teachers(network: VGG) -> Teachers:
    found = Teachers([network], COMPONENTS)
    found.measure(crops(40))
    return found


def test_components_are_those_of_a_singular_value_decomposition(network: VGG, teachers: Teachers):
    x = crops(40)
    features = network(x, petit.TAPS)
    answers = teachers.answers(x)
    for tap in petit.TAPS:
        flat = features[tap].double().permute(0, 2, 3, 1).flatten(0, 2).numpy()
        _, _, rows = np.linalg.svd(flat, full_matrices=False)
        expected = flat @ rows[:5].T / np.sqrt((flat**2).sum(1).mean())
        found = answers[tap][0].double().permute(0, 2, 3, 1).flatten(0, 2).numpy()
        # The sign of a component is free.
        expected *= np.sign((expected * found).sum(0))
        np.testing.assert_allclose(found, expected, atol=4e-3)


def test_channels_are_brought_to_a_deviation_of_one(network: VGG, teachers: Teachers):
    x = crops(40)
    for tap, feature in network(x, petit.TAPS).items():
        s = STRIDE.get(tap, 1)
        deviation = feature.std((0, 2, 3), correction=0)
        expected = feature[:, :, ::s, ::s] / deviation[:, None, None]
        alive = deviation > 0.1 * deviation.max()
        found = teachers.answers(x)[tap][1].float()
        torch.testing.assert_close(found[:, alive], expected[:, alive], rtol=0.1, atol=0.02)


def test_an_answer_does_not_depend_on_its_neighbours(teachers: Teachers):
    x = crops(CHUNK + 5)
    together = teachers.answers(x)
    for tap, both in teachers.answers(x[CHUNK + 2 : CHUNK + 3]).items():
        for alone, all_ in zip(both, together[tap], strict=True):
            assert torch.equal(alone[0], all_[CHUNK + 2])


def test_each_tap_is_asked_of_the_first_that_has_it(network: VGG):
    state = network.state_dict()
    deep = VGG({k: 0 * v for k, v in state.items()})
    shallow = VGG({k: v for k, v in state.items() if k[4:5] not in "45"})
    teachers = Teachers([shallow, deep], COMPONENTS)
    assert teachers.channels("relu5_1") == 8
    features = teachers.features(crops(1))
    assert all(bool(features[tap].any()) == (tap < "relu4") for tap in petit.TAPS)
    with pytest.raises(OptionError, match="reach relu4_1, relu4_2, relu5_1"):
        Teachers([shallow], COMPONENTS)


def test_no_more_components_are_given_than_there_are_channels(network: VGG):
    found = Teachers([network], COMPONENTS | {"relu1_1": 16}).components
    assert found == COMPONENTS | {"relu1_1": 8}


def drawn(pool: Pool, count: int = 64) -> tuple[torch.Tensor, ...]:
    x, answers = pool.draw(count, torch.Generator().manual_seed(1))
    return (x, *(part for both in answers.values() for part in both))


@pytest.mark.parametrize("count", [20, 70])
def test_a_pool_that_is_taken_up_again_is_the_same(teachers: Teachers, count: int):
    pool, again = Pool(teachers, size=48), Pool(teachers, size=48)
    pool.add(crops(count))
    pool.add(crops(7, seed=1))
    again.restore(pool.state())
    for _ in range(2):
        assert all(torch.equal(a, b) for a, b in zip(drawn(pool), drawn(again), strict=True))
        for each in (pool, again):
            each.add(crops(30, seed=2))


def test_a_pool_gives_its_latest_crops_with_their_answers(teachers: Teachers):
    pool, x = Pool(teachers, size=32), crops(50)
    pool.add(x)
    images, answers = pool.draw(200, torch.Generator())
    latest = x[-32:].half().float()
    which = (images[:, None] == latest[None]).flatten(2).all(2)
    assert (which.sum(1) == 1).all()
    assert which.any(0).all()
    expected = teachers.answers(latest)
    for tap, (components, channels) in answers.items():
        at = which.long().argmax(1)
        assert torch.equal(components, expected[tap][0][at])
        assert torch.equal(channels, expected[tap][1][at])
