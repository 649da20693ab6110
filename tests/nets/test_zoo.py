"""Weights by name or file: conversion against plain torch, downloads from a loopback server."""

import errno
import hashlib
import io
import pickle
import re
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.nn import functional as F

from impasto.cli.terminal import bar
from impasto.core.errors import OptionError, WeightsError
from impasto.nets import fetch as fetching
from impasto.nets import zoo
from impasto.nets.fetch import digest, fetch
from impasto.nets.zoo import load, models

TEACHER = Path(__file__).parents[3] / "shared" / "teacher"
NORMALISED = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
# Where torchvision's `features` has its convolutions, read off its printed networks.
VGG19 = {
    1: (0, 2),
    2: (5, 7),
    3: (10, 12, 14, 16),
    4: (19, 21, 23, 25),
    5: (28, 30, 32, 34),
}
VGG16 = {1: (0, 2), 2: (5, 7), 3: (10, 12, 14), 4: (17, 19, 21), 5: (24, 26, 28)}


# --- a web that can go wrong ---------------------------------------------------------------------


@dataclass
class Web:
    """A loopback server for one file, and what it was asked."""

    content: bytes = b""
    status: int = 200
    cuts: list[int] = field(default_factory=list)  # bytes after which to hang up, per request
    ranges: bool = True
    delay: float = 0.0
    asked: list[str | None] = field(default_factory=list)
    url: str = ""

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        wanted = request.headers["Range"]
        self.asked.append(wanted)
        time.sleep(self.delay)
        start = int(wanted.removeprefix("bytes=").removesuffix("-")) if wanted else 0
        start = start if self.ranges else 0
        status = self.status if self.status != 200 else (206 if start else 200)
        if start >= len(self.content) and self.content:
            status = 416
        body = self.content[start:] if status < 400 else b"sorry"
        request.send_response(status)
        request.send_header("Content-Length", str(len(body)))
        request.end_headers()
        request.wfile.write(body[: self.cuts.pop(0)] if self.cuts else body)
        request.close_connection = True


@pytest.fixture
def web(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr(fetching, "PAUSES", (0.0, 0.0, 0.0))
    web = Web(content=bytes(range(256)) * 3000)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            web.answer(self)

        def log_message(self, format, *args):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    web.url = f"http://127.0.0.1:{server.server_port}/weights.pth"
    yield web
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture(autouse=True)
def cache(monkeypatch, tmp_path) -> Path:
    folder = tmp_path / "cache"
    monkeypatch.setenv("IMPASTO_CACHE", str(folder))
    return folder


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def left(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.suffix != ".lock")


# --- networks small enough for a test ------------------------------------------------------------


def torchvision_state(stages: dict[int, tuple[int, ...]], width: int = 4) -> dict[str, Tensor]:
    """Random weights that half precision holds exactly, of a torchvision network's layers."""
    generator = torch.Generator().manual_seed(1)
    state: dict[str, Tensor] = {}
    channels = 3
    for index in sum(stages.values(), ()):
        weight = torch.randn((width, channels, 3, 3), generator=generator) * 0.4
        state[f"features.{index}.weight"] = weight.half().float()
        state[f"features.{index}.bias"] = torch.randn(width, generator=generator) * 0.1
        channels = width
    return state | {"classifier.0.weight": torch.ones(2, width), "classifier.0.bias": torch.ones(2)}


def saved(state: object) -> bytes:
    file = io.BytesIO()
    torch.save(state, file)
    return file.getvalue()


def by_hand(x: Tensor, convolutions: dict[str, tuple[Tensor, Tensor]]) -> dict[str, Tensor]:
    """ReLU outputs of padded convolutions with reflected borders and max-pooling between stages."""
    found: dict[str, Tensor] = {}
    for name, (weight, bias) in convolutions.items():
        if name.endswith("_1") and name != "conv1_1":
            x = F.max_pool2d(x, 2)
        x = F.relu(F.conv2d(F.pad(x, (1, 1, 1, 1), mode="reflect"), weight.to(x), bias))
        found[name.replace("conv", "relu")] = x
    return found


def picture(size: int = 48) -> Tensor:
    return torch.rand((1, 3, size, size), generator=torch.Generator().manual_seed(2))


IDENTITY = {"input.weight": torch.eye(3).view(3, 3, 1, 1), "input.bias": torch.zeros(3)}


def ours(
    path: Path, tensors: dict[str, Tensor] = IDENTITY, *, metadata: dict[str, str] | None = None
) -> Path:
    """A file with one convolution of our layout, and these tensors."""
    generator = torch.Generator().manual_seed(3)
    state = {
        "conv1_1.weight": torch.randn((2, 3, 3, 3), generator=generator).half(),
        "conv1_1.bias": torch.randn(2, generator=generator),
    }
    save_file(state | tensors, path, metadata)
    return path


@pytest.fixture
def vgg19(monkeypatch, web) -> Web:
    """The web serves a narrow VGG-19, and the table says so."""
    web.content = saved(torchvision_state(VGG19))
    model = replace(
        models()["vgg19"], url=web.url, sha256=sha256(web.content)[:8], file="narrow.pth"
    )
    monkeypatch.setattr(zoo, "_table", lambda: (model,))
    return web


def assert_is_narrow_vgg19(network) -> None:
    """In double precision, so that only a wrong network differs, not a rounding of its depth."""
    x = picture().double()
    state = {key: value.double() for key, value in torchvision_state(VGG19).items()}
    mean, deviation = (torch.tensor(each).double().view(1, 3, 1, 1) for each in NORMALISED)
    convolutions = {
        f"conv{stage}_{i}": (state[f"features.{index}.weight"], state[f"features.{index}.bias"])
        for stage, indices in VGG19.items()
        for i, index in enumerate(indices, 1)
    }
    expected = by_hand((x - mean) / deviation, convolutions)
    assert_agree(network.double()(x, network.layers), expected)


def assert_agree(found: dict[str, Tensor], expected: dict[str, Tensor]) -> None:
    assert list(found) == list(expected)
    for layer, value in expected.items():
        torch.testing.assert_close(found[layer], value, rtol=0, atol=1e-5 * float(value.max()))


# --- the table -----------------------------------------------------------------------------------


def test_the_table_is_complete_and_its_digests_begin_as_torchvision_names_its_files():
    table = models()
    assert set(table) == {"petit", "vgg16", "vgg19"}
    assert table["petit"].kind == "bundled"
    assert table["petit"].pooling == "both"
    for name in ("vgg16", "vgg19"):
        model = table[name]
        assert model.url.endswith("/" + model.file)
        assert model.sha256.startswith(model.file.removesuffix(".pth").split("-")[1])
    for model in table.values():
        assert re.fullmatch(r"[0-9a-f]{8,64}", model.sha256)
        assert model.licence
        assert model.about
        assert model.origin


def test_the_bundled_file_has_the_digest_of_the_table():
    petit = models()["petit"]
    if not petit.path.is_file():
        pytest.skip("weights/petit.safetensors has not been trained yet")
    assert digest(petit.path) == petit.sha256


def test_status_follows_the_cache(cache, vgg19):
    assert models()["vgg19"].status == "to download"
    load("vgg19")
    assert models()["vgg19"].status == "cached"


def test_the_table_is_read_without_torch():
    code = (
        "import sys; from impasto.nets.zoo import models; models();sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


# --- names, files, refusals ----------------------------------------------------------------------


def test_unknown_name():
    with pytest.raises(OptionError) as refusal:
        load("vgg18")
    assert str(refusal.value) == (
        "network must be one of petit, vgg16, vgg19 or a file; got 'vgg18'"
    )


def test_an_unknown_pooling_is_refused_before_anything_is_downloaded(tmp_path, vgg19):
    with pytest.raises(
        OptionError, match="pooling must be one of average, both, max; got 'median'"
    ):
        load("vgg19", pooling="median")  # type: ignore[arg-type]
    assert vgg19.asked == []
    path = ours(tmp_path / "a.safetensors", metadata={"pooling": "median"})
    with pytest.raises(OptionError, match="got 'median'"):
        load(path)


def test_a_network_that_needs_both_poolings_has_no_choice(tmp_path):
    assert load("petit", pooling="both").pooling == "both"
    with pytest.raises(OptionError, match="pooling of petit is both and cannot be chosen"):
        load("petit", pooling="max")


def test_pooling_comes_from_the_argument_then_the_metadata_then_is_max(tmp_path):
    plain = ours(tmp_path / "a.safetensors")
    average = ours(tmp_path / "b.safetensors", metadata={"pooling": "average"})
    assert load(plain).pooling == "max"
    assert load(average).pooling == "average"
    assert load(average, pooling="max").pooling == "max"


def test_networks_are_frozen(tmp_path):
    network = load(ours(tmp_path / "a.safetensors"))
    assert not any(parameter.requires_grad for parameter in network.parameters())


def test_metrics_are_kept_and_other_tensors_ignored(tmp_path):
    matrix = torch.arange(4.0).view(2, 2)
    extra = {"metric.relu1_1": matrix, "conv1_1.channel_scale": torch.ones(2)}
    network = load(ours(tmp_path / "a.safetensors", IDENTITY | extra))
    torch.testing.assert_close(network.metric("relu1_1"), matrix)
    assert network.layers == ("relu1_1",)


def test_the_input_map_is_read_from_the_metadata(tmp_path):
    words = {"input": "RGB, x in [0,1] -> 127.5 * x - (10, 20.5, 30)"}
    path = ours(tmp_path / "a.safetensors", {}, metadata=words)
    state, x = load_file(path), picture(16)
    seen = 127.5 * x - torch.tensor([10, 20.5, 30]).view(1, 3, 1, 1)
    expected = by_hand(seen, {"conv1_1": (state["conv1_1.weight"], state["conv1_1.bias"])})
    assert_agree(load(path)(x, ["relu1_1"]), expected)


@pytest.mark.parametrize("words", [None, {"input": "BGR, 255*x - (104, 117, 124)"}, {"input": "?"}])
def test_an_unknown_input_map_is_refused(tmp_path, words):
    with pytest.raises(WeightsError, match=r"a\.safetensors does not say what pictures"):
        load(ours(tmp_path / "a.safetensors", {}, metadata=words))


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("conv1_2.weight", torch.ones(2, 2, 3, 3), "conv1_2.weight without its bias"),
        ("input.bias", torch.full((3,), torch.nan), "input.bias that are not finite"),
        ("conv1_1.weight", torch.ones(2, 2, 3, 3), "must be (O, 3, 3, 3)"),
        ("conv1_1.bias", torch.ones(5), "conv1_1.bias must be (2,)"),
    ],
)
def test_misshapen_weights_are_refused_in_one_line(tmp_path, key, value, words):
    path = ours(tmp_path / "a.safetensors", IDENTITY | {key: value})
    with pytest.raises(WeightsError, match=re.escape(words)) as refusal:
        load(path)
    assert str(path) in str(refusal.value)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize("name", ["a.safetensors", "a.pth", "a.txt"])
def test_a_file_of_words_is_refused(tmp_path, name):
    path = tmp_path / name
    path.write_text("no network at all")
    with pytest.raises(WeightsError, match=re.escape(name)):
        load(path)


def test_a_pickle_runs_no_code(tmp_path):
    class Trap:
        def __reduce__(self):
            return (Path.touch, (tmp_path / "sprung",))

    (tmp_path / "raw.pth").write_bytes(pickle.dumps(Trap()))
    (tmp_path / "zip.pth").write_bytes(saved(Trap()))
    for name in ("raw.pth", "zip.pth"):
        with pytest.raises(WeightsError, match="bare tensors"):
            load(tmp_path / name)
    assert not (tmp_path / "sprung").exists()


def test_a_recorded_digest_beside_a_file_is_checked(tmp_path):
    path = ours(tmp_path / "a.safetensors")
    record = tmp_path / "a.safetensors.sha256"
    record.write_text(f"{digest(path)}  a.safetensors\n")
    load(path)
    flip_last_byte(path)
    with pytest.raises(WeightsError, match=r"a\.safetensors is damaged or another file"):
        load(path)


def test_a_file_that_bears_the_name_of_a_download_must_be_it(tmp_path):
    path = tmp_path / "vgg19-dcbb9e9d.pth"
    path.write_bytes(saved(torchvision_state(VGG19)))
    with pytest.raises(WeightsError, match="not with dcbb9e9d"):
        load(path)


def flip_last_byte(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)


def test_a_bundled_file_is_checked_on_every_load(monkeypatch, tmp_path):
    path = ours(tmp_path / "petit.safetensors")
    petit = replace(models()["petit"], sha256=digest(path), pooling="average")
    monkeypatch.setattr(zoo, "WEIGHTS", tmp_path)
    monkeypatch.setattr(zoo, "_table", lambda: (petit,))
    assert load("petit").pooling == "average"
    flip_last_byte(path)
    with pytest.raises(
        WeightsError, match=r"petit\.safetensors is damaged .* install impasto again"
    ):
        load("petit")
    path.unlink()
    with pytest.raises(WeightsError, match=r"petit\.safetensors is missing; install impasto again"):
        load("petit")


# --- conversion ----------------------------------------------------------------------------------


@pytest.mark.parametrize("zipped", [True, False])  # torchvision's own files are the older kind
def test_a_torchvision_file_is_normalisation_and_its_convolutions(tmp_path, zipped):
    path = tmp_path / "mine.pth"
    torch.save(torchvision_state(VGG19), path, _use_new_zipfile_serialization=zipped)
    assert_is_narrow_vgg19(load(path))


def test_vgg16_is_known_by_its_keys(tmp_path):
    state = torchvision_state(VGG16)
    path = tmp_path / "mine.pt"
    path.write_bytes(saved(state))
    network = load(path)
    assert network.layers == tuple(
        f"relu{stage}_{i}" for stage, indices in VGG16.items() for i in range(1, len(indices) + 1)
    )
    held = network.state_dict()
    assert torch.equal(held["conv4_2.weight"], state["features.19.weight"])
    assert torch.equal(held["conv5_3.bias"], state["features.28.bias"])


def test_other_state_dicts_are_refused(tmp_path):
    state = torchvision_state(VGG19)
    normalised = state | {"features.1.weight": torch.ones(4), "features.1.bias": torch.ones(4)}
    for index, other in enumerate([normalised, {"epoch": 3}, torch.ones(3), {1: torch.ones(1)}]):
        path = tmp_path / f"{index}.pth"
        path.write_bytes(saved(other))
        with pytest.raises(
            WeightsError, match="does not hold the layers of torchvision's vgg19 or"
        ):
            load(path)


@pytest.mark.skipif(not TEACHER.is_dir(), reason="needs ../shared/teacher")
def test_the_original_network_sees_pixels_less_their_mean():
    path = TEACHER / "vgg19_conv1_1_to_conv4_1.safetensors"
    state, x = load_file(path), picture(32)
    names = sorted({key.split(".")[0] for key in state})
    seen = 255 * x - torch.tensor([123.68, 116.779, 103.939]).view(1, 3, 1, 1)
    expected = by_hand(seen, {n: (state[f"{n}.weight"], state[f"{n}.bias"]) for n in names})
    assert len(expected) == 9
    assert_agree(load(path)(x, expected), expected)


@pytest.mark.skipif(not TEACHER.is_dir(), reason="needs ../shared/teacher")
def test_the_distilled_network_brings_its_input_map():
    path = TEACHER / "vgg19_distilled16x.safetensors"
    state, x = load_file(path), picture(32)
    names = sorted(
        key.removesuffix(".bias") for key in state if re.fullmatch(r"conv\d_\d.bias", key)
    )
    seen = F.conv2d(x, state["input.weight"], state["input.bias"])
    expected = by_hand(seen, {n: (state[f"{n}.weight"], state[f"{n}.bias"]) for n in names})
    assert list(expected)[-1] == "relu5_1"
    assert_agree(load(path)(x, expected), expected)


# --- downloads -----------------------------------------------------------------------------------


def test_a_download_arrives_whole_and_says_how_far_it_is(web, tmp_path):
    told: list[tuple[int, int | None]] = []
    path = fetch(
        web.url,
        tmp_path / "new" / "w.pth",
        sha256=sha256(web.content),
        report=lambda done, total: told.append((done, total)),
    )
    assert path.read_bytes() == web.content
    assert left(path.parent) == ["w.pth"]
    assert [done for done, _ in told] == sorted({done for done, _ in told})
    assert told[-1] == (len(web.content), len(web.content))
    assert {total for _, total in told} == {len(web.content)}


def test_a_file_that_is_there_is_checked_and_not_asked_for(web, tmp_path):
    path = tmp_path / "w.pth"
    path.write_bytes(b"mine")
    assert fetch(web.url, path, sha256=sha256(b"mine")[:8]) == path
    with pytest.raises(WeightsError, match="remove it to download it again"):
        fetch(web.url, path, sha256=sha256(web.content))
    assert path.read_bytes() == b"mine"
    assert web.asked == []


def test_a_cut_download_is_taken_up_where_it_was_cut(web, tmp_path):
    web.cuts = [300_000, 200_000]
    path = fetch(web.url, tmp_path / "w.pth", sha256=sha256(web.content))
    assert path.read_bytes() == web.content
    assert web.asked == [None, "bytes=300000-", "bytes=500000-"]


def test_a_later_call_takes_up_what_an_earlier_one_left(web, tmp_path):
    web.cuts = [1000, 1000, 1000, 1000]
    path, good = tmp_path / "w.pth", sha256(web.content)
    with pytest.raises(WeightsError) as refusal:
        fetch(web.url, path, sha256=good)
    assert f"put w.pth from {web.url} into {tmp_path}" in str(refusal.value)
    assert len(web.asked) == 4
    assert left(tmp_path) == ["w.pth.part"]
    told: list[tuple[int, int | None]] = []
    fetch(web.url, path, sha256=good, report=lambda done, total: told.append((done, total)))
    assert path.read_bytes() == web.content
    assert web.asked[4] == "bytes=4000-"
    assert {total for _, total in told} == {len(web.content)}


def test_a_server_that_ignores_ranges_is_read_from_the_beginning(web, tmp_path):
    web.cuts, web.ranges = [300_000], False
    path = fetch(web.url, tmp_path / "w.pth", sha256=sha256(web.content))
    assert path.read_bytes() == web.content
    assert web.asked == [None, "bytes=300000-"]


def test_a_part_that_is_whole_is_used(web, tmp_path):
    (tmp_path / "w.pth.part").write_bytes(web.content)
    path = fetch(web.url, tmp_path / "w.pth", sha256=sha256(web.content))
    assert path.read_bytes() == web.content
    assert left(tmp_path) == ["w.pth"]


@pytest.mark.parametrize(
    ("status", "words"), [(404, "404 Not Found"), (500, "500 Internal Server")]
)
def test_a_refusal_of_the_server_is_said(web, tmp_path, status, words):
    web.status = status
    with pytest.raises(WeightsError, match=words) as refusal:
        fetch(web.url, tmp_path / "w.pth", sha256="0" * 64)
    assert f"put w.pth from {web.url} into {tmp_path}" in str(refusal.value)
    assert len(web.asked) == 1
    assert left(tmp_path) == []


def test_a_wrong_digest_leaves_nothing(web, tmp_path):
    with pytest.raises(WeightsError, match="not with 00000000"):
        fetch(web.url, tmp_path / "w.pth", sha256="0" * 64)
    assert left(tmp_path) == []


def full_disk(part: Path) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("needs /dev/full")
    part.parent.mkdir(exist_ok=True)
    part.symlink_to("/dev/full")


def test_a_full_disk_is_said_and_not_kept_full(web, tmp_path):
    full_disk(tmp_path / "w.pth.part")
    with pytest.raises(
        WeightsError, match=r"w\.pth \(No space left on device\).*IMPASTO_CACHE"
    ) as e:
        fetch(web.url, tmp_path / "w.pth", sha256=sha256(web.content))
    assert isinstance(e.value.__cause__, OSError)
    assert e.value.__cause__.errno == errno.ENOSPC
    assert left(tmp_path) == []


def test_a_disk_that_fills_during_conversion_keeps_the_source(cache, vgg19):
    full_disk(cache / "narrow.safetensors.part")
    with pytest.raises(WeightsError, match="No space left on device"):
        load("vgg19")
    assert left(cache) == ["narrow.pth"]
    assert_is_narrow_vgg19(load("vgg19"))


def test_two_processes_download_once(web, tmp_path):
    web.delay = 0.3
    code = (
        "import sys; from pathlib import Path; from impasto.nets.fetch import fetch;"
        "print(fetch(sys.argv[1], Path(sys.argv[2]), sha256=sys.argv[3]).stat().st_size)"
    )
    command = [sys.executable, "-c", code, web.url, str(tmp_path / "w.pth"), sha256(web.content)]
    runs = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    said = [run.communicate(timeout=30)[0].strip() for run in runs]
    assert said == [str(len(web.content))] * 2
    assert web.asked == [None]


# --- the cache -----------------------------------------------------------------------------------


def test_the_first_use_downloads_and_converts_and_the_second_does_neither(cache, vgg19):
    network = load("vgg19")
    assert network.pooling == "max"
    assert_is_narrow_vgg19(network)
    assert left(cache) == ["narrow.safetensors", "narrow.safetensors.sha256"]
    vgg19.status = 500
    assert_is_narrow_vgg19(load("vgg19"))
    assert vgg19.asked == [None]


def test_a_download_is_seen_where_the_work_is_seen(vgg19, web, capsys):
    with bar(quiet=False):
        load("vgg19")
    assert re.search(r"^100%  download 0 of 0 MB", capsys.readouterr().err, re.MULTILINE)
    zoo.cache_folder().joinpath("narrow.safetensors").unlink()
    with bar(quiet=True):
        load("vgg19")
    assert capsys.readouterr().err == ""


def test_weights_are_kept_in_half_precision(cache, vgg19):
    load("vgg19")
    kinds = {
        key.split(".")[1]: value.dtype
        for key, value in load_file(cache / "narrow.safetensors").items()
        if key.startswith("conv")
    }
    assert kinds == {"weight": torch.float16, "bias": torch.float32}


def test_threads_at_once_download_once(vgg19):
    vgg19.delay = 0.2
    with ThreadPoolExecutor(3) as pool:
        networks = list(pool.map(load, ["vgg19"] * 3))
    assert vgg19.asked == [None]
    assert_is_narrow_vgg19(networks[2])


def test_a_flipped_byte_in_the_cache_is_made_good(cache, vgg19):
    load("vgg19")
    flip_last_byte(cache / "narrow.safetensors")
    assert_is_narrow_vgg19(load("vgg19"))
    assert len(vgg19.asked) == 2


def test_a_flipped_byte_in_the_cache_is_never_used(cache, vgg19):
    load("vgg19")
    flip_last_byte(cache / "narrow.safetensors")
    vgg19.status = 500
    with pytest.raises(WeightsError, match="500 Internal Server Error"):
        load("vgg19")


def test_a_file_put_there_by_hand_is_used_without_the_web_and_left_alone(cache, vgg19):
    cache.mkdir()
    (cache / "narrow.pth").write_bytes(vgg19.content)
    assert models()["vgg19"].status == "cached"
    assert_is_narrow_vgg19(load("vgg19"))
    assert vgg19.asked == []
    assert "narrow.pth" in left(cache)
    flip_last_byte(cache / "narrow.safetensors")
    assert_is_narrow_vgg19(load("vgg19"))
    assert vgg19.asked == []


def test_another_file_put_there_by_hand_is_refused_and_left_alone(cache, vgg19):
    cache.mkdir()
    (cache / "narrow.pth").write_bytes(saved(torchvision_state(VGG16)))
    with pytest.raises(WeightsError, match=r"narrow\.pth is damaged or another file"):
        load("vgg19")
    assert left(cache) == ["narrow.pth"]


def test_offline_the_sentence_says_at_once_which_file_to_put_where(monkeypatch, cache, vgg19):
    monkeypatch.setattr(fetching, "PAUSES", (-1.0,))  # Waiting would raise a ValueError.
    with socket.socket() as deaf:  # It has a port and does not listen.
        deaf.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{deaf.getsockname()[1]}/narrow.pth"
        model = replace(models()["vgg19"], url=url)
        monkeypatch.setattr(zoo, "_table", lambda: (model,))
        with pytest.raises(WeightsError) as refusal:
            load("vgg19")
    assert f"put narrow.pth from {url} into {cache}" in str(refusal.value)
    assert "\n" not in str(refusal.value)
    assert left(cache) == []


def test_a_cache_that_cannot_be_made_is_said(monkeypatch, tmp_path, vgg19):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("IMPASTO_CACHE", str(tmp_path / "file"))
    with pytest.raises(WeightsError, match="IMPASTO_CACHE"):
        load("vgg19")
