"""Training networks that paint in one pass."""

import copy
import shutil

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from impasto.cli.main import main
from impasto.core.errors import OptionError
from impasto.core.options import build
from impasto.jobs.perform import perform
from impasto.jobs.spec import Job
from impasto.media.image import read, write
from impasto.methods.gatys import content_weight
from impasto.nets import engines, trained, zoo
from impasto.nets.trained import FILE, MAKER, ROW
from impasto.nets.transformer import Norm, Slim
from impasto.nets.vgg import VGG
from impasto.training import feedforward, teaching
from impasto.training.feedforward import Feed, content_weights, feed
from impasto.training.teaching import teach
from impasto.universal.palette import load_style

SMALL = {"batch": 2, "size": 64, "style_size": 64, "save_every": 3, "samples": 1, "rate": 5e-3}


@pytest.fixture
def folders(tmp_path, eyes, monkeypatch):
    """Photographs, two styles, and eyes that know nothing."""
    monkeypatch.setattr(zoo, "load", lambda *_, **__: copy.deepcopy(eyes))
    generator = torch.Generator().manual_seed(0)
    for kind, count in (("photos", 3), ("styles", 2)):
        (tmp_path / kind).mkdir()
        for i in range(count):
            coarse = torch.rand((1, 3, 6, 8), generator=generator)
            picture = torch.nn.functional.interpolate(coarse, (72, 96), mode="bilinear")
            write(picture, tmp_path / kind / f"{kind}-{i}.png")
    return tmp_path


def _feed(folders, *, steps, folder="run", network="petit", **words):
    return feed(
        build(Feed, SMALL | {"steps": steps} | words),
        photos=[folders / "photos"],
        styles=sorted((folders / "styles").iterdir()),
        folder=folders / folder,
        network=network,
        device=torch.device("cpu"),
    )


def test_strength_weighs_the_content_as_gatys_does():
    strengths = torch.tensor([0.1, 0.5, 0.75, 1.0])
    expected = torch.tensor([content_weight(float(s)) for s in strengths])
    assert torch.allclose(content_weights(strengths, scale=1.0), expected)


def test_a_run_that_is_taken_up_again_ends_in_the_same_bits(folders):
    whole = load_file(_feed(folders, steps=6))
    real = feedforward.Feeding.show

    class Killed(Exception):  # noqa: N818 - the power fails
        pass

    def show(self, step):
        real(self, step)
        if step == 6:
            raise Killed

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(feedforward.Feeding, "show", show)
        with pytest.raises(Killed):
            _feed(folders, steps=6, folder="killed")
    again = load_file(_feed(folders, steps=6, folder="killed"))
    assert whole.keys() == again.keys()
    assert all(torch.equal(whole[key], again[key]) for key in whole)


def test_kill_9_costs_nothing(teacher, photos, tmp_path, killed):
    small = "--batch 2 --size 64 --style-size 64 --save-every 3 --samples 0 --steps 6 --quiet"

    def words(out, *more):
        common = ["--photos", photos, "--network", teacher, "--out", tmp_path / out]
        return ["train", "multistyle", *map(str, [*more, *common]), *small.split()]

    one_more = ("--to", tmp_path / "whole" / FILE, "--add-style", photos / "0.png")
    for out, result, more in (
        ("whole", FILE, ("--styles", photos)),
        ("taught", "0.style", one_more),
    ):
        assert main(words(out, *more)) == 0
        killed(words(f"{out}-killed", *more), tmp_path / f"{out}-killed")
        assert main(words(f"{out}-killed", *more)) == 0
        same, found = (load_file(tmp_path / each / result) for each in (out, f"{out}-killed"))
        assert same.keys() == found.keys()
        assert all(torch.equal(same[key], found[key]) for key in same)


def test_the_losses_fall_and_the_styles_part(folders):
    path = _feed(folders, steps=30)
    rows = (folders / "run" / "log.csv").read_text().splitlines()
    assert len(rows) > 1
    known = trained.load(path)
    assert known.names == ("styles-0", "styles-1")
    x = torch.rand((1, 3, 64, 64), generator=torch.Generator().manual_seed(1))
    one, two = (known.network(x, row[None]) for row in known.styles)
    assert float((one - two).abs().mean()) > 0.01


def test_what_is_wanted_of_a_mixture_is_mixed(folders, monkeypatch):
    """At mixture (a, 1 − a) the Gram matrices that are asked for lie so between the styles'."""
    monkeypatch.setattr(feedforward, "train", lambda recipe, *_, **__: made.append(recipe))
    made = []
    _feed(folders, steps=1, mixed_share=1.0)
    shares, strengths = made[0]._drawn(1000)
    assert torch.allclose(shares.sum(1), torch.ones(1000))
    assert 0.4 < float(shares[:, 0].mean()) < 0.6
    assert float(((shares > 0.01) & (shares < 0.99)).any(1).float().mean()) > 0.4
    assert 0.7 < float((strengths == 0.5).float().mean()) < 0.8
    assert strengths.min() >= feedforward.WEAKEST


def _recipe(folders, monkeypatch, **words):
    made = []
    with monkeypatch.context() as patch:
        patch.setattr(feedforward, "train", lambda recipe, *_, **__: made.append(recipe))
        _feed(folders, steps=1, **words)
    return made[0]


def test_what_stands_out_is_what_lies_beyond_so_many_deviations(folders, monkeypatch):
    recipe = _recipe(folders, monkeypatch)
    x = torch.randn((1, 2, 20, 20), generator=torch.Generator().manual_seed(0))
    x[0, 1, 3, 4] = 1000
    mean, deviation = x.mean((2, 3), keepdim=True), x.std((2, 3), correction=0, keepdim=True)
    apart = ((x - mean).abs() / deviation).clamp_min(feedforward.PEAK) - feedforward.PEAK
    assert float(apart.max()) > 10
    assert int((apart > 0).sum()) == 1
    recipe.spots = []
    recipe._look(torch.nn.Identity(), (x,))
    assert torch.allclose(recipe.spots[0], (apart**2).mean(), rtol=1e-3)


def test_spots_are_looked_for_in_one_wide_picture_and_nowhere_else(folders, monkeypatch):
    sizes, look = [], feedforward.Feeding._look

    def noted(self, norm, given):
        if self.spots is not None:
            sizes.append((len(given[0]), norm.channels))
        look(self, norm, given)

    monkeypatch.setattr(feedforward.Feeding, "_look", noted)
    recipe = _recipe(folders, monkeypatch)
    losses = recipe.losses(0)
    assert len(sizes) == sum(isinstance(m, Norm) for m in recipe.network.modules())
    assert {count for count, _ in sizes} == {1}
    assert float(losses["spots"].detach()) >= 0
    assert recipe.spots is None


def test_some_crops_have_less_contrast_and_keep_their_colours(folders, monkeypatch):
    recipe = _recipe(folders, monkeypatch)
    x = torch.rand((400, 3, 8, 8), generator=torch.Generator().manual_seed(0))
    faded = recipe._faded(x)
    left = faded.std((1, 2, 3)) / x.std((1, 2, 3))
    assert 0.05 < float((left < 0.999).float().mean()) < 0.16
    assert torch.allclose(faded.mean((2, 3)), x.mean((2, 3)), atol=1e-6)
    assert recipe._faded(x.to("meta")).device.type == "meta"  # What is on two devices would fail.


def test_the_rhythm_of_the_style_costs_nothing(folders, monkeypatch):
    recipe = _recipe(folders, monkeypatch)
    shares = torch.eye(2)
    made = torch.cat(recipe.pictures)
    assert float(recipe._rhythm(made, shares).max()) < 1e-6
    assert float(recipe._rhythm(made.flip(0), shares).min()) > 1e-3


def test_one_more_style_leaves_the_others_as_they_are(folders):
    path = _feed(folders, steps=3)
    before = load_file(path)
    kept = path.with_name("kept.safetensors")
    shutil.copy(path, kept)
    known = trained.load(kept)
    taught = teach(
        build(Feed, SMALL | {"steps": 6}),
        to=kept,
        photos=[folders / "photos"],
        style=folders / "photos" / "photos-0.png",
        folder=folders / "taught",
        device=torch.device("cpu"),
    )
    measured = load_style(taught)
    assert torch.equal(measured[MAKER], known.sha256)
    assert measured[ROW].shape == known.styles[0].shape
    assert min(float((measured[ROW] - row).abs().max()) for row in known.styles) > 1e-3
    after = load_file(kept)
    assert all(torch.equal(before[key], after[key]) for key in before)


def test_any_network_serves_as_eyes_and_the_sheet_grows(folders):
    code = "import torch\nfrom torch.nn import AvgPool2d, Conv2d, ReLU, Sequential\n"
    code += "torch.manual_seed(0)\nnetwork = Sequential(Conv2d(3, 8, 3), ReLU(), AvgPool2d(2),"
    code += " Conv2d(8, 8, 3), ReLU())\n"
    (folders / "eyes.py").write_text(code)
    path = _feed(folders, steps=6, network=str(folders / "eyes.py"))
    losses = path.with_name("log.csv").read_text().splitlines()[-1].split(",")
    assert all(float(loss) >= 0 for loss in losses)
    with Image.open(path.with_name("samples.png")) as sheet:
        # The styles, and a row for each of two checkpoints, at half the size.
        assert sheet.size == (3 * 128, 3 * 128)


def test_what_was_trained_paints_by_its_style_files(folders):
    path = _feed(folders, steps=3)
    known = trained.load(path)
    photo = folders / "photos" / "photos-0.png"
    one, other = (str(path.with_name(f"styles-{i}.style")) for i in range(2))
    runner = engines.start(known.network, kind="torch")  # In bfloat16 where that is fast.
    for styles, weights in (([other], [1.0]), ([one, other], [0.25, 0.75])):
        job = Job(photo, list(zip(styles, weights, strict=True)), options={"strength": 0.3})
        rows = known.styles[-len(styles) :]
        row = known.mixed(rows, torch.tensor(weights), strength=0.3)
        assert torch.equal(perform(job), trained.paint(runner, read(photo), row))
    path.rename(path.with_name("moved.safetensors"))
    with pytest.raises(OptionError, match="put that beside it as network"):
        perform(job)


def test_nothing_but_the_row_learns(folders, monkeypatch):
    monkeypatch.setattr(feedforward, "train", lambda recipe, *_, **__: made.append(recipe))
    made = []
    network = Slim(3)
    monkeypatch.setattr(
        teaching, "load", lambda _: trained.build(network.state_dict(), names=["a", "b"])
    )
    teach(
        build(Feed, SMALL),
        to="some.safetensors",
        photos=[folders / "photos"],
        style=folders / "styles" / "styles-0.png",
        folder=folders / "taught",
        device=torch.device("cpu"),
    )
    (recipe,) = made
    recipe.start()
    assert [name for name, p in recipe.network.named_parameters() if p.requires_grad] == ["rows"]
    sum(recipe.losses(0).values()).backward()
    gradient = recipe.network.rows.grad
    assert not gradient[0].any()
    assert gradient[1].any()


def test_a_network_that_is_begun_with_keeps_the_row_of_each_style(folders):
    first = trained.load(_feed(folders, steps=3))
    # The same styles in another order, and a rate at which nothing is learnt.
    other = feed(
        build(Feed, SMALL | {"steps": 1, "rate": 1e-12}),
        photos=[folders / "photos"],
        styles=sorted((folders / "styles").iterdir(), reverse=True),
        begin=folders / "run" / feedforward.FILE,
        folder=folders / "other",
        device=torch.device("cpu"),
    )
    again = trained.load(other)
    assert again.names == first.names[::-1]
    assert torch.equal(again.styles, first.styles.flip(0))


def test_two_styles_of_one_name_are_refused(folders):
    style = folders / "styles" / "styles-0.png"
    with pytest.raises(OptionError, match="different names"):
        feed(
            build(Feed, SMALL),
            photos=[folders / "photos"],
            styles=[style, style],
            folder=folders / "run",
            device=torch.device("cpu"),
        )


def _ending(eyes: VGG, *, at: str) -> VGG:
    """The same network without the layers behind one."""
    deep = eyes.layers[eyes.layers.index(at) + 1 :]
    ends = tuple(layer.replace("relu", "conv") for layer in deep)
    state = {key: value for key, value in eyes.state_dict().items() if not key.startswith(ends)}
    return VGG(state, pooling=eyes.pooling).requires_grad_(requires_grad=False)


def test_eyes_that_end_at_relu4_1_will_do_and_shallower_ones_are_refused(
    folders, eyes, monkeypatch
):
    monkeypatch.setattr(zoo, "load", lambda *_: _ending(eyes, at="relu4_1"))
    assert trained.load(_feed(folders, steps=1)).names == ("styles-0", "styles-1")
    monkeypatch.setattr(zoo, "load", lambda *_: _ending(eyes, at="relu3_1"))
    with pytest.raises(OptionError, match="network must reach relu4_1; it ends at relu3_1"):
        _feed(folders, steps=1, folder="shallow")
    assert not (folders / "shallow").exists()


def test_the_style_is_seen_at_four_layers_and_the_content_at_one(folders, eyes, monkeypatch):
    asked: set[str] = set()
    forward = VGG.forward

    def noted(self, image, taps):
        asked.update(taps)
        return forward(self, image, taps)

    monkeypatch.setattr(zoo, "load", lambda *_: copy.deepcopy(eyes))
    monkeypatch.setattr(VGG, "forward", noted)
    _feed(folders, steps=1)
    assert asked == {"relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu4_2"}
