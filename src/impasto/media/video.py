"""Videos and cameras as frames, and frames as a video: the only file that opens them (PyAV)."""

import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import av.error
import numpy as np
import torch
from jaxtyping import UInt8

from impasto.core.errors import MediaError
from impasto.core.tensors import Image
from impasto.media.place import placed

ENDINGS = (".mp4", ".mkv", ".mov")
"""Of the videos that are written."""
TICKS = 90_000
"""Of a written video a second; frames may come at any of them."""
CRF = "16"
"""Of H.264: hardly a difference is seen. Brush strokes need it."""

Pixels = UInt8[np.ndarray, "H W 3"]
"""A frame in 8 bits of sRGB."""


@dataclass(frozen=True)
class Shot:
    """One frame, not yet converted, since not every frame is looked at.

    Attributes:
        time: seconds since the beginning of the video.
        frame: PyAV's.
    """

    time: float
    frame: Any

    def image(self, *, long_side: int) -> Image:
        """The upright frame, no longer than this; its sides are even, as H.264 has them."""
        turns = round(self.frame.rotation / 90) % 4
        sides = self.frame.height, self.frame.width
        scale = min(1.0, long_side / max(sides))
        height, width = (max(16, int(scale * side) // 2 * 2) for side in sides)
        pixels = self.frame.reformat(width, height, format="rgb24").to_ndarray()
        upright = np.ascontiguousarray(np.rot90(pixels, turns))
        return torch.from_numpy(upright).permute(2, 0, 1)[None].float() / 255


class Video:
    """A file or a camera, read frame by frame.

    Args:
        name: of a file, or the number of a camera, the first is 0, or its file below /dev.

    Attributes:
        live: whether it goes on whether its frames are read or not.

    Raises:
        MediaError: it cannot be opened, or has no pictures.
    """

    def __init__(self, name: str | Path) -> None:
        self.name = str(name)
        camera = _camera(self.name)
        self.live = camera is not None
        file, form = camera or (self.name, None)
        try:
            self.container = av.open(file, format=form)
        except (av.error.FFmpegError, OSError, ValueError) as error:
            raise MediaError(f"{self._words()} cannot be opened: {_reason(error)}") from error
        if not self.container.streams.video:
            self.container.close()
            raise MediaError(f"{self.name} has no pictures")
        self.container.streams.video[0].thread_type = "AUTO"

    def __iter__(self) -> Iterator[Shot]:
        first: float | None = None
        try:
            for number, frame in enumerate(self.container.decode(video=0)):
                time = frame.time if frame.time is not None else number / 25
                first = time if first is None else first
                yield Shot(time - first, frame)
        except av.error.FFmpegError as error:
            raise MediaError(f"{self._words()} cannot be read on: {_reason(error)}") from error
        finally:
            self.container.close()

    def _words(self) -> str:
        return f"camera {self.name}" if self.live else self.name


class Recorder:
    """Writes frames as H.264, each at its own time; the file appears whole at the end.

    Args:
        path: ends as `ENDINGS`.

    Raises:
        MediaError: it cannot be written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.stream: Any = None
        self.last = -1

    def __enter__(self) -> "Recorder":
        self.open = ExitStack()
        file = self.open.enter_context(placed(self.path))
        form = {".mp4": "mp4", ".mkv": "matroska", ".mov": "mov"}[self.path.suffix.lower()]
        self.container = self.open.enter_context(av.open(file, "w", format=form))
        return self

    def __exit__(self, *error: Any) -> None:
        if error[0] is not None:
            self.open.__exit__(*error)
            return
        with self.open:
            if self.stream is None:
                raise MediaError(f"{self.path} is not written: no frame came")
            self.container.mux(self.stream.encode())

    def write(self, pixels: Pixels, *, time: float) -> None:
        """One more frame; its sides are even, and equal to those before.

        Args:
            pixels: (H, W, 3).
            time: seconds since the beginning, later than that of the frame before.
        """
        if self.stream is None:
            self.stream = self._stream(*pixels.shape[:2])
        frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
        frame.pts = self.last = max(self.last + 1, round(time * TICKS))
        frame.time_base = Fraction(1, TICKS)
        self.container.mux(self.stream.encode(frame))

    def _stream(self, height: int, width: int) -> Any:
        stream: Any = self.container.add_stream("libx264", options={"crf": CRF})
        stream.height, stream.width, stream.pix_fmt = height, width, "yuv420p"
        stream.codec_context.time_base = Fraction(1, TICKS)
        return stream


def pixels(image: Image) -> Pixels:
    """A picture in [0, 1] as a frame."""
    values = image[0].clamp(0, 1).mul(255).round().to("cpu", torch.uint8)
    return values.permute(1, 2, 0).contiguous().numpy()


def _camera(name: str) -> tuple[str, str] | None:
    """File and format by which the system knows a camera; None for what is none."""
    if not name.isdecimal():
        return (name, "v4l2") if name.startswith("/dev/") else None
    if sys.platform == "darwin":
        return name, "avfoundation"
    if sys.platform == "win32":
        known = [
            each for each in av.enumerate_input_devices("dshow") if "video" in each.media_types
        ]
        if int(name) >= len(known):
            raise MediaError(f"camera must be a number below {len(known)}; got {name}")
        return f"video={known[int(name)].name}", "dshow"
    return f"/dev/video{name}", "v4l2"


def _reason(error: Exception) -> str:
    said = getattr(error, "strerror", None) or str(error)
    return said.partition("; last error log")[0].rstrip(".")
