"""Photographs and paintings that took no part in training, and the judge."""

from collections import OrderedDict
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import numpy as np
import torch
from PIL import Image as Pillow
from skimage import data
from torch import Tensor

from impasto.nets import zoo
from impasto.nets.vgg import VGG
from impasto.ops.resample import fit, resize

REMEMBERED = 36
"""Pictures whose features are kept, 0.1 GB each at 512 px."""
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

MORE_CONTENTS = {
    "giraffes": "photos/coco/000000000144.jpg",
    "arch": "photos/coco/000000000257.jpg",
    "baby": "photos/coco/000000000428.jpg",
    "door": "photos/coco/000000000629.jpg",
    "ski": "photos/coco/000000002473.jpg",
}
MORE_STYLES = {
    "wives": "paintings/arnold-bennett_the-old-wives-tale.jpg",
    "smoke": "paintings/charles-dickens_hard-times.jpg",
    "emma": "paintings/jane-austen_emma.jpg",
    "teal": "paintings/plato_dialogues_benjamin-jowett.jpg",
    "bridge": "paintings/victor-hugo_notre-dame-de-paris_isabel-f-hapgood.jpg",
}
"""Those of the folders of training that are held out (`impasto.training.data.held_out`)."""


def picture(source, *, long_side: int) -> Tensor:
    """A file below `../shared/data` or a function that returns pixels, as (1, 3, H, W)."""
    if callable(source):
        pixels = source()
    else:
        with Pillow.open(SHARED / "data" / source) as opened:
            pixels = np.asarray(opened.convert("RGB"))
    image = torch.from_numpy(pixels.copy()).permute(2, 0, 1)[None].float() / 255
    return resize(image, fit(*image.shape[2:], long_side=long_side))


def pairs(*, long_side: int, more: bool = False) -> Iterator[tuple[str, Tensor, Tensor]]:
    """The name, content and style of 25 pairs, or 100, their long sides of so many pixels."""
    contents = CONTENTS | (MORE_CONTENTS if more else {})
    styles = STYLES | (MORE_STYLES if more else {})
    for content, photo in contents.items():
        for style, painting in styles.items():
            yield (
                f"{content}-{style}",
                picture(photo, long_side=long_side),
                picture(painting, long_side=long_side),
            )


def judging_network(source: Path = JUDGE) -> VGG:
    """The exact VGG-19 up to relu4_1, or another network, padded with zeros as it was trained.

    It remembers the pictures that it saw last: contents, styles and trivial answers come again.
    """
    network = zoo.load(source)
    network.padding = "zeros"
    look, seen = network.forward, OrderedDict()

    def remembered(image: Tensor, taps) -> dict[str, Tensor]:
        key = (tuple(image.shape), sha256(image.contiguous().numpy()).digest(), frozenset(taps))
        if key not in seen:
            seen[key] = look(image, taps)
            if len(seen) > REMEMBERED:
                seen.popitem(last=False)
        seen.move_to_end(key)
        return seen[key]

    network.forward = remembered
    return network
