"""What is shipped keeps to its size."""

import io
import zipfile
from pathlib import Path

import impasto
from impasto.nets.zoo import decoders, models, painters

PACKAGE = Path(impasto.__file__).parent


def test_a_wheel_is_no_larger_than_5_mb():
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as wheel:
        for path in sorted(PACKAGE.rglob("*")):
            if path.is_file() and "__pycache__" not in path.parts:
                wheel.write(path, path.relative_to(PACKAGE))
    assert packed.tell() < 5_000_000


def test_weights_keep_to_their_sizes():
    def size(*paths: Path) -> int:
        return sum(path.stat().st_size for path in paths)

    assert size(models()["petit"].path) <= 2_000_000
    assert size(*(model.path for model in decoders().values())) <= 4_000_000
    known = painters()
    assert size(known["multistyle"].path) <= 3_000_000
    assert size(known["upscaler"].path) <= 1_000_000
