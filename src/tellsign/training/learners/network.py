"""Learner `network`: one of training/networks on balanced crops, cross-entropy, to ONNX.

Writes model.onnx (pixels 0 to 255, NCHW -> a map of logits; the crop's logit is their mean) and
measured.json (every held-out generator under every condition).
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from tellsign.errors import UsageError
from tellsign.training import fit as loop
from tellsign.training import heldout
from tellsign.training.augment import Augmentation, central
from tellsign.training.bank import Bank
from tellsign.training.export import to_onnx
from tellsign.training.recipe import Job, write_whole
from tellsign.training.sampling import BalancedSampler
from tellsign.training.selection import choose_held_out

MODEL, MEASURED = "model.onnx", "measured.json"
PARITY_CROPS = 32
MOST_MEASURED = 80  # crops of a held-out group under one condition


@dataclass(frozen=True, slots=True)
class Settings:
    network: str  # a module of training/networks
    steps: int
    rate: float
    batch: int = 32
    side: int = 224  # pixels of a crop in training
    measured_side: int = 224  # pixels of a crop in use
    decay: float = 1e-4
    paired: float = 0.0  # share of reconstructions among the generated crops
    blur: float = 0.0
    jpeg: float = 0.0
    turn: bool = True
    bfloat16: bool = True
    half: bool = False  # store weights as float16
    check_steps: int = 0
    check_crops: int = 512


def fit(job: Job) -> None:
    """Train, export, measure on the held-out groups, write the card."""
    settings, bank = job.checked(Settings), job.bank
    torch.manual_seed(job.seed)
    network = _build(settings.network, job)
    allowed = bank.select(held_out=False)
    held_out = choose_held_out(bank, MOST_MEASURED, job.seed)
    sampler = BalancedSampler(bank.rows, allowed, settings.batch, settings.paired)
    augmentation = Augmentation(settings.side, settings.turn, settings.blur, settings.jpeg)
    few = np.random.default_rng(job.seed).permutation(held_out)[: settings.check_crops]
    state = loop.fit(
        network,
        cross_entropy,
        loop.bank_draw(bank, sampler, augmentation),
        loop.Schedule(
            steps=settings.steps,
            rate=settings.rate,
            decay=settings.decay,
            minutes=job.minutes,
            bfloat16=settings.bfloat16,
            check_steps=settings.check_steps,
        ),
        job.checkpoints,
        label=f"{job.recipe.name} {settings} seed {job.seed}",
        seed=job.seed,
        check=lambda trained: _in_short(measured(trained, bank, few, settings)),
    )
    found = measured(network, bank, held_out, settings)
    some = bank.take(range(min(PARITY_CROPS, len(bank.rows))))
    example = loop.as_input(central(some, settings.measured_side))
    parity = to_onnx(network, example, job.out / MODEL, half=settings.half)
    table = {"measured": heldout.as_rows(found), "parity": parity, "steps": state.steps}
    write_whole(job.out / MEASURED, (json.dumps(table, indent=1) + "\n").encode())
    job.finish(
        f"{job.recipe.description} {heldout.as_text(found)}. Largest difference of a logit between "
        f"torch and onnxruntime: {parity:.1e}. {state.steps} steps of {settings.batch} crops.",
        heldout.groups_text([bank.rows[i] for i in allowed]),
        [MODEL, MEASURED],
        heldout.failures(found),
    )


def cross_entropy(network: nn.Module, batch: loop.Batch) -> Tensor:
    """Binary cross-entropy of the crops' logits."""
    logits = crop_logits(network, batch.inputs)
    return functional.binary_cross_entropy_with_logits(logits, batch.labels)


def crop_logits(network: nn.Module, pixels: Tensor) -> Tensor:
    """(n,) float32: the mean over each crop's map."""
    return network(pixels).float().mean(dim=(1, 2))


def measured(
    network: nn.Module, bank: Bank, numbers: NDArray[np.int64], settings: Settings
) -> list[heldout.Measured]:
    """Scores of the crops `numbers`, summed up for each generator and condition."""
    scores = loop.predict(
        network,
        bank.crops,
        numbers,
        settings.measured_side,
        score=crop_logits,
        bfloat16=settings.bfloat16,
    )
    return heldout.measure([bank.rows[i] for i in numbers], scores)


def _in_short(found: list[heldout.Measured]) -> str:
    means = heldout.means(found).items()
    return "held-out AUC " + ", ".join(f"{condition} {v[0].value:.3f}" for condition, v in means)


def _build(name: str, job: Job) -> Any:
    try:
        module = import_module(f"tellsign.training.networks.{name}")
    except ModuleNotFoundError:
        raise UsageError(f"recipe {job.recipe.name!r}: no network {name!r}") from None
    return module.build(job.weights)
