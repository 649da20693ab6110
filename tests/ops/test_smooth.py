import pytest
import torch

from impasto.ops.smooth import blurred, guided, led


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


def test_what_is_led_is_a_ridge_regression_window_by_window() -> None:
    guide, values, radius, softness = noise(6, 7), noise(7, 6).mT.flip(2), 2, 0.3
    colors, goals = (x[0].permute(1, 2, 0).double() for x in (guide, values))
    slopes, offsets = torch.zeros(6, 7, 3, 3).double(), torch.zeros(6, 7, 3).double()

    def window(y: int, x: int) -> tuple[slice, slice]:
        return (
            slice(max(0, y - radius), y + radius + 1),
            slice(max(0, x - radius), x + radius + 1),
        )

    for y in range(6):
        for x in range(7):
            seen, wanted = (each[window(y, x)].reshape(-1, 3) for each in (colors, goals))
            # Least squares with a penalty, as more rows.
            count = len(seen)
            rows = torch.cat([seen - seen.mean(0), count**0.5 * softness * torch.eye(3).double()])
            aims = torch.cat([wanted - wanted.mean(0), torch.zeros(3, 3).double()])
            slopes[y, x] = torch.linalg.lstsq(rows, aims).solution
            offsets[y, x] = wanted.mean(0) - seen.mean(0) @ slopes[y, x]
    out = torch.zeros(6, 7, 3).double()
    for y in range(6):
        for x in range(7):
            around = window(y, x)
            out[y, x] = colors[y, x] @ slopes[around].mean((0, 1)) + offsets[around].mean((0, 1))
    found = led(values, guide, radius=radius, softness=softness)
    torch.testing.assert_close(found[0].permute(1, 2, 0).double(), out, atol=1e-5, rtol=0)
    both = led(values.repeat(2, 1, 1, 1), guide.repeat(2, 1, 1, 1), radius=2, softness=softness)
    torch.testing.assert_close(both, found.repeat(2, 1, 1, 1), atol=1e-6, rtol=0)


def test_what_follows_the_guide_stays_and_where_that_is_flat_there_is_a_mean() -> None:
    guide = noise(20, 30)
    values = torch.einsum("ij,njhw->nihw", torch.tensor([[2.0, 0, 1], [0, -1, 0]]), guide) + 0.3
    found = led(values, guide, radius=3, softness=0.0)
    torch.testing.assert_close(found, values, atol=1e-4, rtol=0)
    flat = torch.full_like(guide, 0.4)
    found = led(values, flat, radius=3, softness=0.1)
    window = values[0, :, 4:17, 6:19].unfold(1, 7, 1).unfold(2, 7, 1).mean((3, 4))
    torch.testing.assert_close(found[0, :, 10, 12], window.mean((1, 2)), atol=1e-5, rtol=0)


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
