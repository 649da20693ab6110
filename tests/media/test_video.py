"""Videos are read frame by frame, upright and in time, and written whole."""

from itertools import islice
from pathlib import Path

import av
import numpy as np
import pytest

from impasto.core.errors import MediaError
from impasto.media.video import Recorder, Video, pixels

CLIP = Path(__file__).parents[3] / "shared" / "data" / "video" / "bunny.mp4"


def _frame(value, *, height=48, width=64):
    """Grey, with a white left half of the top rows."""
    made = np.full((height, width, 3), value, np.uint8)
    made[: height // 4, : width // 2] = 255
    return made


@pytest.mark.parametrize("ending", [".mp4", ".mkv", ".mov"])
def test_what_is_written_is_read_with_its_times(tmp_path, ending):
    times = [0.0, 0.04, 0.1, 0.5]
    with Recorder(tmp_path / f"a{ending}") as recorder:
        for i, time in enumerate(times):
            recorder.write(_frame(40 * i), time=time)
    shots = list(Video(tmp_path / f"a{ending}"))
    assert [shot.time for shot in shots] == pytest.approx(times, abs=2e-3)
    for i, shot in enumerate(shots):
        image = shot.image(long_side=64)
        assert image.shape == (1, 3, 48, 64)
        assert np.abs(pixels(image).astype(int) - _frame(40 * i)).mean() < 3


def test_frames_are_made_smaller_and_even(tmp_path):
    with Recorder(tmp_path / "a.mp4") as recorder:
        recorder.write(_frame(0), time=0.0)
    (shot,) = Video(tmp_path / "a.mp4")
    assert shot.image(long_side=35).shape == (1, 3, 26, 34)
    assert shot.image(long_side=999).shape == (1, 3, 48, 64)


@pytest.mark.parametrize("turned", [0, 90, 180, -90])
def test_frames_are_turned_upright(tmp_path, turned):
    with Recorder(tmp_path / "a.mp4") as recorder:
        recorder.write(_frame(0), time=0.0)
    (shot,) = Video(tmp_path / "a.mp4")

    class Turned:
        rotation = turned

        def __getattr__(self, name):
            return getattr(shot.frame, name)

    plain = shot.image(long_side=64)
    expected = plain.rot90(turned // 90, (2, 3))
    assert np.array_equal(type(shot)(0.0, Turned()).image(long_side=64), expected)


def test_what_breaks_off_leaves_nothing(tmp_path):
    def stopped():
        with Recorder(tmp_path / "a.mp4") as recorder:
            recorder.write(_frame(0), time=0.0)
            raise KeyError

    with pytest.raises(KeyError):
        stopped()
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(MediaError, match="no frame"), Recorder(tmp_path / "a.mp4"):
        pass
    assert list(tmp_path.iterdir()) == []


def test_what_is_no_video_is_refused(tmp_path):
    (tmp_path / "a.mp4").write_bytes(b"no video" * 99)
    with pytest.raises(MediaError, match=r"a.mp4 cannot be opened: Invalid data"):
        Video(tmp_path / "a.mp4")
    with pytest.raises(MediaError, match="No such file"):
        Video(tmp_path / "b.mp4")
    with pytest.raises(MediaError, match="camera 77 cannot be opened"):
        Video("77")
    with av.open(str(tmp_path / "a.wav"), "w") as sound:
        stream = sound.add_stream("pcm_s16le", rate=8000, layout="mono")
        silence = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), layout="mono")
        silence.rate = 8000
        sound.mux(stream.encode(silence))
    with pytest.raises(MediaError, match="has no pictures"):
        Video(tmp_path / "a.wav")


@pytest.mark.skipif(not CLIP.exists(), reason="needs the shared clip")
def test_a_video_of_a_camera_with_sound_is_read():
    shots = list(islice(Video(CLIP), 30))
    assert [shot.time for shot in shots] == pytest.approx([i / 24 for i in range(30)], abs=1e-3)
    image = shots[-1].image(long_side=320)
    assert image.shape == (1, 3, 180, 320)
    assert image.std() > 0.05
