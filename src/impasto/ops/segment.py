"""Parts of a picture that a program can find: a subject, faces, kinds of places. OpenCV inside."""

from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from impasto.core.tensors import Image, Mask
from impasto.ops.resample import fit, resize

SUBJECT, FACES = 256, 384
"""Long sides at which a subject and faces are looked for, in pixels."""
SOFT = 0.006
"""Deviation of the blur that softens the edges of what is found, over the long side."""
ROUNDS = 3
"""Of GrabCut."""
FACE, NEIGHBOURS, STEP = 1 / 16, 4, 1.2
"""The smallest face over the long side, how many finds must agree, and from size to size."""
OVAL = (0.52, 0.72)
"""Half width and half height of the oval of a face, over the side of the square that was found."""


def subject(image: Image, box: tuple[float, float, float, float]) -> Mask:
    """What stands out within a rectangle, softly.

    Rother, Kolmogorov and Blake, "GrabCut: interactive foreground extraction using iterated graph
    cuts", SIGGRAPH 2004.

    Args:
        image: (1, 3, H, W).
        box: left, top, right and bottom, as shares of width and height.

    Returns:
        (1, 1, h, w), no longer than `SUBJECT`; the whole rectangle where nothing stands out.
    """
    cv2, pixels = _cv2(), _pixels(image, SUBJECT)
    height, width = pixels.shape[:2]
    left, right = (round(edge * width) for edge in (box[0], box[2]))
    top, bottom = (round(edge * height) for edge in (box[1], box[3]))
    known = np.full((height, width), cv2.GC_BGD, np.uint8)
    known[top:bottom, left:right] = cv2.GC_PR_FGD
    inside = known == cv2.GC_PR_FGD
    if inside.any() and not inside.all() and pixels.std() > 0:
        models = np.zeros((2, 1, 65), np.float64)
        cv2.setRNGSeed(0)
        cv2.grabCut(pixels, known, None, *models, ROUNDS, cv2.GC_INIT_WITH_MASK)
        inside = np.isin(known, (cv2.GC_FGD, cv2.GC_PR_FGD))
        if not inside.any():
            inside[top:bottom, left:right] = True
    return _soft(inside.astype(np.float32))


def faces(image: Image) -> Mask:
    """Faces that look at us, as soft ovals.

    Viola and Jones, "Rapid object detection using a boosted cascade of simple features", CVPR 2001,
    with the cascade that comes with OpenCV. It overlooks profiles and those smaller than `FACE`.

    Returns:
        (1, 1, h, w), no longer than `FACES`.
    """
    cv2, pixels = _cv2(), _pixels(image, FACES)
    grey = cv2.equalizeHist(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY))
    cascade = cv2.CascadeClassifier(cv2.data.haarcascades + "haarcascade_frontalface_alt2.xml")
    least = round(FACE * max(grey.shape))
    found = cascade.detectMultiScale(grey, STEP, NEIGHBOURS, minSize=(least, least))
    mask = np.zeros(grey.shape, np.float32)
    for left, top, side, _ in found:
        middle = (int(left + side / 2), int(top + side / 2))
        axes = (round(OVAL[0] * side), round(OVAL[1] * side))
        cv2.ellipse(mask, middle, axes, 0, 0, 360, 1.0, -1)
    return _soft(mask)


def kinds(features: Float[Tensor, "N C"], count: int, *, seed: int) -> Tensor:
    """Which of so many clusters each row belongs to, (N,), by k-means (k-means++ at the start)."""
    cv2 = _cv2()
    cv2.setRNGSeed(seed % 2**31)
    until = (cv2.TERM_CRITERIA_EPS + cv2.TERM_CRITERIA_MAX_ITER, 30, 1e-3)
    rows = features.detach().cpu().float().contiguous().numpy()
    _, labels, _ = cv2.kmeans(rows, count, None, until, 2, cv2.KMEANS_PP_CENTERS)
    return torch.from_numpy(labels[:, 0].astype(np.int64))


def _soft(mask: np.ndarray) -> Mask:
    blurred = _cv2().GaussianBlur(mask, (0, 0), SOFT * max(mask.shape))
    return torch.from_numpy(blurred)[None, None].clamp(0, 1)


def _pixels(image: Image, side: int) -> np.ndarray:
    """(h, w, 3), 8 bits, the long side at most this."""
    if max(image.shape[2:]) > side:
        image = resize(image, fit(*image.shape[2:], long_side=side))
    return (image[0] * 255).round().byte().permute(1, 2, 0).cpu().contiguous().numpy()


def _cv2() -> Any:
    """The library, asked for by those who need it."""
    import cv2

    return cv2
