"""Controls from the job to the picture: what methods are shown, and what is left of them."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from impasto import methods
from impasto.core.errors import MediaError, OptionError
from impasto.jobs import memory
from impasto.jobs.control import CONTROLS, built, taking
from impasto.jobs.perform import carry, perform, stylize
from impasto.jobs.spec import Job
from impasto.media.image import from_array, read
from impasto.ops.color import colors
from impasto.universal.palette import save_style


@pytest.fixture
def pixels():
    rng = np.random.default_rng(3)
    small = Image.fromarray(rng.integers(0, 256, (5, 7, 3), np.uint8))
    return np.asarray(small.resize((90, 60), Image.Resampling.BICUBIC))


@pytest.fixture
def half():
    """White on the right, grey in the middle."""
    mask = np.zeros((60, 90), np.uint8)
    mask[:, 40:50], mask[:, 50:] = 128, 255
    return mask


@pytest.fixture
def style(pixels):
    return (pixels[::-1, ::-1] // 2 + 40).astype(np.uint8)


def job(pixels, style, **more):
    return Job(pixels, [(style, 1.0)], more.pop("method", "tint"), **more)


# One bag of options


def test_options_go_to_the_method_that_has_them_and_the_rest_to_the_controls(tint):
    method, controls = built("tint", {"strength": "0.25", "color": "linear", "smooth": 0.5})
    assert method.strength == 0.25
    assert (controls.color, controls.smooth) == ("linear", 0.5)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"quality": "best"}, "tint has no option quality; auto has it"),
        ({"start": "noise"}, "tint has no option start; adain, analogies, gatys and wct have it"),
        ({"shrength": 1}, "there is no option shrength; the options are strength, .*, color"),
        ({"color": "red"}, "color must be one of style, luminance, .*; got 'red'"),
        ({"smooth": 2}, "smooth must be a number from 0 to 1; got 2"),
    ],
)
def test_what_is_no_option_is_refused_with_those_who_have_it(tint, options, sentence):
    with pytest.raises(OptionError, match=sentence):
        built("tint", options)


# Colours


def test_linear_matching_hands_the_method_a_style_in_the_colours_of_the_content(
    tint, pixels, style
):
    for color in ("linear", "linear-symmetric"):
        perform(job(pixels, style, options={"color": color, "strength": 1.0}))
        (_, styles), frame = tint[-2:]
        found, wanted = colors(styles[0].image), colors(frame.content)
        torch.testing.assert_close(found, wanted, atol=1e-3, rtol=0)


def test_luminance_leaves_the_chroma_of_the_file(tint, pixels, style, tmp_path):
    carry(job(pixels, style, options={"color": "luminance"}), tmp_path / "out.png")
    out = np.asarray(Image.open(tmp_path / "out.png")).astype(int)
    change = out - pixels
    assert np.ptp(change, axis=2).max() <= 1
    assert np.abs(change).mean() > 1


@pytest.mark.parametrize("color", ["style", "luminance", "linear", "content-only-colors"])
def test_strength_0_is_the_content_whatever_the_colours(tint, pixels, style, color):
    out = perform(job(pixels, style, options={"color": color, "strength": 0}))
    assert torch.equal(out, from_array(pixels))


@pytest.mark.usefixtures("random_weights")
def test_modes_that_need_the_picture_of_a_style_refuse_a_style_file(pixels, tmp_path):
    path = tmp_path / "known.style"
    save_style(path, methods.load("adain")().measure(from_array(pixels)))
    for options in ({"color": "linear"}, {"color": "content-only-colors"}):
        with pytest.raises(OptionError, match="needs the picture of a style; a"):
            stylize(pixels, path, method="adain", **options)
    with pytest.raises(OptionError, match="style_mask needs the picture of a style"):
        stylize(pixels, path, method="adain", style_mask=pixels)


# Masks


@pytest.mark.parametrize("method", ["tint", "adain"])
@pytest.mark.usefixtures("random_weights")
def test_outside_a_mask_the_file_is_that_of_the_content(
    tint, pixels, style, half, method, tmp_path
):
    whole = perform(job(pixels, style, method=method))
    masked = job(pixels, style, method=method, mask=[half])
    out = perform(masked)
    assert torch.equal(out[..., :40], from_array(pixels)[..., :40])
    assert torch.equal(out[..., 50:], whole[..., 50:])
    carry(masked, tmp_path / "out.png")
    written = np.asarray(Image.open(tmp_path / "out.png"))
    assert (written[:, :40] == pixels[:, :40]).all()
    assert np.abs(written[:, 50:].astype(int) - pixels[:, 50:]).mean() > 1


@pytest.mark.usefixtures("random_weights")
@pytest.mark.parametrize("color", ["style", "luminance", "linear"])
def test_masks_and_colours_in_tiles_are_those_of_the_whole(
    pixels, style, half, color, tmp_path, monkeypatch
):
    Image.fromarray(pixels).save(tmp_path / "photo.png")
    Image.fromarray(half).save(tmp_path / "mask.png")
    options = {"color": color, "smooth": 0.4, "precision": "float32"}
    asked = job(tmp_path / "photo.png", style, method="adain", options=options)
    asked = replace(asked, mask=[tmp_path / "mask.png"])
    whole = perform(asked)
    monkeypatch.setattr(memory, "WHOLE", 0)
    monkeypatch.setattr(memory, "SIDES", (32,))
    assert (perform(asked) - whole).abs().max() < 2e-4
    carry(asked, tmp_path / "out.png")
    assert (read(tmp_path / "out.png")[..., :40] == from_array(pixels)[..., :40]).all()


@pytest.mark.usefixtures("random_weights")
def test_one_mask_a_style_sends_each_to_its_region(pixels, style, half, monkeypatch):
    other = np.full_like(style, (255, 0, 0))
    asked = Job(
        pixels,
        [(style, 1.0), (other, 1.0)],
        "adain",
        mask=[half, 255 - half],
        options={"precision": "float32"},
    )
    out = perform(asked)
    swapped = perform(replace(asked, mask=asked.mask[::-1]))
    assert (out - swapped)[..., 50:].abs().mean() > 1e-3
    assert torch.equal(
        perform(replace(asked, mask=[half, np.zeros_like(half)]))[..., :40],
        from_array(pixels)[..., :40],
    )
    monkeypatch.setattr(memory, "WHOLE", 0)
    monkeypatch.setattr(memory, "SIDES", (32,))
    assert (perform(asked) - out).abs().max() < 2e-4


@pytest.mark.usefixtures("random_weights")
def test_a_style_is_looked_at_within_its_mask(pixels, half):
    # The borders of what is seen reach a little over the mask: the larger all is, the less.
    large, right = (x.repeat(3, 0).repeat(3, 1) for x in (pixels, (half == 255) * np.uint8(255)))
    two = np.concatenate([np.full((180, 135, 3), 40, np.uint8), large[:, 135:]], 1)
    out = perform(job(large, two, method="adain", style_mask=[right]))
    twice = np.concatenate([255 - two[:, :135], two[:, 135:]], 1)
    again = perform(job(large, twice, method="adain", style_mask=[right]))
    free = (perform(job(large, two, method="adain")) - out).abs().mean()
    assert (again - out).abs().mean() < 0.1 * free


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        ({"mask": [np.zeros((60, 60), np.uint8)]}, "mask must be in proportion to its picture"),
        ({"mask": [np.zeros((60, 90), np.uint8)] * 2}, "mask must be given once, or once for each"),
        ({"style_mask": [np.zeros((60, 90), np.uint8)] * 2}, "style_mask must be given once for"),
        ({"style_mask": [np.zeros((60, 90), np.uint8)]}, "style_mask must be white somewhere"),
        ({"style_mask": [np.ones((90, 60), np.uint8)]}, "style_mask must be in proportion"),
    ],
)
@pytest.mark.usefixtures("random_weights")
def test_masks_that_do_not_fit_are_refused(pixels, style, more, sentence):
    with pytest.raises(OptionError, match=sentence):
        perform(job(pixels, style, method="adain", **more))


def test_a_mask_that_is_no_picture_is_refused(tint, pixels, style, tmp_path):
    (tmp_path / "mask.png").write_text("Dear diary")
    with pytest.raises(MediaError, match=r"mask\.png is not a picture"):
        perform(job(pixels, style, mask=[tmp_path / "mask.png"]))
    assert tint == []


# Maps, subjects, faces


@pytest.mark.usefixtures("random_weights")
def test_maps_and_kinds_in_tiles_are_those_of_the_whole(pixels, style, monkeypatch):
    blocks = np.repeat(np.repeat(np.eye(2, dtype=np.uint8) * 255, 30, 0), 45, 1)
    asked = job(pixels, style, method="adain", content_map=blocks, style_map=[blocks[::-1]])
    kinds = job(pixels, style, method="wct", options={"match_regions": 2, "smooth": 0.2})
    for each in (replace(asked, options={"precision": "float32"}), kinds):
        with monkeypatch.context() as patch:
            whole = perform(each)
            patch.setattr(memory, "WHOLE", 0)
            patch.setattr(memory, "SIDES", (32,))
            assert (perform(each) - whole).abs().max() < 2e-4


def test_a_subject_is_painted_alone_or_left_alone(tint, pixels, style, monkeypatch):
    left = torch.zeros(1, 1, 6, 9)
    left[..., :4] = 1
    monkeypatch.setattr("impasto.ops.segment.subject", lambda image, box: left)
    asked = job(pixels, style, options={"subject": (0, 0, 45, 60)})
    content, out = from_array(pixels), perform(asked)
    assert torch.equal(out[..., 50:], content[..., 50:])
    assert (out - content)[..., :30].abs().mean() > 0.01
    options = {"subject": (0, 0, 0.5, 1), "protect": ("subject",)}
    out = perform(replace(asked, options=options))
    assert torch.equal(out[..., :30], content[..., :30])
    assert (out - content)[..., 50:].abs().mean() > 0.01


@pytest.mark.usefixtures("random_weights")
def test_a_second_style_paints_what_is_around_the_subject(pixels, style, monkeypatch):
    left = torch.zeros(1, 1, 60, 90)
    left[..., :45] = 1
    monkeypatch.setattr("impasto.ops.segment.subject", lambda image, box: left)
    two = Job(pixels, [(style, 1.0), (255 - style, 1.0)], "adain")
    by_box = perform(replace(two, options={"subject": (0, 0, 45, 60)}))
    white = (left[0, 0] * 255).byte().numpy()
    assert torch.equal(by_box, perform(replace(two, mask=[white, 255 - white])))


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"subject": (0, 0, 1)}, r"subject must be LEFT,TOP,RIGHT,BOTTOM within 90 × 60 pixels"),
        ({"subject": (50, 0, 40, 60)}, "subject must be LEFT,TOP,RIGHT,BOTTOM"),
        ({"subject": (0, 0, 91, 60)}, "subject must be LEFT,TOP,RIGHT,BOTTOM"),
        ({"protect": ("subject",)}, "protect subject needs subject"),
        ({"protect": ("cats",)}, "protect must be one of faces, subject"),
    ],
)
def test_places_that_do_not_fit_are_refused(tint, pixels, style, options, sentence):
    with pytest.raises(OptionError, match=sentence):
        perform(job(pixels, style, options=options))


@pytest.mark.usefixtures("random_weights")
def test_maps_that_are_missing_or_too_many_are_refused(pixels, style, half):
    asked = job(pixels, style, method="adain", content_map=half)
    with pytest.raises(OptionError, match="content_map and style_map go together"):
        perform(asked)
    with pytest.raises(OptionError, match="content_map and match_regions cannot go together"):
        perform(replace(asked, style_map=[half], options={"match_regions": 2}))


# What takes what


@pytest.mark.parametrize("apart", [{"mask": 2}, {"subject": 2}])
def test_styles_that_were_learnt_go_to_places_of_their_own(pixels, half, apart):
    names = ("wave-of-hokusai", "mosaic")
    options = {"subject": (0.3, 0.1, 1, 1)} if "subject" in apart else {}
    masks = [half, 255 - half] if "mask" in apart else []
    asked = Job(pixels, [(name, 1.0) for name in names], "multistyle", mask=masks, options=options)
    out = perform(asked)
    one, other = (
        perform(replace(asked, styles=[(name, 1.0)], mask=(), options={})) for name in names
    )
    share = ((out - other) * (one - other)).sum(1) / (one - other).square().sum(1).clamp_min(1e-4)
    # A painting goes a little beyond black and white before it is laid.
    assert (torch.lerp(other, one, share[:, None].clamp(0, 1)) - out).abs().max() < 5e-3
    assert share.quantile(0.1) < 0.05
    assert share.quantile(0.9) > 0.95


def test_learnt_styles_have_no_strokes_of_another_size(pixels):
    with pytest.raises(OptionError, match=r"multistyle cannot take stroke; .*gatys.* can"):
        perform(Job(pixels, [("mosaic", 1.0)], "multistyle", options={"stroke": 9.0}))


@pytest.mark.parametrize("name", methods.names())
@pytest.mark.parametrize("control", CONTROLS)
@pytest.mark.usefixtures("random_weights")
def test_every_method_takes_a_control_or_says_who_does(
    name, control, pixels, style, half, monkeypatch
):
    blocks = np.repeat(np.repeat(np.eye(2, dtype=np.uint8) * 255, 30, 0), 45, 1)
    face = "impasto.ops.segment.faces"
    monkeypatch.setattr(face, lambda image: torch.ones(1, 1, 6, 9))
    more = {
        "strength": {"options": {"strength": 0.9}},
        "quality": {"options": {"quality": "normal"}},
        "protect": {"options": {"protect": ("faces",)}},
        "subject": {"options": {"subject": (0.5, 0, 1, 1), "protect": ("subject",)}},
        "content_map": {"content_map": blocks, "style_map": [blocks[::-1]]},
        "match_regions": {"options": {"match_regions": 2}},
        "color luminance": {"options": {"color": "luminance"}},
        "stroke": {"options": {"stroke": 9.0}},
        "color linear": {"options": {"color": "linear"}},
        "smooth": {"options": {"smooth": 0.5}},
        "mask": {"mask": [half]},
        "several masks": {"mask": [half, 255 - half]},
        "style_mask": {"style_mask": [half]},
    }[control]
    fast = {"gatys": {"iterations": 8, "coarsest": 24}, "auto": {"quality": "draft"}}
    options = {**fast.get(name, {}), **more.pop("options", {})}
    two = [(style, 1.0), (255 - style, 1.0)]
    styles = two if control == "several masks" else two[:1]
    asked = Job(pixels, styles, name, options=options, **more)
    if name in taking(control):
        if hasattr(methods.load(name), "learnt"):
            pytest.skip("its styles are no pictures; the test of the contract paints with it")
        out = perform(asked)
        bare = {"mask": (), "style_mask": (), "content_map": None, "style_map": ()}
        asked = replace(asked, styles=styles[:1])
        plain = perform(replace(asked, **bare, options=fast.get(name, {})))
        assert (out - plain).abs().max() > 1e-3
    else:
        with pytest.raises(
            OptionError,
            match=f"{name} (cannot take|has no option) .*; .*{taking(control)[0]}.* (can|has it)",
        ):
            perform(asked)
