"""Feature networks by name or file: weights that are bundled, downloaded or the user's own.

Every file is checked against its digest where one is known, on each load, and none is unpickled:
safetensors, or a torchvision state dict read as bare tensors. `zoo.toml` lists the names.
"""

import re
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Literal, cast

from impasto.core.errors import OptionError, WeightsError
from impasto.nets.fetch import Meter, build, cache_folder, check, digest, fetch, recorded

if TYPE_CHECKING:
    from torch import Tensor

    from impasto.nets.vgg import VGG, Pooling

WEIGHTS = Path(__file__).with_name("weights")

MEAN = (0.485, 0.456, 0.406)
DEVIATION = (0.229, 0.224, 0.225)
"""What torchvision's networks expect RGB in [0, 1] to be normalised with."""

_OURS = r"(input|conv\d_\d)\.(weight|bias)|metric\.\w+"
_TORCHVISION = re.compile(r"features\.\d+\.(weight|bias)")
_NUMBER = r"\s*(\d+(?:\.\d+)?)\s*"
_OXFORD = re.compile(rf"RGB\b.*?{_NUMBER}\*\s*x\s*-\s*\({_NUMBER},{_NUMBER},{_NUMBER}\)")


_noted: ContextVar[dict[str, str] | None] = ContextVar("_noted", default=None)


@contextmanager
def noted() -> Iterator[dict[str, str]]:
    """Inside, every network that is loaded enters this: its name or its file's, and its SHA-256.

    For a name it is the digest in `zoo.toml`, as long as it is there.
    """
    found: dict[str, str] = {}
    token = _noted.set(found)
    try:
        yield found
    finally:
        _noted.reset(token)


@dataclass(frozen=True)
class Model:
    """A network that is known by name.

    Attributes:
        name: what `load` takes.
        kind: whether the weights come with the package or from the web.
        role: whether it looks at pictures, makes them from what `petit` saw, paints them anew, or
            says how to move them.
        file: name of the file with the weights.
        sha256: its digest in hexadecimal, or the first characters.
        licence, about, origin: for people.
        pooling: how the network was trained to halve a stage; nothing for a decoder.
        url: where a download comes from.
        size: bytes of the download, None where they are not known.
        stages: convolutions of each stage in a torchvision file.
    """

    name: str
    kind: Literal["bundled", "download"]
    file: str
    sha256: str
    licence: str
    about: str
    origin: str
    role: Literal["network", "decoder", "painter", "optimizer"] = "network"
    pooling: str = ""
    url: str = ""
    size: int | None = None
    stages: tuple[int, ...] = ()

    @property
    def path(self) -> Path:
        """Where the weights in our own layout lie, or will lie."""
        if self.kind == "bundled":
            return WEIGHTS / self.file
        return (cache_folder() / self.file).with_suffix(".safetensors")

    @property
    def status(self) -> Literal["bundled", "cached", "to download"]:
        """Whether the network can be had without the web."""
        if self.kind == "bundled":
            return "bundled"
        here = self.path.is_file() or (cache_folder() / self.file).is_file()
        return "cached" if here else "to download"


@cache
def _table() -> tuple[Model, ...]:
    entries = tomllib.loads(Path(__file__).with_suffix(".toml").read_text(encoding="utf-8"))
    return tuple(
        Model(name=name, **entry | {"stages": tuple(entry.get("stages", ()))})
        for name, entry in entries.items()
    )


def models() -> dict[str, Model]:
    """The networks that are known by name, in the order in which to show them."""
    return {model.name: model for model in _table() if model.role == "network"}


def decoders() -> dict[str, Model]:
    """The decoders that come with the package, by method."""
    return {model.name: model for model in _table() if model.role == "decoder"}


def painters() -> dict[str, Model]:
    """The networks that paint and come with the package, by method."""
    return {model.name: model for model in _table() if model.role == "painter"}


def optimizers() -> dict[str, Model]:
    """The networks that say how to move a picture, and come with the package."""
    return {model.name: model for model in _table() if model.role == "optimizer"}


def load(
    name_or_path: str | Path, *, pooling: "Pooling | None" = None, report: Meter | None = None
) -> "VGG":
    """A network with its weights, frozen and ready to look at pictures.

    A name is looked up first; a file of the same name is meant by `./name`. A file is one of

    - `.safetensors` with `convX_Y.weight` and `.bias`, perhaps `metric.reluX_Y`, and the map from
      RGB in [0, 1] to what the first convolution expects: either as `input.weight` (3, 3, 1, 1)
      and `input.bias` (3,), or in words as metadata, `input` = "RGB, 255*x - (r, g, b)" with the
      network's own numbers. The metadata `pooling` may be "max", the default, "average" or "both".
    - `.pth` or `.pt`, a state dict in torchvision's layout of VGG-16 or VGG-19. Its pictures are
      taken to be normalised as torchvision's are; for others write a safetensors file.

    A file is checked if its digest is known: by `NAME.sha256` beside it, or because it bears the
    name of a known download.

    Args:
        name_or_path: a key of `models()` or a file.
        pooling: "max" or "average"; None is what the network was trained with. One that was
            trained with both has no choice.
        report: is told of a download's progress, as of `fetch`.

    Raises:
        OptionError: no such name or file, or no such pooling.
        WeightsError: the weights are missing, damaged or not of VGG's shape, or the download fails;
            the sentence says which file to put where.
    """
    if pooling is not None:
        _pooling(pooling)  # Before anything is downloaded.
    model = models().get(str(name_or_path))
    path = _of_model(model, report) if model else _of_user(name_or_path)
    state, metadata = _read(path)
    trained = _pooling(model.pooling if model else metadata.get("pooling", "max"))
    if trained == "both" and pooling not in (None, "both"):
        raise OptionError(f"pooling of {name_or_path} is both and cannot be chosen")
    return _build(state, path, pooling or trained)


def load_decoder(name: str) -> "dict[str, Tensor]":
    """The weights of a network that works on what the bundled `petit` sees.

    Args:
        name: a key of `decoders()` or `optimizers()`.

    Raises:
        WeightsError: there is none, it is missing or damaged, or it was trained for another `petit`
            than the one that is bundled.
    """
    import json

    model = (decoders() | optimizers()).get(name)
    if model is None:
        raise WeightsError(f"no decoder for {name} comes with this version of impasto")
    path = _of_model(model)
    state, metadata = tensors(path)
    if json.loads(metadata.get("eyes", '""')) != models()["petit"].sha256:
        raise WeightsError(f"{path} was trained for another version of petit; train it again")
    return state


def load_painter(name: str) -> "tuple[dict[str, Tensor], dict[str, str]]":
    """The weights of a network that paints and comes with the package, and its metadata.

    Args:
        name: a key of `painters()`.

    Raises:
        WeightsError: there is none, or it is missing or damaged.
    """
    model = painters().get(name)
    if model is None:
        raise WeightsError(f"no network for {name} comes with this version of impasto")
    return tensors(_of_model(model))


def fingerprint(name_or_path: str | Path) -> str:
    """SHA-256 of the file with the weights of a network that can be had without the web.

    Raises:
        WeightsError: the file cannot be read.
    """
    model = models().get(str(name_or_path))
    return digest(model.path if model else Path(name_or_path).expanduser())


def changed(networks: Mapping[str, str]) -> list[str]:
    """Those of the networks that `noted` found whose names mean others today; files are not judged.

    Args:
        networks: name to SHA-256.
    """
    today = {model.name: model.sha256 for model in _table()}
    return [name for name, known in networks.items() if today.get(name, known) != known]


def _pooling(name: str) -> "Pooling":
    from impasto.nets.vgg import POOLINGS

    if name not in POOLINGS:
        raise OptionError(f"pooling must be one of {', '.join(sorted(POOLINGS))}; got {name!r}")
    return cast("Pooling", name)


def _of_model(model: Model, report: Meter | None = None) -> Path:
    path = model.path
    note({model.name: model.sha256})
    if model.kind == "download":
        return build(path, lambda part: _convert(model, part, report))
    if not path.is_file():
        raise WeightsError(f"{path} is missing; install impasto again")
    check(path, sha256=model.sha256, remedy="install impasto again")
    return path


def _convert(model: Model, part: Path, report: Meter | None) -> None:
    """Write our safetensors file from torchvision's, which is downloaded if it is not there.

    A download is deleted afterwards, since most of it is the classifier; a file that was put there
    by hand is left alone.
    """
    from safetensors.torch import save

    source = cache_folder() / model.file
    by_hand = source.exists()
    fetch(model.url, source, sha256=model.sha256, report=report)
    part.write_bytes(save(_torchvision(source), {"pooling": model.pooling}))
    if not by_hand:
        source.unlink()


def _of_user(name_or_path: str | Path) -> Path:
    path = Path(name_or_path).expanduser()
    if not path.is_file():
        names = ", ".join(sorted(models()))
        raise OptionError(f"network must be one of {names} or a file; got {str(name_or_path)!r}")
    downloads = {model.file: model.sha256 for model in _table() if model.kind == "download"}
    expected = downloads.get(path.name) or recorded(path)
    if expected:
        check(path, sha256=expected, remedy="get the file again")
    if _noted.get() is not None:
        note({path.name: digest(path)})
    return path


def note(networks: Mapping[str, str]) -> None:
    """Let what is `noted` know of networks that were loaded before."""
    found = _noted.get()
    if found is not None:
        found.update(networks)


def _read(path: Path) -> "tuple[dict[str, Tensor], dict[str, str]]":
    match path.suffix.lower():
        case ".safetensors":
            return _safetensors(path)
        case ".pth" | ".pt":
            return _torchvision(path), {}
    raise WeightsError(f"{path} is no network: it must end in .safetensors, .pth or .pt")


def tensors(path: Path, *, named: str = ".*") -> "tuple[dict[str, Tensor], dict[str, str]]":
    """Those tensors of a safetensors file whose names match in full, and its metadata.

    Raises:
        WeightsError: the file cannot be read.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, "pt") as file:
            keys = [key for key in file.keys() if re.fullmatch(named, key)]  # noqa: SIM118
            return {key: file.get_tensor(key) for key in keys}, file.metadata() or {}
    except (SafetensorError, OSError) as error:
        raise WeightsError(f"{path} cannot be read as safetensors: {error}") from error


def _safetensors(path: Path) -> "tuple[dict[str, Tensor], dict[str, str]]":
    state, metadata = tensors(path, named=_OURS)
    if "input.weight" not in state:
        state |= _input_map(path, metadata)
    return state, metadata


def _input_map(path: Path, metadata: dict[str, str]) -> "dict[str, Tensor]":
    import torch

    words = _OXFORD.search(metadata.get("input", ""))
    if words is None:
        raise WeightsError(
            f"{path} does not say what pictures its network expects: it must hold input.weight and "
            'input.bias, or the metadata input = "RGB, 255*x - (123.68, 116.779, 103.939)"'
        )
    scale, *mean = map(float, words.groups())
    return {"input.weight": _diagonal(torch.full((3,), scale)), "input.bias": -torch.tensor(mean)}


def _diagonal(scale: "Tensor") -> "Tensor":
    return scale.diag().view(3, 3, 1, 1)


def pickled(path: Path) -> "dict[str, Tensor]":
    """The tensors of a state dict that torch wrote; nothing else in it is ever run.

    Raises:
        WeightsError: the file cannot be read.
    """
    import torch

    try:
        saved = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # A damaged pickle can fail with any type.
        raise WeightsError(
            f"{path} cannot be read as a state dict of bare tensors; it is damaged or another file"
        ) from error
    saved = saved if isinstance(saved, dict) else {}
    return {str(key): value for key, value in saved.items() if isinstance(value, torch.Tensor)}


def _torchvision(path: Path) -> "dict[str, Tensor]":
    """The convolutions of a torchvision state dict under our names, weights rounded to fp16."""
    import torch

    saved = pickled(path)
    found = {key for key in saved if _TORCHVISION.fullmatch(key)}
    layouts = [_layout(model.stages) for model in _table() if model.stages]
    layout = next((layout for layout in layouts if layout.keys() == found), None)
    if layout is None:
        names = " or ".join(model.name for model in _table() if model.stages)
        raise WeightsError(f"{path} does not hold the layers of torchvision's {names}")
    mean, deviation = torch.tensor(MEAN), torch.tensor(DEVIATION)
    state = {"input.weight": _diagonal(1 / deviation), "input.bias": -mean / deviation}
    for theirs, ours in layout.items():
        state[ours] = saved[theirs].half() if ours.endswith("weight") else saved[theirs].float()
    return state


def _layout(stages: tuple[int, ...]) -> dict[str, str]:
    """Torchvision's keys to ours: ReLUs and poolings are counted there as well."""
    keys: dict[str, str] = {}
    index = 0
    for stage, count in enumerate(stages, 1):
        for position in range(1, count + 1):
            for part in ("weight", "bias"):
                keys[f"features.{index}.{part}"] = f"conv{stage}_{position}.{part}"
            index += 2
        index += 1
    return keys


def _build(state: "dict[str, Tensor]", path: Path, pooling: "Pooling") -> "VGG":
    from impasto.nets.vgg import VGG

    for key, value in state.items():
        if key.endswith(".weight") and key.replace(".weight", ".bias") not in state:
            raise WeightsError(f"{path} has {key} without its bias")
        if not value.isfinite().all():
            raise WeightsError(f"{path} holds numbers in {key} that are not finite")
    try:
        network = VGG(state, pooling=pooling)
    except (WeightsError, RuntimeError) as error:
        sentence = " ".join(str(error).split())
        raise WeightsError(f"{path} is not of VGG's shape: {sentence}") from error
    return network.eval().requires_grad_(False)
