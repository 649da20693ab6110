"""Five photographs and five paintings that took no part in training, and the judge."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from PIL import Image as Pillow
from skimage import data
from torch import Tensor

from impasto.nets import zoo
from impasto.nets.vgg import VGG
from impasto.ops.resample import fit, resize

SHARED = Path(__file__).parents[2] / "shared"
JUDGE = SHARED / "teacher" / "vgg19_conv1_1_to_conv4_1.safetensors"

CONTENTS = {
    "town": "examples/tubingen.jpg",
    "face": data.astronaut,
    "cat": data.chelsea,
    "cup": data.coffee,
    "film": "video/sintel/frame_0016.jpg",
}
STYLES = {
    "night": "examples/starry_night.jpg",
    "scream": "examples/the_scream.jpg",
    "wave": "examples/great_wave.jpg",
    "shipwreck": "examples/shipwreck.jpg",
    "smoker": "paintings/fyodor-dostoevsky_crime-and-punishment_constance-garnett.jpg",
}


def picture(source, *, long_side: int) -> Tensor:
    """A file below `../shared/data` or a function that returns pixels, as (1, 3, H, W)."""
    if callable(source):
        pixels = source()
    else:
        with Pillow.open(SHARED / "data" / source) as opened:
            pixels = np.asarray(opened.convert("RGB"))
    image = torch.from_numpy(pixels.copy()).permute(2, 0, 1)[None].float() / 255
    return resize(image, fit(*image.shape[2:], long_side=long_side))


def pairs(*, long_side: int) -> Iterator[tuple[str, Tensor, Tensor]]:
    """The name, content and style of all 25 pairs, the long sides of this many pixels."""
    for content, photo in CONTENTS.items():
        for style, painting in STYLES.items():
            yield (
                f"{content}-{style}",
                picture(photo, long_side=long_side),
                picture(painting, long_side=long_side),
            )


def judging_network() -> VGG:
    """The exact VGG-19 up to relu4_1, padded with zeros as it was trained."""
    network = zoo.load(JUDGE)
    network.padding = "zeros"
    return network
