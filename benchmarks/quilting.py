"""Quilting: how quick a texture and a transfer are."""

import torch

from benchmarks.universal import stylized, warm
from impasto.media.image import from_array
from impasto.methods.quilting import Quilting
from impasto.painted import paint


def quilting() -> dict[str, object]:
    """A 192² sample to 1024², and a picture of 512² in a style of 512², by default."""
    torch.set_num_threads(2)
    sample = from_array(paint("mosaic", width=512, height=384)[100:292, 100:292].copy())
    content, style = (
        from_array(paint(name, width=512, height=512)) for name in ("gilded", "swirl")
    )
    texture = Quilting(block=36)
    return {
        "texture_192_1024_s": warm(
            lambda: texture.synthesize(
                sample, (1024, 1024), generator=torch.Generator().manual_seed(0)
            ),
            runs=1,
        ),
        "transfer_512_s": warm(lambda: stylized("quilting", content, style), runs=1),
    }
