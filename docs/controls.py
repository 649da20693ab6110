"""Draw the pictures of the pages on controls, losses, multistyle and johnson.

They are made from sample photographs. `python docs/controls.py` draws all, `python
docs/controls.py color presets` some of them.
"""

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from skimage import data
from skimage.color import rgb2gray
from skimage.feature import canny
from skimage.morphology import binary_dilation

from impasto import stylize
from impasto.cli.main import main
from impasto.features import Hooked
from impasto.media.contact import contact
from impasto.media.image import from_array, write
from impasto.nets.trained import bundled
from impasto.nets.upscaler import enlarge
from impasto.ops.resample import fit, resize

PICTURES = Path(__file__).with_name("pictures")
SIDE = 256
TRAINED = 512
QUALITY = 75


def color() -> None:
    """Whose colours."""
    modes = "style,luminance,linear,linear-symmetric,histogram,content-only-colors"
    _sheet("color", data.coffee(), "--style", ":swirl", "--vary", f"color={modes}")


def stroke() -> None:
    """The size of strokes, and how calm they are."""
    words = ("--vary", "stroke=3,7,14", "--vary", "smooth=0,0.4,1")
    _sheet("stroke", data.chelsea(), "--style", ":watercolour", *words)


def presets() -> None:
    """All presets."""
    names = "quick-look,print-portrait,print-landscape,faithful,poster,graded,collage,pattern"
    words = ("--style", ":marbling", "--vary", f"preset={names}", "--size", "224")
    _sheet("presets", _face(), *words, quality=())


def losses() -> None:
    """What of the style Gatys' method matches."""
    names = "gram,moments,covariance,sliced,histogram,patches"
    words = ("--style", ":knife", "--method", "gatys", "--vary", f"style_loss={names}")
    _sheet("losses", data.chelsea(), *words, "--size", "160", quality=())


def places() -> None:
    """Where there is paint."""
    photo = _face()
    half = np.zeros(photo.shape[:2], np.uint8)
    half[:, photo.shape[1] // 2 :] = 255
    box = (0.1, 0.02, 0.9, 1.0)
    two, kinds = [":swirl", ":glass"], {"match_regions": 4}
    asked: dict[str, tuple[list[str], dict[str, object]]] = {
        "mask, the right half": ([":swirl"], {"mask": half}),
        "two styles, a mask each": (two, {"mask": [255 - half, half]}),
        "subject": ([":swirl"], {"subject": box}),
        "subject, two styles": (two, {"subject": box}),
        "protect subject": ([":swirl"], {"subject": box, "protect": ["subject"]}),
        "protect faces": ([":swirl"], {"protect": ["faces"]}),
        "no match-regions": ([":dabs"], {}),
        "match-regions 4": ([":dabs"], kinds),
    }
    draft = {"size": SIDE, "quality": "draft"}
    made = [_tensor(stylize(photo, styles, **draft, **more)) for styles, more in asked.values()]
    _contact("places", made, list(asked), columns=4)


def styles() -> None:
    """Several styles: by weight, by scale, by layer, by region."""
    photo = data.coffee()
    left = np.zeros(photo.shape[:2], np.uint8)
    left[:, :300] = 255
    one, two = ":glass", ":hatching"
    asked: dict[str, dict[str, object]] = {
        "glass alone": {"styles": [one]},
        "hatching alone": {"styles": [two]},
        "weights 3 : 1": {"styles": [f"{one}:3", f"{two}:1"]},
        "style-mix coarse,fine": {"styles": [one, two], "style_mix": ("coarse", "fine")},
        "style-mix fine,coarse": {"styles": [one, two], "style_mix": ("fine", "coarse")},
        "style-mix by layer": {
            "styles": [one, two],
            "style_mix": ("1/1/0/0/0", "0/0/1/1/1"),
        },
        "style-scales 2,0.5": {"styles": [one, two], "style_scales": (2.0, 0.5)},
        "a mask each": {"styles": [one, two], "mask": [left, 255 - left]},
    }
    made = [
        _tensor(stylize(photo, method="gatys", size=SIDE, iterations=60, **more))
        for more in asked.values()
    ]
    _contact("styles", made, list(asked), columns=4)


def eyes() -> None:
    """What a network that was trained on faces keeps of a face."""
    photo = from_array(np.ascontiguousarray(_face()))
    small = resize(photo, fit(*photo.shape[2:], long_side=SIDE))
    network = faces(Path("onet.pt"))
    made, words = [], []
    for style in (":dabs", ":hatching"):
        given = {"method": "gatys", "size": SIDE}
        made += [small, *(stylize(photo, style, network=n, **given) for n in ("petit", network))]
        words += ["photograph", f"{style}, petit", f"{style}, faces"]
    _contact("eyes", made, words, columns=3)


def names() -> None:
    """A portrait in all styles that are known by name, at the size that they were trained for."""
    photo = data.astronaut()
    known = bundled().names
    made = [from_array(photo), *(_tensor(stylize(photo, name)) for name in known)]
    made = [resize(each, (TRAINED, TRAINED))[..., :400, 56:456] for each in made]
    made = [resize(each, (200, 200)) for each in made]
    words = ["photograph", *known]
    rows = range(0, len(made), 6)
    labels = [[[word] for word in words[i : i + 6]] for i in rows]
    sheet = contact([made[i : i + 6] for i in rows], labels, size=(200, 200))
    write(sheet, PICTURES / "multistyle-faces.webp", quality=QUALITY)


def kinds() -> None:
    """A face, text, a flat sky, a night and a silhouette in five styles, the bad ones too."""
    five = ["starry-night-of-van-gogh", "wave-of-hokusai", "mosaic", "diva-of-the-twenties"]
    rows = []
    for draw in (data.astronaut, data.page, data.camera, data.rocket, data.horse):
        pixels = draw()
        pixels = pixels * np.uint8(255) if pixels.dtype == bool else pixels
        photo = from_array(np.ascontiguousarray(pixels))
        photo = resize(photo, fit(*photo.shape[2:], long_side=TRAINED))
        made = [photo, *(stylize(photo, name) for name in [*five, "hatching"])]
        height = round(TRAINED * 0.66)
        rows.append([resize(each[:, :, :height], (145, 220)) for each in made])
    sheet = torch.cat([torch.cat(row, 3) for row in rows], 2)
    write(sheet, PICTURES / "multistyle-kinds.webp", quality=QUALITY)


def large() -> None:
    """Places of a face, text, a flat sky, a night and a line drawing, pixel for pixel."""
    names = ["starry-night-of-van-gogh", "wave-of-hokusai", "mosaic", "glass", "gilded"]
    places = {
        "face": (data.astronaut(), 40, 110),
        "text": (data.page(), 40, 120),
        "flat sky": (data.camera(), 0, 250),
        "night": (data.rocket(), 60, 0),
        "line drawing": (_drawn(data.coffee()), 60, 120),
    }
    made, words = [], []
    for place, (pixels, top, left) in places.items():
        photo = from_array(np.ascontiguousarray(pixels))
        photo = resize(photo, fit(*photo.shape[2:], long_side=TRAINED))
        every = [photo, *(stylize(photo, name) for name in names)]
        made.append([each[:, :, top : top + 190, left : left + 250] for each in every])
        words.append([[place], *([name] for name in names)])
    sheet = contact(made, words, size=(190, 250))
    write(sheet, PICTURES / "multistyle-large.webp", quality=QUALITY)


def enlarged() -> None:
    """A photograph and a painting made smaller and large again, pixel for pixel, beside bicubic."""
    made, words = [], []
    painting = _tensor(stylize(data.coffee(), "wave-of-hokusai", size=TRAINED))
    for picture, top, left in ((from_array(data.astronaut()), 40, 150), (painting, 60, 120)):
        size, row, named = picture.shape[2:], [picture], [["as it was"]]
        for by in (2, 4):
            small = resize(picture, (size[0] // by, size[1] // by))
            row += [resize(small, (size[0] // by * by, size[1] // by * by)), enlarge(small, by=by)]
            named += [[f"x {by}, bicubic"], [f"x {by}, impasto"]]
        made.append([each[:, :, top : top + 190, left : left + 190] for each in row])
        words.append(named)
    sheet = contact(made, words, size=(190, 190))
    write(sheet, PICTURES / "enlarged.webp", quality=90)


def faces(path: Path) -> Hooked:
    """The convolutions of MTCNN's third network, from `facenet_pytorch/data/onet.pt`.

    Zhang et al., "Joint Face Detection and Alignment Using Multitask Cascaded Convolutional
    Networks", 2016; the weights are those of the package facenet-pytorch, under the MIT licence.
    """
    state = torch.load(path, weights_only=True)
    layers: dict[str, torch.nn.Module] = {}
    for stage, pool in ((1, 3), (2, 3), (3, 2), (4, 0)):
        width, channels, size, _ = state[f"conv{stage}.weight"].shape
        layers[f"conv{stage}"] = torch.nn.Conv2d(channels, width, size)
        layers[f"prelu{stage}"] = torch.nn.PReLU(width)
        if pool:
            layers[f"pool{stage}"] = torch.nn.MaxPool2d(pool, 2, ceil_mode=True)
    body = torch.nn.Sequential()
    for name, layer in layers.items():
        body.add_module(name, layer)
    body.load_state_dict({name: state[name] for name in body.state_dict()})
    return Hooked(body, mean=(0.498,) * 3, std=(0.502,) * 3)


def _drawn(photo: np.ndarray) -> np.ndarray:
    """The outlines of a photograph as by a pen, (H, W): black on white."""
    lines = binary_dilation(canny(rgb2gray(photo), sigma=2, low_threshold=0.03))
    return np.where(lines, 0, 255).astype(np.uint8)


def _face() -> np.ndarray:
    return data.astronaut()[:300, 80:380].copy()


def _tensor(picture: object) -> torch.Tensor:
    return from_array(np.array(picture))


def _contact(name: str, made: list[torch.Tensor], words: list[str], *, columns: int) -> None:
    rows = range(0, len(made), columns)
    size = (max(each.shape[2] for each in made), max(each.shape[3] for each in made))
    labels = [[[word] for word in words[i : i + columns]] for i in rows]
    sheet = contact([made[i : i + columns] for i in rows], labels, size=size)
    write(sheet.cpu(), PICTURES / f"controls-{name}.jpg", quality=QUALITY)


def _sheet(
    name: str, photo: np.ndarray, *words: str, quality: tuple[str, ...] = ("--quality", "draft")
) -> None:
    source, sheet = PICTURES / "photo.png", PICTURES / "sheet.png"
    write(from_array(photo), source)
    size = () if "--size" in words else ("--size", str(SIDE))
    main(["sheet", str(source), *words, *size, *quality, "-o", str(sheet), "--overwrite", "-q"])
    from impasto.media.image import read

    write(read(sheet), PICTURES / f"controls-{name}.jpg", quality=QUALITY)
    source.unlink()
    sheet.unlink()


PARTS: dict[str, Callable[[], None]] = {
    each.__name__: each
    for each in (
        color,
        stroke,
        losses,
        presets,
        places,
        styles,
        eyes,
        names,
        kinds,
        large,
        enlarged,
    )
}

if __name__ == "__main__":
    for part in sys.argv[1:] or PARTS:
        PARTS[part]()
