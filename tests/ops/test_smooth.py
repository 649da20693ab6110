import pytest
import torch

from impasto.ops.smooth import blurred, guided


def noise(height: int, width: int) -> torch.Tensor:
    return torch.rand((1, 3, height, width), generator=torch.Generator().manual_seed(0))


def test_it_is_the_formula_written_out_window_by_window() -> None:
    image, radius, softness = noise(7, 9)[:, :1].expand(1, 3, -1, -1), 2, 0.2
    plain = image[0, 0]
    out = torch.zeros_like(plain)

    def window(y: int, x: int) -> tuple[slice, slice]:
        return (
            slice(max(0, y - radius), y + radius + 1),
            slice(max(0, x - radius), x + radius + 1),
        )

    slopes, offsets = torch.zeros_like(plain), torch.zeros_like(plain)
    for y in range(7):
        for x in range(9):
            seen = plain[window(y, x)]
            variance = seen.var(correction=0)
            slopes[y, x] = variance / (variance + softness**2)
            offsets[y, x] = (1 - slopes[y, x]) * seen.mean()
    for y in range(7):
        for x in range(9):
            around = window(y, x)
            out[y, x] = slopes[around].mean() * plain[y, x] + offsets[around].mean()
    found = guided(image.contiguous(), radius=radius, softness=softness)
    torch.testing.assert_close(found[0, 0], out, atol=1e-5, rtol=0)


def test_noise_is_smoothed_and_an_edge_stays() -> None:
    step = torch.zeros(1, 3, 40, 40)
    step[..., 20:] = 1
    image = 0.8 * step + 0.05 * noise(40, 40)
    out = guided(image, radius=3, softness=0.1)
    assert out[..., :15].std() < 0.3 * image[..., :15].std()
    edge = out[..., 20].mean() - out[..., 19].mean()
    assert edge > 0.9 * (image[..., 20].mean() - image[..., 19].mean())
    torch.testing.assert_close(guided(image, radius=3, softness=0.0), image, atol=1e-5, rtol=0)


def test_a_blurred_point_is_a_bell_and_the_border_is_repeated() -> None:
    point = torch.zeros(1, 2, 21, 31)
    point[:, 0, 10, 15] = 1
    point[:, 1] = 0.7
    out = blurred(point, sigma=1.5)
    assert float(out[0, 0].sum()) == pytest.approx(1)
    offsets = torch.tensor([-3.0, 0.0, 2.0])
    found = out[0, 0, 10, 15 + offsets.long()] / out[0, 0, 10, 15]
    torch.testing.assert_close(found, torch.exp(-(offsets**2) / (2 * 1.5**2)))
    torch.testing.assert_close(out[0, 0, :, 5:26], out[0, 0, :, 5:26].T)
    torch.testing.assert_close(out[:, 1], point[:, 1])
