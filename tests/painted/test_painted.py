"""The painted styles: the same everywhere, rich enough to learn from, and true to their size."""

import numpy as np
import pytest
from PIL import Image

from impasto import painted
from impasto.core.errors import OptionError
from impasto.painted.brush import Painting, Strokes, scatter
from impasto.painted.canvas import Canvas, Noise, bands, picture, smooth
from impasto.painted.palette import palette, ramp
from impasto.painted.pieces import CHANCES, over, piece

NAMES = painted.names()
WIDE, HIGH = 192, 144
EVERY = pytest.mark.parametrize("name", NAMES)


@pytest.fixture(scope="module", autouse=True)
def _coarse():
    """Paint only twice as fine as the tests' pictures, which is much faster."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("impasto.painted.canvas.FINE", 2 * WIDE)
        yield


@pytest.fixture(scope="module")
def gallery(_coarse):
    """Each picture once, in a size that all tests share."""
    return {name: painted.paint(name, width=WIDE, height=HIGH) for name in NAMES}


@pytest.fixture(scope="module")
def others(_coarse):
    """The same with another seed."""
    return {name: painted.paint(name, width=WIDE, height=HIGH, seed=1) for name in NAMES}


def test_at_least_eight_styles_with_one_line_each():
    assert len(NAMES) >= 8
    assert list(NAMES) == sorted(set(NAMES))
    lines = [painted.describe(name) for name in NAMES]
    assert len(set(lines)) == len(lines)
    assert all(20 < len(line) < 90 and line.endswith(".") and "\n" not in line for line in lines)


@EVERY
def test_shape_and_type(name, gallery):
    assert gallery[name].shape == (HIGH, WIDE, 3)
    assert gallery[name].dtype == np.uint8


@EVERY
def test_same_seed_same_bytes_and_another_seed_another_picture(name, gallery, others):
    again = painted.paint(name, width=WIDE, height=HIGH)
    assert again.tobytes() == gallery[name].tobytes()
    assert np.abs(others[name].astype(int) - gallery[name]).mean() > 8


@EVERY
def test_another_seed_keeps_the_palette(name, gallery, others):
    apart = [_colors(others[name], gallery[rest]) for rest in NAMES if rest != name]
    assert _colors(others[name], gallery[name]) < np.median(apart)


@EVERY
def test_dark_light_and_many_hues(name, gallery):
    pixels = gallery[name].reshape(-1, 3) / 255
    light = pixels @ np.array([0.2126, 0.7152, 0.0722])
    assert light.std() > 0.11
    assert np.percentile(light, 98) - np.percentile(light, 2) > 0.45
    hue, vivid = _hue(pixels)
    share = np.histogram(hue[vivid], bins=12, range=(0, 1))[0] / len(pixels)
    assert (share > 0.01).sum() >= 4


@EVERY
def test_strokes_everywhere(name, gallery):
    light = gallery[name].mean(axis=2)
    tiles = light.reshape(6, HIGH // 6, 8, WIDE // 8)
    edges = np.abs(np.diff(tiles, axis=1)).mean(axis=(1, 3))
    assert edges.min() > 1.0


@EVERY
def test_a_larger_picture_shows_the_same(name, gallery):
    large = painted.paint(name, width=2 * WIDE, height=2 * HIGH)
    halved = np.asarray(Image.fromarray(large).reduce(2), dtype=float)
    assert np.corrcoef(halved.ravel(), gallery[name].ravel())[0, 1] > 0.9


@EVERY
def test_a_strip(name):
    drawn = painted.paint(name, width=300, height=40)
    assert drawn.shape == (40, 300, 3)
    assert drawn.std() > 25


@pytest.mark.parametrize("size", [(17, 17), (16, 131)])
def test_small_and_odd_sizes(size):
    drawn = painted.paint("mosaic", width=size[0], height=size[1])
    assert drawn.shape == (size[1], size[0], 3)
    assert drawn.std() > 15


@pytest.mark.parametrize("name", ["swirl", "woodcut", "watercolour"])
def test_bands_leave_no_seam(name, gallery, monkeypatch):
    monkeypatch.setattr("impasto.painted.canvas.BAND", 2 * WIDE * 300)
    banded = painted.paint(name, width=WIDE, height=HIGH)
    differ = np.abs(banded.astype(int) - gallery[name])
    assert differ.mean() < 0.1
    assert differ.max() <= 24


def test_refusals_name_what_is_accepted():
    for call in (painted.describe, lambda name: painted.paint(name, width=64, height=64)):
        with pytest.raises(OptionError, match=r"one of dabs, .*woodcut; got 'swril'"):
            call("swril")
    with pytest.raises(OptionError, match="at least 16 pixels; got 15 x 64"):
        painted.paint("swirl", width=15, height=64)
    with pytest.raises(OptionError, match="seed must be 0 or more; got -1"):
        painted.paint("swirl", width=64, height=64, seed=-1)


def test_canvas_measures_in_the_long_side():
    canvas = Canvas(width=200, height=100, rows=(20, 60))
    assert canvas.extent == (1.0, 0.5)
    m = canvas.margin
    assert canvas.shape == (40 + 2 * m, 200 + 2 * m)
    assert canvas.x[0, m] == pytest.approx(0.5 / 200)
    assert canvas.y[m, 0] == pytest.approx(20.5 / 200)
    np.testing.assert_allclose(canvas.pixels(np.array([0.5, 0.1])), [100 + m, m], atol=1e-9)


def test_stencil_numbers_shapes_and_the_last_one_wins():
    canvas = Canvas(width=100, height=100, rows=(0, 100))
    square = np.array([[0.1, 0.1], [0.5, 0.1], [0.5, 0.5], [0.1, 0.5]])
    number = canvas.stencil(np.stack([square, square + 0.2, square + 7]))
    m = canvas.margin
    assert [number[m + at, m + at] for at in (5, 20, 40, 60, 80)] == [0, 1, 2, 2, 0]


def test_slope_of_a_plane_is_its_rise_towards_the_light():
    canvas = Canvas(width=1000, height=500, rows=(0, 500))
    rise = canvas.slope(3 * canvas.x + 5 * canvas.y, reach=0.002, angle=0.25)
    inner = rise[5:-5, 5:-5]
    np.testing.assert_allclose(inner, 0.004 * (0.75 * 3 + 0.25 * 5), rtol=1e-2)


def test_noise_is_the_same_at_points_and_over_a_canvas():
    noise = Noise(np.random.default_rng(3), 4, octaves=2)
    canvas = Canvas(width=512, height=300, rows=(100, 200))
    np.testing.assert_allclose(noise(canvas.x, canvas.y), noise.over(canvas), atol=0.05)
    assert 0.5 < noise.over(Canvas(width=512, height=512, rows=(0, 512))).std() < 1.3


def test_noise_is_mirrored_beyond_its_span():
    noise = Noise(np.random.default_rng(3), 4)
    x = np.linspace(0, 0.4, 9)
    np.testing.assert_allclose(noise(1.25 + x, 0.5), noise(1.25 - x, 0.5), atol=1e-3)


def test_bands_cover_every_row_once():
    rows = [row for top, bottom in bands(4000, 3001, 2) for row in range(top, bottom)]
    assert rows == list(range(3001))


def test_a_painter_of_unit_coordinates_is_averaged_exactly():
    def across(canvas, _):
        return np.stack([np.broadcast_to(canvas.x, canvas.shape)] * 3, axis=-1)

    drawn = picture(across, width=64, height=20, seed=0)
    expected = (np.arange(64) + 0.5) / 64 * 255
    np.testing.assert_allclose(drawn[7, :, 1], expected, atol=1.01)


def test_ramp_meets_its_stops_and_is_linear_between():
    colors = palette("000000 ff0000 ffffff")
    np.testing.assert_allclose(ramp(colors, np.array([0.0, 1.0])), colors[[0, 2]], atol=1e-3)
    np.testing.assert_allclose(ramp(colors, np.array(0.25)), [0.5, 0, 0], atol=2e-3)
    np.testing.assert_allclose(ramp(colors, np.array([-3.0, 9.0])), colors[[0, 2]], atol=1e-6)


def test_smooth_steps_both_ways():
    value = np.array([0.0, 1.0, 2.0, 3.0, 4.0])
    np.testing.assert_allclose(smooth(1, 3, value), [0, 0, 0.5, 1, 1])
    np.testing.assert_allclose(smooth(3, 1, value), [1, 1, 0.5, 0, 0])


def test_scatter_leaves_no_gap():
    x, y = scatter(np.random.default_rng(0), 0.05)
    grid = np.histogram2d(x, y, bins=10, range=((0, 1), (0, 1)))[0]
    assert grid.min() >= 1


def test_a_stroke_paints_its_colour_where_it_lies():
    canvas = Canvas(width=400, height=400, rows=(0, 400))
    painting = Painting(canvas, np.zeros(3))
    one = np.ones(1)
    red = np.array([[1.0, 0.0, 0.0]], np.float32)
    level = {"angle": 0 * one, "length": 0.4 * one, "width": 0.1 * one, "bend": 0 * one}
    painting.lay(Strokes(x=0.5 * one, y=0.3 * one, **level, color=red, streak=red), dry=0.0)
    m = canvas.margin
    painted_rows = (painting.color[m:-m, m:-m, 0] > 0.5).nonzero()
    assert painted_rows[0].min() == pytest.approx(0.25 * 400, abs=4)
    assert painted_rows[0].max() == pytest.approx(0.35 * 400, abs=4)
    assert painted_rows[1].min() == pytest.approx(0.3 * 400, abs=4)
    assert painted_rows[1].max() == pytest.approx(0.7 * 400, abs=4)
    assert painting.color[..., 1:].max() == 0


def test_pieces_have_chances_in_range_and_neighbours_differ():
    row, column = np.meshgrid(np.arange(-50, 50), np.arange(-50, 50), indexing="ij")
    own = piece(np.array(7), row, column)
    assert own.min() >= 0
    assert own.max() < CHANCES
    assert (own[1:] != own[:-1]).all()
    assert (own[:, 1:] != own[:, :-1]).all()


def test_over_takes_planes_and_pictures():
    where = np.array([[True, False]])
    plane, color = over([np.zeros((1, 2)), np.zeros((1, 2, 3))], [5, np.ones((1, 2, 3))], where)
    np.testing.assert_array_equal(plane, [[5, 0]])
    np.testing.assert_array_equal(color[0], [[1, 1, 1], [0, 0, 0]])


def _hue(pixels):
    """Hue from 0 to 1 and whether a pixel has one, by the textbook's hexagon."""
    high, low = pixels.max(axis=1), pixels.min(axis=1)
    chroma = high - low
    red, green, blue = pixels.T
    safe = np.maximum(chroma, 1e-6)
    sector = np.select(
        [high == red, high == green],
        [((green - blue) / safe) % 6, (blue - red) / safe + 2],
        (red - green) / safe + 4,
    )
    return sector / 6, chroma > 0.1


def _colors(one, other):
    """Distance of two pictures by their colours alone: sorted along some directions."""
    directions = np.random.default_rng(0).normal(size=(3, 8))
    one, other = one[::3, ::3], other[::3, ::3]
    return np.abs(
        np.sort(one.reshape(-1, 3) @ directions, axis=0)
        - np.sort(other.reshape(-1, 3) @ directions, axis=0)
    ).mean()
