"""A training loop that may be killed at any moment and goes on as if it had not been.

What is particular to a training is its `Recipe`; here are what all share: AdamW (Loshchilov and
Hutter, arXiv 1711.05101), a warm-up and a cosine, an average over weights, the log and the
checkpoint. A checkpoint is one safetensors file that appears at once or not at all. It holds
everything that the next step depends on, so on a CPU a run that was broken and taken up again ends
in the very bits of an unbroken one.
"""

import json
import math
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save, save_file
from torch import Tensor, nn

from impasto.core.errors import MediaError, OptionError, WeightsError
from impasto.core.progress import Progress, Report, silent
from impasto.media import image as media
from impasto.media import plot
from impasto.training import ranks

CHECKPOINT = "checkpoint.safetensors"
SAVE_SECONDS = 600.0
"""Between two rows of the log a checkpoint is written at least so often."""
DIGITS = 8
"""Binary digits of a weight that is shipped."""
WEIGHT_DECAY, BETAS = 1e-4, (0.9, 0.99)


@dataclass(frozen=True)
class Course:
    """How long and how fast.

    Attributes:
        steps: steps in all.
        rate: peak learning rate.
        averaging: decay of the exponential average over weights; shorter during the first steps.
        warm_up: steps in which the rate rises.
        log_every: steps that one row of the log sums up.
        save_every: steps between two showings, each followed by a checkpoint.
        factors: name of a parameter to what its rate is multiplied with, where that is not 1.
    """

    steps: int
    rate: float
    averaging: float = 0.998
    warm_up: int = 200
    log_every: int = 50
    save_every: int = 1000
    factors: Mapping[str, float] = field(default_factory=dict[str, float])

    def rate_at(self, step: int) -> float:
        """Learning rate of a step, counted from 0: a linear rise, then a cosine down to nothing."""
        warm = min(1.0, (step + 1) / self.warm_up)
        return self.rate * warm * 0.5 * (1 + math.cos(math.pi * step / self.steps))

    def decay_at(self, step: int) -> float:
        """Decay of the average at a step: it forgets the first weights quickly."""
        return min(self.averaging, (1 + step) / (10 + step))


@runtime_checkable
class Recipe(Protocol):
    """What is trained, and on what.

    Attributes:
        generator: the source of all randomness of the training, on the CPU.
        size: height and width of the pictures that are trained on.
    """

    generator: torch.Generator
    size: tuple[int, int]

    @property
    def network(self) -> nn.Module:
        """What is trained: its parameters that require a gradient."""
        ...

    def start(self) -> None:
        """Prepare the first step of a new run; `restore` takes its place in one taken up again."""
        ...

    def losses(self, step: int) -> dict[str, Tensor]:
        """Weighted scalars whose sum is descended."""
        ...

    def show(self, step: int) -> None:
        """Write results; the network holds its averaged weights, and `generator` must rest."""
        ...

    def state(self) -> dict[str, Tensor]:
        """All else that the next step depends on."""
        ...

    def restore(self, state: dict[str, Tensor]) -> None:
        """Take up what `state` gave."""
        ...


def train(
    recipe: Recipe,
    course: Course,
    *,
    folder: Path,
    identity: Mapping[str, Any],
    report: Report = silent,
) -> None:
    """Train from the beginning, or from the checkpoint in the folder, to the end.

    Writes `log.csv` and `loss.png`, the mean of every loss over `log_every` steps, and the same for
    TensorBoard where that is installed, beside what the recipe shows. Processes that `torchrun` has
    started train one network together.

    Args:
        recipe: what to train; its network ends up with its averaged weights.
        course: how long and how fast.
        folder: where to write; it is made.
        identity: everything that must not change within a run, as JSON takes it.
        report: is told of every step.

    Raises:
        OptionError: the folder holds a run of another identity, or the loss grew without bound.
        WeightsError: the checkpoint is damaged.
        MediaError: a file cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise MediaError(f"{folder} cannot be made: {error.strerror or error}") from error
    together = {"processes": ranks.count()} if ranks.count() > 1 else {}
    run = _Run(recipe, course, folder, {**identity, **together})
    report(Progress(stage="get ready", done=0.0, size=recipe.size))
    if not run.resume():
        recipe.start()
    while run.step < course.steps:
        losses = run.advance()
        done = run.step / course.steps
        report(Progress("train", done, run.step, recipe.size, {"total": losses}))
        run.keep()
    run.exchange()


def shipped(network: nn.Module) -> dict[str, Tensor]:
    """The weights of a network as they are bundled: fp16, with no more digits than bfloat16 has.

    So they pack a sixth smaller, and are the same where a network calculates in bfloat16.
    """
    found: dict[str, Tensor] = {}
    for name, value in network.state_dict().items():
        fraction, exponent = torch.frexp(value.detach().float().cpu())
        rounded = torch.ldexp((fraction * 2**DIGITS).round() / 2**DIGITS, exponent)
        found[name] = rounded.half().contiguous()
    return found


def publish(
    folder: Path, networks: Mapping[str, nn.Module], said: Mapping[str, Any], *, sheet: Tensor
) -> None:
    """Write what a run has come to: weights as they are bundled, `report.json` and a sheet.

    Args:
        folder: of the run.
        networks: by the names of their files.
        said: of the run and of its step, `steps`; it stands in all of the files.
        sheet: samples, (1, 3, H, W) in [0, 1].
    """
    words = {key: json.dumps(value) for key, value in said.items()}
    for file, network in networks.items():
        media.write_bytes(folder / file, save(shipped(network), words))
    media.write_bytes(folder / "report.json", json.dumps(said, indent=2).encode())
    samples = folder / "samples"
    samples.mkdir(exist_ok=True)
    media.write(sheet.cpu(), samples / f"step-{said['steps']:05d}.png")


def _board(folder: Path, *, step: int) -> Any:
    """What draws the losses for TensorBoard from a step on, where that is installed."""
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        return None
    # A run that was broken off may have drawn steps that come again.
    return SummaryWriter(folder / "tensorboard", purge_step=step)


class _Run:
    """The state of a training between two steps."""

    def __init__(
        self, recipe: Recipe, course: Course, folder: Path, identity: dict[str, Any]
    ) -> None:
        self.recipe, self.course, self.folder = recipe, course, folder
        self.identity: dict[str, Any] = json.loads(json.dumps(identity))
        self.parameters = {k: p for k, p in recipe.network.named_parameters() if p.requires_grad}
        self.average = {k: p.detach().clone() for k, p in self.parameters.items()}
        groups = [
            {"params": [parameter], "factor": course.factors.get(name, 1.0)}
            for name, parameter in self.parameters.items()
        ]
        self.optimizer = torch.optim.AdamW(
            groups, lr=course.rate, weight_decay=WEIGHT_DECAY, betas=BETAS
        )
        self.step = 0
        self.trace: list[Progress] = []
        self.since: list[dict[str, Tensor]] = []
        """Losses since the last row of the log."""
        self.saved = time.monotonic()
        self.board: Any = None

    def advance(self) -> float:
        """One step; gives the sum of its losses."""
        for group in self.optimizer.param_groups:
            group["lr"] = group["factor"] * self.course.rate_at(self.step)
        ranks.draw_apart(self.recipe.generator, step=self.step)
        losses = self.recipe.losses(self.step)
        total = torch.stack(list(losses.values())).sum()
        self.optimizer.zero_grad()
        total.backward()
        ranks.average_gradients(self.parameters.values())
        self.optimizer.step()
        weight = 1 - self.course.decay_at(self.step)
        with torch.no_grad():
            for name, parameter in self.parameters.items():
                self.average[name].lerp_(parameter, weight)
        if not ranks.rank():  # The others keep no log.
            self.since.append({name: loss.detach() for name, loss in losses.items()})
        self.step += 1
        return float(total.detach())

    def keep(self) -> None:
        """Log, show and save, whatever of them is due after this step."""
        if ranks.rank():
            return
        shown = self.step % self.course.save_every == 0 or self.step == self.course.steps
        if not shown and self.step % self.course.log_every:
            return
        self._log()
        if shown:
            plot.write_plot(self.trace, self.folder / "loss.png")
            with self.averaged():
                self.recipe.show(self.step)
        # What follows a checkpoint may happen twice, what precedes it is done.
        if shown or time.monotonic() - self.saved > SAVE_SECONDS:
            self._save()

    def exchange(self) -> None:
        """Swap the weights and their average."""
        with torch.no_grad():
            for name, parameter in self.parameters.items():
                present = parameter.clone()
                parameter.copy_(self.average[name])
                self.average[name].copy_(present)

    @contextmanager
    def averaged(self) -> Iterator[None]:
        """Inside, the network holds its averaged weights."""
        self.exchange()
        try:
            yield
        finally:
            self.exchange()

    def _log(self) -> None:
        self.board = self.board or _board(self.folder, step=self.step)
        sums = {name: torch.stack([row[name] for row in self.since]) for name in self.since[0]}
        losses = {name: float(values.mean()) for name, values in sums.items()}
        losses = {"total": sum(losses.values())} | losses
        self.since.clear()
        if not math.isfinite(losses["total"]):
            raise OptionError(
                f"rate must be lower than {self.course.rate:g}: "
                f"the loss grew without bound before step {self.step}"
            )
        self.trace.append(Progress("train", 0.0, self.step, self.recipe.size, losses))
        plot.write_csv(self.trace, self.folder / "log.csv")
        for name, value in losses.items() if self.board else ():
            self.board.add_scalar(name, value, self.step)

    def _save(self) -> None:
        path = self.folder / CHECKPOINT
        part = path.with_suffix(".part")
        rows = [{"step": row.step, "losses": row.losses} for row in self.trace]
        metadata = {"step": self.step, "identity": self.identity, "trace": rows}
        try:
            save_file(self._tensors(), part, {k: json.dumps(v) for k, v in metadata.items()})
            with part.open("rb+") as file:
                os.fsync(file.fileno())
            part.replace(path)
        except (OSError, SafetensorError) as error:
            part.unlink(missing_ok=True)
            raise MediaError(f"{path} cannot be written: {error}") from error
        self.saved = time.monotonic()

    def _tensors(self) -> dict[str, Tensor]:
        moments = {
            f"{name}.{kind}": value
            for name, parameter in self.parameters.items()
            for kind, value in self.optimizer.state[parameter].items()
        }
        groups: dict[str, Mapping[str, Tensor]] = {
            "network": self.recipe.network.state_dict(),
            "average": self.average,
            "moments": moments,
            "recipe": self.recipe.state(),
            "generator": {"state": self.recipe.generator.get_state()},
        }
        return {
            f"{group}.{name}": value.detach().contiguous()
            for group, values in groups.items()
            for name, value in values.items()
        }

    def resume(self) -> bool:
        """Take up the checkpoint in the folder, if there is one."""
        path = self.folder / CHECKPOINT
        if not path.exists():
            return False
        try:
            with safe_open(path, "pt") as file:
                said = {key: json.loads(value) for key, value in file.metadata().items()}
                self._check(said["identity"])
                groups: dict[str, dict[str, Tensor]] = {}
                for key in file.keys():  # noqa: SIM118 - no mapping
                    group, _, name = key.partition(".")
                    groups.setdefault(group, {})[name] = file.get_tensor(key)
        except (SafetensorError, OSError, KeyError, ValueError) as error:
            raise WeightsError(
                f"{path} is damaged ({error}); remove it to begin the run anew"
            ) from error
        self.step = said["step"]
        row = Progress("train", 0.0, size=self.recipe.size)
        self.trace = [replace(row, **values) for values in said["trace"]]
        self._take_up(groups)
        plot.write_csv(self.trace, self.folder / "log.csv")
        return True

    def _take_up(self, groups: dict[str, dict[str, Tensor]]) -> None:
        self.recipe.network.load_state_dict(groups["network"])
        for name, value in groups["average"].items():
            self.average[name].copy_(value)
        for key, value in groups["moments"].items():
            name, _, kind = key.rpartition(".")
            parameter = self.parameters[name]
            # Moments lie in memory as their parameter does, or each step would take longer.
            kept = torch.empty_like(parameter).copy_(value) if value.ndim else value.clone()
            self.optimizer.state[parameter][kind] = kept
        self.recipe.restore(groups.get("recipe", {}))
        self.recipe.generator.set_state(groups["generator"]["state"])

    def _check(self, identity: dict[str, Any]) -> None:
        for key in self.identity | identity:
            was, wanted = identity.get(key), self.identity.get(key)
            if was != wanted:
                raise OptionError(
                    f"{self.folder} holds a run with {key} {was}, which cannot go on with "
                    f"{wanted}; keep to it or name another folder"
                )
