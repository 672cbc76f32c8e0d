"""Learner `forensic_transfer`: class-split autoencoder of residuals, after Cozzolino et al. (2018).

Writes model.onnx (the encoder: pixels 0 to 255, NCHW -> latent activations, 128 in each cell),
measured.json, and what `tellsign adapt` starts from: head.json, which says in 128 weights that the
score is the difference of the halves, and memory.json, mean activations of training crops.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from tellsign.errors import UsageError
from tellsign.training import fit as loop
from tellsign.training import head as heads
from tellsign.training import heldout
from tellsign.training.augment import Augmentation, central
from tellsign.training.bank import Bank
from tellsign.training.export import to_onnx
from tellsign.training.networks.forensic_transfer import (
    LATENT,
    STRIDE,
    ForensicTransfer,
    Latent,
    activations,
)
from tellsign.training.recipe import Job, write_whole
from tellsign.training.sampling import BalancedSampler
from tellsign.training.selection import choose_held_out, evenly

MODEL, MEASURED = "model.onnx", "measured.json"
PARITY_CROPS = 16
GAMMA = 0.1  # weight of the reconstruction, from the paper
REMEMBERED = 16  # crops of each group under each condition


@dataclass(frozen=True, slots=True)
class Settings:
    steps: int
    rate: float = 1e-3
    batch: int = 32
    side: int = 128  # pixels of a crop in training; the encoder is the same at every size
    measured_side: int = 256  # in use, as in the paper
    widths: tuple[int, ...] = (8, 32, 64, 96)
    paired: float = 0.0  # share of reconstructions among the generated crops
    power: float = 0.5  # of a group's size: between all groups alike (0) and all crops (1)
    decay: float = 1e-4
    bfloat16: bool = True
    measured_crops: int = 40  # of each held-out group under each condition


def fit(job: Job) -> None:
    """Train, export the encoder, measure on the held-out groups, write the card."""
    settings, bank = job.checked(Settings), job.bank
    if settings.side % STRIDE or settings.measured_side % STRIDE:
        raise UsageError(f"recipe {job.recipe.name!r}: sides must be multiples of {STRIDE}")
    torch.manual_seed(job.seed)
    network = ForensicTransfer(settings.widths)
    allowed = bank.select(held_out=False)
    sampler = BalancedSampler(bank.rows, allowed, settings.batch, settings.paired, settings.power)
    state = loop.fit(
        network,
        transfer_loss,
        loop.bank_draw(bank, sampler, Augmentation(settings.side)),
        loop.Schedule(
            steps=settings.steps,
            rate=settings.rate,
            decay=settings.decay,
            minutes=job.minutes,
            bfloat16=settings.bfloat16,
        ),
        job.checkpoints,
        label=f"{job.recipe.name} {settings} seed {job.seed}",
        seed=job.seed,
    )
    chosen = choose_held_out(bank, settings.measured_crops, job.seed)
    found = heldout.measure(
        [bank.rows[i] for i in chosen],
        scores(network, bank, chosen, settings.measured_side, settings.bfloat16),
    )
    crops = bank.take(range(min(PARITY_CROPS, len(bank.rows))))
    example = loop.as_input(central(crops, settings.measured_side)).contiguous()
    parity = to_onnx(Latent(network.encoder), example, job.out / MODEL)
    memory = remembered(network, bank, allowed, settings.measured_side, job.seed)
    tables = {
        MEASURED: {"measured": heldout.as_rows(found), "parity": parity, "steps": state.steps},
        heads.HEAD_FILE: halves(memory).to_dict(),
        heads.MEMORY_FILE: memory.to_dict(),
    }
    for name, table in tables.items():
        write_whole(job.out / name, (json.dumps(table) + "\n").encode())
    job.finish(
        f"{job.recipe.description} {heldout.as_text(found)}. Largest difference of an activation "
        f"between torch and onnxruntime: {parity:.1e}. {state.steps} steps of {settings.batch} "
        "crops.",
        heldout.groups_text([bank.rows[i] for i in allowed]),
        [MODEL, *tables],
        heldout.failures(found),
    )


def transfer_loss(network: nn.Module, batch: loop.Batch) -> Tensor:
    """Activation loss plus 0.1 times the mean absolute error of the decoded residual."""
    squashed, latent, decoded = network(batch.inputs, batch.labels)
    error = (squashed.float() - decoded.float()).abs().mean()
    return activation_loss(latent, batch.labels) + GAMMA * error


def activation_loss(latent: Tensor, labels: Tensor) -> Tensor:
    """|a_generated - l| + |a_pristine - (1 - l)|, averaged over the batch.

    No cross-entropy: each half has a level of its own to reach, so that a picture unlike either
    class leaves both low.
    """
    levels = activations(latent).mean(dim=(2, 3))
    return ((levels[:, 1] - labels).abs() + (levels[:, 0] - (1 - labels)).abs()).mean()


def difference(network: nn.Module, pixels: Tensor) -> Tensor:
    """(n,) a_generated - a_pristine: the score of each crop."""
    assert isinstance(network, ForensicTransfer)
    levels = activations(network.encoder(pixels)[1]).mean(dim=(2, 3))
    return levels[:, 1] - levels[:, 0]


def scores(
    network: nn.Module, bank: Bank, numbers: NDArray[np.int64], side: int, bfloat16: bool = False
) -> NDArray[np.float32]:
    """(k,) scores of the middles of crops of a bank."""
    return loop.predict(network, bank.crops, numbers, side, score=difference, bfloat16=bfloat16)


def pooled(network: nn.Module, pixels: Tensor) -> Tensor:
    """(n, 128) mean activation of each latent channel."""
    assert isinstance(network, ForensicTransfer)
    return torch.as_tensor(network.encoder(pixels)[1].mean(dim=(2, 3)))


def remembered(
    network: nn.Module, bank: Bank, numbers: NDArray[np.int64], side: int, seed: int
) -> heads.Memory:
    """What the network makes of some training crops of every group, reconstructions left out."""
    own = [int(i) for i in numbers if not bank.rows[i].pair]
    kept = evenly(bank.rows, own, REMEMBERED, seed, heldout.REPORTED)
    return heads.Memory(
        loop.predict(network, bank.crops, kept, side, score=pooled),
        np.array([bank.rows[i].label == 1 for i in kept], np.bool_),
        np.array([bank.rows[i].group for i in kept], np.str_),
    )


def halves(memory: heads.Memory) -> heads.Head:
    """The paper's decision as a linear layer: mean of the generated half minus the other's."""
    weight = np.repeat([-1.0, 1.0], LATENT // 2) / (LATENT // 2)
    mean = memory.rows.mean(axis=0, dtype=np.float64)
    scale = memory.rows.std(axis=0, dtype=np.float64) + 1e-3  # a channel may be dead
    return heads.Head(weight * scale, float(weight @ mean), mean, scale)
