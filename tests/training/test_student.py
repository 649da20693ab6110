from pathlib import Path

import pytest
import torch

from impasto.losses.statistics import Gram
from impasto.nets import petit, zoo
from impasto.nets.vgg import VGG
from impasto.training.student import Student, components, errors, judged
from impasto.training.teachers import Teachers
from impasto.training.visits import VISITS, visit


@pytest.fixture
def student(teacher: Path) -> Student:
    made = Student(Teachers([zoo.load(teacher)], components()), torch.Generator().manual_seed(0))
    return made.requires_grad_(requires_grad=False)


def crops(count: int, seed: int = 0, side: int = 32) -> torch.Tensor:
    return torch.rand((count, 3, side, side), generator=torch.Generator().manual_seed(seed))


def test_what_is_shipped_measures_what_was_learnt(student: Student):
    """Distances in the metric are distances of the components that the student gives."""
    eyes = VGG(student.shipped(), pooling=petit.POOLING)
    x, y = crops(1), crops(1, seed=1)
    said = [student(each) for each in (x, y)]
    seen = [eyes(each, petit.TAPS) for each in (x, y)]
    for tap in petit.TAPS:
        in_metric = Gram(tap, eyes.metric(tap))
        components = [{tap: each[tap][0]} for each in said]
        expected = Gram(tap)(components[0], Gram(tap).measure(components[1]))
        found = in_metric(seen[0], in_metric.measure(seen[1]))
        torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-6)
    assert not any("channels" in name for name in student.shipped())


def answers(seed: int) -> dict:
    generator = torch.Generator().manual_seed(seed)
    shapes = {"relu1_1": ((3, 2, 4, 4), (3, 5, 1, 1)), "relu5_1": ((3, 3, 2, 2), (3, 4, 2, 2))}
    return {
        tap: tuple(torch.rand(shape, generator=generator) for shape in both)
        for tap, both in shapes.items()
    }


def test_errors_by_hand():
    said, true = answers(0), answers(1)
    for tap, (component, channel, gram) in errors(said, true).items():
        a, b = said[tap][0].double(), true[tap][0].double()
        expected, grams = 0.0, 0.0
        for mine, theirs in zip(a, b, strict=True):
            pixels = mine.shape[1] * mine.shape[2]
            energy = (theirs**2).sum() / pixels
            expected += ((mine - theirs) ** 2).sum() / pixels / energy**0.5 / 3
            p, q = (torch.einsum("chw,dhw->cd", f, f) / pixels for f in (mine, theirs))
            grams += ((p - q) ** 2).sum() / ((q**2).sum() + 1e-3) / 3
        assert float(component) == pytest.approx(float(expected), rel=1e-5)
        assert float(gram) == pytest.approx(float(grams), rel=1e-5)
        assert float(channel) == pytest.approx(float(((said[tap][1] - true[tap][1]) ** 2).mean()))
    assert all(float(error) == 0 for found in errors(true, true).values() for error in found)


def test_judgement_is_0_for_the_truth_and_1_for_saying_nothing():
    true = answers(1)
    assert all(value == 0 for marks in judged(true, true).values() for value in marks.values())
    nothing = {
        tap: (0 * components, channels.mean((0, 2, 3), keepdim=True).expand_as(channels))
        for tap, (components, channels) in true.items()
    }
    for marks in judged(nothing, true).values():
        assert list(marks.values()) == pytest.approx([1, 1, 1])


def test_descents_pass_through_pictures_that_come_closer(student: Student):
    eyes = VGG(student.shipped(), pooling=petit.POOLING).requires_grad_(requires_grad=False)
    content, style = crops(3), 0.2 * crops(3, seed=1) + torch.tensor([0.7, 0.0, 0.4]).view(3, 1, 1)

    def visited() -> torch.Tensor:
        return visit(eyes, content, style, generator=torch.Generator().manual_seed(2))

    found = visited()
    assert found.shape == (len(VISITS) * 3, 3, 32, 32)
    assert found.min() >= 0
    assert found.max() <= 1
    assert torch.equal(found, visited())
    loss = Gram("relu3_1", eyes.metric("relu3_1"))
    for n in range(3):
        goal = loss.measure(eyes(style[n : n + 1], ["relu3_1"]))
        early, _, late = (
            float(loss(eyes(x[n : n + 1], ["relu3_1"]), goal)) for x in found.chunk(3)
        )
        assert late < early
