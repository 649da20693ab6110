"""Engines that run a network which paints: torch, ONNX Runtime and OpenVINO behind one call.

`engine(image, row)` is what `network(image, row)` is. OpenVINO and ONNX Runtime read the graph that
`impasto.nets.export` writes, which is kept in the cache folder. Which engine is the quickest
depends on the processor, so it is tried out once on each machine. What was started is kept, so that
a network is started again at once.
"""

import copy
import hashlib
import json
import platform
import time
from collections import OrderedDict
from collections.abc import Sequence
from functools import lru_cache
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor

from impasto.core.errors import OptionError
from impasto.core.tensors import Image
from impasto.nets.export import export, need
from impasto.nets.fetch import build, cache_folder
from impasto.nets.quantize import quantize
from impasto.nets.transformer import Transformer
from impasto.nets.vgg import bfloat16_is_fast

NEEDS = {
    "torch": (),
    "onnxruntime": ("onnxruntime", "onnx", "onnxscript"),
    "openvino": ("openvino", "onnx", "onnxscript"),
}
"""Engines, and the packages of each."""
PRECISIONS = {
    "torch": ("float32", "bfloat16"),
    "onnxruntime": ("float32", "int8"),
    "openvino": ("float32", "bfloat16", "int8"),
}
"""What each engine can calculate with."""
TRIED = (256, 256)
"""Size of the pictures on which engines are compared."""
RUNS = 5
SHAPES = 3
"""Sizes for which OpenVINO keeps a compiled model."""
STARTED = 4
"""Engines that read a graph and are kept."""


@runtime_checkable
class Engine(Protocol):
    """A network on an engine.

    Attributes:
        kind: a key of `NEEDS`.
        precision: one of `PRECISIONS`.
        multiple: sides of what it takes are multiples of it.
    """

    kind: str
    precision: str
    multiple: int

    def __call__(self, image: Image, row: Tensor) -> Tensor:
        """The painted picture (1, 3, H, W), sRGB, not clamped.

        Args:
            image: (1, 3, H, W), sRGB in [0, 1]; its sides are multiples of the network's.
            row: (1, R).
        """
        ...


def installed() -> tuple[str, ...]:
    """The engines whose packages are here; torch always is."""
    return tuple(kind for kind, needs in NEEDS.items() if all(map(find_spec, needs)))


def start(network: Transformer, *, kind: str = "auto", precision: str = "auto") -> Engine:
    """A network on an engine; `network` itself stays as it is.

    Args:
        network: in float32; one that is not on the processor is always run by torch.
        kind: "auto", "torch", "onnxruntime" or "openvino"; auto is the quickest that is installed.
        precision: "auto", "float32", "bfloat16" or "int8", which is float32 but for the deepest
            maps; auto is bfloat16 where the device is quick at it and the engine has it.

    Raises:
        OptionError: there is no such engine, or it cannot calculate like this.
        ExtraError: a package of the engine is missing.
    """
    device = network.rows.device
    pairs = _candidates(kind, precision, fast=bfloat16_is_fast(device))
    if device.type != "cpu":
        pairs = [pair for pair in pairs if pair[0] == "torch"] or _candidates(
            "torch", precision, fast=bfloat16_is_fast(device)
        )
    if len(pairs) > 1:
        pairs = [_quickest(network, pairs)]
    return _started(network, *pairs[0])


def _candidates(kind: str, precision: str, *, fast: bool) -> list[tuple[str, str]]:
    """Every engine that is meant, with what it is to calculate with."""
    if kind not in ("auto", *NEEDS):
        raise OptionError(f"engine must be one of auto, {', '.join(NEEDS)}; got {kind!r}")
    known = dict.fromkeys(name for names in PRECISIONS.values() for name in names)
    if precision not in ("auto", *known):
        raise OptionError(f"precision must be one of auto, {', '.join(known)}; got {precision!r}")
    if kind != "auto":
        need(*NEEDS[kind], extra="fast")
    wanted = ("bfloat16" if fast else "float32") if precision == "auto" else precision
    pairs: list[tuple[str, str]] = []
    for name in installed() if kind == "auto" else (kind,):
        if wanted in PRECISIONS[name]:
            pairs.append((name, wanted))
        elif precision == "auto":
            pairs.append((name, "float32"))
    if not pairs:
        raise OptionError(f"precision of {kind} must be {', '.join(PRECISIONS[kind])}")
    return pairs


def _started(network: Transformer, kind: str, precision: str) -> Engine:
    if kind == "torch":
        return _Torch(network, precision)
    graph = _in_8_bits(network) if precision == "int8" else _graph(network)
    return _opened(kind, precision, graph, network.multiple, torch.get_num_threads())


class _Torch:
    kind = "torch"

    def __init__(self, network: Transformer, precision: str) -> None:
        self.precision, self.multiple = precision, network.multiple
        self.network = copy.deepcopy(network).eval().requires_grad_(False)
        if precision == "bfloat16":
            self.network.half()

    @torch.inference_mode()
    def __call__(self, image: Image, row: Tensor) -> Tensor:
        return self.network(image.contiguous(memory_format=torch.channels_last), row)


@lru_cache(maxsize=STARTED)
def _opened(kind: str, precision: str, graph: Path, multiple: int, threads: int) -> Engine:
    """An engine that reads a graph."""
    engine = _Onnx if kind == "onnxruntime" else _OpenVino
    return engine(graph, precision, multiple, threads)


class _Onnx:
    kind = "onnxruntime"

    def __init__(self, graph: Path, precision: str, multiple: int, threads: int) -> None:
        import onnxruntime

        self.precision, self.multiple = precision, multiple
        options: Any = onnxruntime.SessionOptions()  # pyright: ignore[reportAttributeAccessIssue]
        options.intra_op_num_threads = threads
        providers = ["CPUExecutionProvider"]
        self.session = onnxruntime.InferenceSession(str(graph), options, providers=providers)

    def __call__(self, image: Image, row: Tensor) -> Tensor:
        (painted,) = self.session.run(None, {"image": image.numpy(), "row": row.numpy()})
        return torch.from_numpy(painted)


class _OpenVino:
    kind = "openvino"

    def __init__(self, graph: Path, precision: str, multiple: int, threads: int) -> None:
        from openvino import Core

        self.precision, self.multiple = precision, multiple
        self.settings = {
            "INFERENCE_PRECISION_HINT": "bf16" if precision == "bfloat16" else "f32",
            "INFERENCE_NUM_THREADS": threads,
            "PERFORMANCE_HINT": "LATENCY",
        }
        self.core = Core()
        self.core.set_property({"CACHE_DIR": str(graph.with_name("openvino"))})
        self.model = self.core.read_model(str(graph))
        self.requests: OrderedDict[tuple[int, ...], Any] = OrderedDict()

    def __call__(self, image: Image, row: Tensor) -> Tensor:
        request = self._request(tuple(image.shape))
        request.infer({"image": image.numpy(), "row": row.numpy()}, share_inputs=True)
        # The memory of the output is used again.
        return torch.from_numpy(request.get_output_tensor(0).data.copy())

    def _request(self, shape: tuple[int, ...]) -> Any:
        """Compiled for one size, which runs quicker than for any size."""
        if shape not in self.requests:
            self.model.reshape({"image": list(shape)})
            compiled = self.core.compile_model(self.model, "CPU", self.settings)
            self.requests[shape] = compiled.create_infer_request()
            if len(self.requests) > SHAPES:
                self.requests.popitem(last=False)
        return self.requests[shape]


def _graph(network: Transformer) -> Path:
    """The graph of a network, written on its first use. Rows are its input and so no part of it."""
    digest = hashlib.sha256(f"{version('torch')} {type(network).__name__}".encode())
    for name, value in sorted(network.state_dict().items()):
        if name != "rows":
            digest.update(value.contiguous().numpy().tobytes())
    digest.update(str(network.rows.shape[1]).encode())
    path = cache_folder() / "engines" / f"{digest.hexdigest()[:24]}.onnx"
    return build(path, lambda part: export(network, part))


def _in_8_bits(network: Transformer) -> Path:
    """The graph with its deepest convolutions in 8 bits, as their numbers are in all its styles."""
    need("onnxruntime", extra="fast")
    graph = _graph(network)
    digest = hashlib.sha256(graph.name.encode() + network.rows.detach().numpy().tobytes())
    path = graph.with_name(f"{digest.hexdigest()[:24]}-8.onnx")
    return build(path, lambda part: quantize(graph, part, rows=network.rows))


def _quickest(network: Transformer, pairs: Sequence[tuple[str, str]]) -> tuple[str, str]:
    """Kind and precision as measured on this machine, once."""
    packages = sorted({"torch", *(name for kind, _ in pairs for name in NEEDS[kind])})
    circumstances = [
        [platform.processor(), platform.machine(), platform.node(), torch.get_num_threads()],
        [[name, version(name)] for name in packages],
        [[name, list(value.shape[1:])] for name, value in network.state_dict().items()],
        list(pairs),
    ]
    digest = hashlib.sha256(json.dumps(circumstances).encode()).hexdigest()
    path = cache_folder() / "engines" / f"{digest[:24]}.json"
    found = json.loads(build(path, lambda part: _compare(network, pairs, part)).read_text("utf-8"))
    return found["kind"], found["precision"]


def _compare(network: Transformer, pairs: Sequence[tuple[str, str]], path: Path) -> None:
    seconds = {pair: _measured(_started(network, *pair), network) for pair in pairs}
    kind, precision = min(seconds, key=seconds.__getitem__)
    table = {" ".join(pair): round(value, 5) for pair, value in seconds.items()}
    found = {"kind": kind, "precision": precision, "seconds": table}
    path.write_text(json.dumps(found, indent=1), encoding="utf-8")


def _measured(engine: Engine, network: Transformer) -> float:
    """The least seconds of some runs: what else the machine does only adds to them."""
    image = torch.rand((1, 3, *TRIED), generator=torch.Generator().manual_seed(0))
    row = network.rows[:1].detach()
    engine(image, row)
    times = []
    for _ in range(RUNS):
        begin = time.perf_counter()
        engine(image, row)
        times.append(time.perf_counter() - begin)
    return min(times)
