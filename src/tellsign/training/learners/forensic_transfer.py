"""Learner `forensic_transfer`: class-split autoencoder of residuals, after Cozzolino et al. (2018).

Writes model.onnx (the encoder: pixels 0 to 255, NCHW -> mean activations of the two halves in
each cell) and measured.json. `adapted` fine-tunes a trained network on few pictures of a new
generator, which is what the method was made for; `tensors` reads back what it starts from.
"""

from __future__ import annotations

import copy
import json
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from tellsign.errors import UsageError
from tellsign.training import fit as loop
from tellsign.training import heldout
from tellsign.training.augment import Augmentation, central
from tellsign.training.bank import Bank, Row
from tellsign.training.export import to_onnx
from tellsign.training.networks.forensic_transfer import (
    STRIDE,
    Activations,
    ForensicTransfer,
    activations,
)
from tellsign.training.recipe import Job, write_whole
from tellsign.training.sampling import BalancedSampler
from tellsign.training.selection import choose_held_out

MODEL, MEASURED = "model.onnx", "measured.json"
PARITY_CROPS = 16
GAMMA = 0.1  # weight of the reconstruction, from the paper


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
    crops = np.stack([bank.crops[i] for i in range(min(PARITY_CROPS, len(bank.rows)))])
    example = loop.as_input(central(crops, settings.measured_side)).contiguous()
    parity = to_onnx(Activations(network.encoder), example, job.out / MODEL)
    table = {"measured": heldout.as_rows(found), "parity": parity, "steps": state.steps}
    write_whole(job.out / MEASURED, (json.dumps(table, indent=1) + "\n").encode())
    job.finish(
        f"{job.recipe.description} {heldout.as_text(found)}. Largest difference of an activation "
        f"between torch and onnxruntime: {parity:.1e}. {state.steps} steps of {settings.batch} "
        "crops.",
        heldout.groups_text([bank.rows[i] for i in allowed]),
        [MODEL, MEASURED],
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


def adapted(
    network: ForensicTransfer,
    generated: NDArray[np.uint8],
    pristine: NDArray[np.uint8],
    *,
    steps: int = 200,
    rate: float = 2e-4,
    side: int = 128,
    batch: int = 16,
    seed: int = 0,
) -> ForensicTransfer:
    """A copy of `network`, fine-tuned with the same loss on few crops of a new generator.

    Parameters
    ----------
    generated, pristine
        (k, S, S, 3) and (m, S, S, 3) uint8 native crops, S at least `side`.

    The statistics of the normalisations stay as they were: few crops would spoil them.
    Raises UsageError when a class is empty.
    """
    if not len(generated) or not len(pristine):
        raise UsageError("few-shot transfer needs crops of both classes")
    tuned = copy.deepcopy(network)
    both = np.concatenate([generated, pristine])
    rows = [Row(str(i), "", int(i < len(generated)), "", "norm", "", "") for i in range(len(both))]
    sampler = BalancedSampler(rows, np.arange(len(both), dtype=np.int64), batch)
    draw = loop.bank_draw(Bank(both, rows), sampler, Augmentation(side))

    def loss(module: nn.Module, drawn: loop.Batch) -> Tensor:
        for part in module.modules():
            if isinstance(part, nn.BatchNorm2d):
                part.eval()
        return transfer_loss(module, drawn)

    schedule = loop.Schedule(steps=steps, rate=rate, report_steps=steps + 1)
    with tempfile.TemporaryDirectory() as folder:
        loop.fit(tuned, loss, draw, schedule, Path(folder), label="few-shot", seed=seed)
    return tuned


def trained(path: Path, widths: tuple[int, ...] = (8, 32, 64, 96)) -> ForensicTransfer:
    """The network of a checkpoint, encoder and decoder: what `adapted` starts from.

    Raises ArtifactError when the file holds no weights.
    """
    network = ForensicTransfer(widths)
    network.load_state_dict(loop.load_tensors(path)["network"])
    network.eval()
    return network
