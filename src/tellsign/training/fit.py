"""The training loop: one for every network, whatever its loss.

A learner brings a network, a loss over a batch and a way to draw batches::

    state = fit(network, loss, draw, schedule, job.checkpoints, label=..., seed=job.seed)
    scores = predict(network, bank.crops, numbers, side=224)

Every step draws from a generator seeded by (seed, step), so a run that was killed goes on from its
last checkpoint as if nothing had happened. The learning rate falls along a half cosine whose end is
the last step or the time limit, whichever is nearer: only runs ended by steps repeat exactly.
"""

from __future__ import annotations

import io
import math
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from tellsign.errors import ArtifactError, UsageError
from tellsign.training.augment import Augmentation, central
from tellsign.training.bank import Bank, Crops, Row
from tellsign.training.recipe import write_whole
from tellsign.training.sampling import BalancedSampler

CHECKPOINT = "checkpoint.pt"
WARM_UP = 0.03  # share of the run in which the rate rises to its full value


@dataclass(frozen=True, slots=True)
class Batch:
    inputs: Tensor  # (n, 3, s, s) float32, 0 to 255; or features, (n, ...)
    labels: Tensor  # (n,) float32, 1 = generated
    rows: tuple[Row, ...]


@dataclass(frozen=True, slots=True)
class Schedule:
    steps: int
    rate: float  # highest learning rate of AdamW
    decay: float = 1e-4
    minutes: float = math.inf
    bfloat16: bool = False
    save_seconds: float = 60.0
    report_steps: int = 100
    check_steps: int = 0  # 0: never


@dataclass(frozen=True, slots=True)
class State:
    """Where the run ended."""

    steps: int
    seconds: float
    loss: float  # mean over the last `report_steps`


Loss = Callable[[nn.Module, Batch], Tensor]
Draw = Callable[[np.random.Generator], Batch]


def fit(
    network: nn.Module,
    loss: Loss,
    draw: Draw,
    schedule: Schedule,
    checkpoints: Path,
    *,
    label: str,
    seed: int,
    check: Callable[[nn.Module], str] | None = None,
) -> State:
    """Train `network` in place, from the last checkpoint if there is one.

    Parameters
    ----------
    label
        What is trained; a checkpoint of anything else is refused with UsageError.
    check
        Called every `check_steps` with the network in evaluation mode; its text is shown. It
        decides nothing: the last weights are kept.
    """
    network.to(memory_format=torch.channels_last)
    groups = _groups(network, schedule.decay)
    optimiser = torch.optim.AdamW(groups, lr=schedule.rate, fused=True)
    path = checkpoints / CHECKPOINT
    step, seconds = _resume(path, label, network, optimiser)
    recent: list[float] = []
    clock = saved = time.monotonic()
    network.train()
    while step < schedule.steps and seconds < 60 * schedule.minutes:
        done = max(step / schedule.steps, seconds / (60 * schedule.minutes))
        for group in optimiser.param_groups:
            group["lr"] = schedule.rate * _pace(done)
        torch.manual_seed(seed * 1_000_003 + step)
        batch = draw(np.random.default_rng((seed, step)))
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=schedule.bfloat16):
            value = loss(network, batch)
        optimiser.zero_grad(set_to_none=True)
        value.backward()
        nn.utils.clip_grad_norm_(network.parameters(), 5.0)
        optimiser.step()
        step += 1
        now = time.monotonic()
        seconds, clock = seconds + now - clock, now
        recent = [*recent, float(value.detach())][-schedule.report_steps :]
        if step % schedule.report_steps == 0:
            click.echo(f"step {step}, {seconds:.0f} s, loss {np.mean(recent):.4f}", err=True)
        if check is not None and schedule.check_steps and step % schedule.check_steps == 0:
            network.eval()
            click.echo(f"step {step}: {check(network)}", err=True)
            network.train()
        if now - saved > schedule.save_seconds:
            _save(path, label, network, optimiser, step, seconds)
            saved = now
    _save(path, label, network, optimiser, step, seconds)
    network.eval()
    return State(step, seconds, float(np.mean(recent)) if recent else math.nan)


def _pace(done: float) -> float:
    """Factor of the learning rate after a share `done` of the run."""
    if done < WARM_UP:
        return 0.05 + 0.95 * done / WARM_UP
    return 0.5 * (1 + math.cos(math.pi * min(done, 1.0)))


def _groups(network: nn.Module, decay: float) -> list[dict[str, object]]:
    """Weight decay for kernels only; biases and normalisation go without."""
    groups: dict[float, list[nn.Parameter]] = defaultdict(list)
    for parameter in network.parameters():
        if parameter.requires_grad:
            groups[decay if parameter.ndim > 1 else 0.0].append(parameter)
    return [{"params": members, "weight_decay": own} for own, members in groups.items()]


def _save(
    path: Path,
    label: str,
    network: nn.Module,
    optimiser: torch.optim.Optimizer,
    step: int,
    seconds: float,
) -> None:
    buffer = io.BytesIO()
    kept = {
        "label": label,
        "step": step,
        "seconds": seconds,
        "network": network.state_dict(),
        "optimiser": optimiser.state_dict(),
    }
    torch.save(kept, buffer)
    write_whole(path, buffer.getvalue())


def _resume(
    path: Path, label: str, network: nn.Module, optimiser: torch.optim.Optimizer
) -> tuple[int, float]:
    if not path.is_file():
        return 0, 0.0
    kept = load_tensors(path)
    if kept.get("label") != label:
        raise UsageError(f"{path} is a checkpoint of {kept.get('label')!r}, not of {label!r}")
    network.load_state_dict(kept["network"])
    optimiser.load_state_dict(kept["optimiser"])
    click.echo(f"going on from step {kept['step']}", err=True)
    return int(kept["step"]), float(kept["seconds"])


def load_tensors(path: Path) -> dict[str, Any]:
    """Read tensors and plain values, never code. Raises ArtifactError."""
    refused = torch.serialization.pickle.UnpicklingError
    try:
        found = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, EOFError, refused) as error:
        raise ArtifactError(f"{path}: no weights that can be read: {error}") from None
    if not isinstance(found, dict):
        raise ArtifactError(f"{path}: holds no table of weights")
    return found


def bank_draw(
    bank: Bank, sampler: BalancedSampler, augmentation: Augmentation
) -> Callable[[np.random.Generator], Batch]:
    """Batches of augmented crops of a bank."""

    def draw(rng: np.random.Generator) -> Batch:
        numbers = sampler.draw(rng)
        crops = augmentation(bank.take(numbers), rng)
        rows = tuple(bank.rows[i] for i in numbers)
        labels = torch.tensor([float(r.label) for r in rows])
        return Batch(as_input(crops), labels, rows)

    return draw


def as_input(crops: NDArray[np.uint8]) -> Tensor:
    """(n, s, s, 3) uint8 -> (n, 3, s, s) float32, values kept, channels last in memory."""
    return torch.from_numpy(np.ascontiguousarray(crops)).permute(0, 3, 1, 2).float()


def predict(
    network: nn.Module,
    crops: Crops,
    numbers: NDArray[np.int64],
    side: int,
    *,
    score: Callable[[nn.Module, Tensor], Tensor],
    bfloat16: bool = False,
    size: int = 32,
) -> NDArray[np.float32]:
    """(len(numbers),) scores of the middle of crops; `network` must be in evaluation mode."""
    out = []
    with torch.inference_mode(), torch.autocast("cpu", dtype=torch.bfloat16, enabled=bfloat16):
        for start in range(0, len(numbers), size):
            part = np.stack([crops[i] for i in numbers[start : start + size]])
            out.append(score(network, as_input(central(part, side))).float().numpy())
    return np.concatenate(out) if out else np.empty(0, np.float32)
