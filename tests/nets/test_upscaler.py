"""Twice as large."""

import pytest
import torch
from torch.nn import functional as F

from impasto.core.errors import WeightsError
from impasto.nets import upscaler
from impasto.nets.upscaler import RADIUS, Upscaler, build, enlarge


def _picture(*, size=(20, 30), seed=0):
    return torch.rand((1, 3, *size), generator=torch.Generator().manual_seed(seed))


@pytest.fixture
def network(monkeypatch):
    made = Upscaler(channels=8).requires_grad_(False)
    generator = torch.Generator().manual_seed(1)
    for value in made.parameters():
        value.copy_(0.1 * torch.randn(value.shape, generator=generator))
    monkeypatch.setattr(upscaler, "bundled", lambda: made)
    return made


def test_a_fresh_network_is_bicubic():
    expected = F.interpolate(_picture(), (40, 60), mode="bicubic", align_corners=False)
    assert torch.equal(Upscaler()(_picture()), expected)


def test_strips_make_the_same_picture_as_the_whole(network, monkeypatch):
    tall = _picture(size=(150, 20))
    whole = network(tall).clamp(0, 1)
    monkeypatch.setattr(upscaler, "STRIP", 40)
    assert torch.allclose(enlarge(tall, by=2), whole, atol=1e-6)


def test_no_pixel_beyond_the_radius_has_a_say(network):
    one = _picture(size=(80, 20))
    other = one.clone()
    other[:, :, 40 + RADIUS + 1 :] = 0
    assert torch.equal(network(one)[:, :, :80], network(other)[:, :, :80])


def test_four_times_is_twice_twice(network):
    twice = enlarge(_picture(), by=2)
    assert torch.equal(enlarge(_picture(), by=4), enlarge(twice, by=2))
    assert enlarge(_picture(size=(16, 17)), by=4).shape == (1, 3, 64, 68)


def test_a_state_comes_back_and_others_are_refused(network):
    state = network.state_dict()
    assert torch.equal(build(state)(_picture()), network(_picture()))
    for damaged in ({}, state | {"first.weight": torch.zeros(3)}):
        with pytest.raises(WeightsError, match="no network that enlarges"):
            build(damaged)


@pytest.mark.parametrize("by", [1, 2, 4])
def test_rows_may_come_in_any_number(network, monkeypatch, by):
    monkeypatch.setattr(upscaler, "STRIP", 24)
    tall = _picture(size=(70, 20))
    given = []
    taking = upscaler.enlarging(given.append, height=70, by=by)
    for rows in tall.split([1, 30, 7, 32], 2):
        taking(rows)
    assert torch.equal(torch.cat(given, 2), enlarge(tall, by=by))
