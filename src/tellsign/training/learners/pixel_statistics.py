"""Learner of `pixel_statistics`: one hidden layer on noise statistics of patches."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from tellsign.detectors.supervised.pixel_statistics import judge, votes
from tellsign.nn.runtime import network
from tellsign.signal import patch_statistics as statistics
from tellsign.training.bank import SIDE, Bank, Row
from tellsign.training.export import to_onnx
from tellsign.training.fit import Batch, Schedule
from tellsign.training.fit import fit as train
from tellsign.training.heldout import as_rows, as_text, measure
from tellsign.training.linear import balanced_weights, moments
from tellsign.training.recipe import Job, write_whole
from tellsign.training.selection import choose, choose_held_out, group_of, reversed_for, told_groups

MODEL, HELD = "model.onnx", "heldout.json"
# Of a 256 x 256 crop: four patches; the odd offset keeps them off one phase of a JPEG grid.
CORNERS = ((9, 12), (14, 141), (143, 6), (147, 150))

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Settings:
    per_cell: int  # bank crops of one group under one condition
    held_per_cell: int  # the same of held-out groups, to measure
    hidden: int
    dropout: float
    steps: int
    batch: int
    rate: float
    decay: float


class PatchNetwork(nn.Module):
    """Standardised statistics, one hidden layer, dropout, one logit (Rahmouni et al.: 1024)."""

    def __init__(self, mean: Floats, deviation: Floats, hidden: int, dropout: float) -> None:
        super().__init__()
        self.mean: Tensor
        self.deviation: Tensor
        self.register_buffer("mean", torch.from_numpy(mean))
        self.register_buffer("deviation", torch.from_numpy(deviation))
        self.layers = nn.Sequential(
            nn.Linear(len(mean), hidden), nn.ReLU(), nn.Dropout(dropout), nn.Linear(hidden, 1)
        )

    def forward(self, x: Tensor) -> Tensor:
        # Values far outside what training saw are as far as it goes.
        out: Tensor = self.layers(((x - self.mean) / self.deviation).clamp(-6.0, 6.0))
        return out


def fit(job: Job) -> None:
    """Train, export, measure, write the card. Raises UsageError for unknown settings."""
    settings = job.checked(Settings)
    rows, features, _ = gather(job.bank, choose(job.bank, settings.per_cell, job.seed))
    labels = np.array([r.label for r in rows], np.int64)
    chance = balanced_weights([group_of(r) for r in rows], labels.tolist())
    mean, deviation = moments(features, chance)
    torch.manual_seed(job.seed)
    net = PatchNetwork(
        mean.astype(np.float32), deviation.astype(np.float32), settings.hidden, settings.dropout
    )

    def draw(rng: np.random.Generator) -> Batch:
        chosen = rng.choice(len(rows), settings.batch, p=chance / chance.sum())
        label = torch.from_numpy(labels[chosen].astype(np.float32))
        return Batch(torch.from_numpy(features[chosen]), label, ())

    schedule = Schedule(settings.steps, settings.rate, settings.decay, job.minutes)
    train(net, _loss, draw, schedule, job.checkpoints, label=str(settings), seed=job.seed)
    parity = to_onnx(net, torch.from_numpy(features[:32]), job.out / MODEL)
    unseen = choose_held_out(job.bank, settings.held_per_cell, job.seed)
    held_rows, scores = score_bank(job, unseen)
    found = measure(held_rows, scores)
    write_whole(job.out / HELD, json.dumps(as_rows(found), indent=1).encode())
    counted = Counter((group_of(r), r.label) for r in rows)
    job.finish(
        f"Noise statistics of patches; torch and ONNX differ by at most {parity:.1e}. "
        f"{as_text(found)}",
        f"Patches of 100 x 100: {told_groups(counted)}",
        [MODEL, HELD],
        reversed_for(found),
    )


def _loss(net: nn.Module, batch: Batch) -> Tensor:
    return functional.binary_cross_entropy_with_logits(net(batch.inputs)[:, 0], batch.labels)


def patches_of(crop: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """(4, 100, 100, 3) of a (256, 256, 3) crop."""
    assert crop.shape[:2] == (SIDE, SIDE)
    side = statistics.SIDE
    return np.stack([crop[y : y + side, x : x + side] for y, x in CORNERS])


def gather(bank: Bank, numbers: NDArray[np.int64]) -> tuple[list[Row], Floats, Floats]:
    """Rows, (n, FEATURES) statistics and weights of all patches that have a vote."""
    rows: list[Row] = []
    features, weights = [], []
    for i in numbers:
        patches = patches_of(bank.crops[i])
        weight = votes(patches)
        if weight.any():
            features.append(statistics.features(patches[weight > 0]))
            weights.append(weight[weight > 0])
            rows += [bank.rows[i]] * len(weights[-1])
    return rows, np.concatenate(features), np.concatenate(weights)


def score_bank(job: Job, numbers: NDArray[np.int64]) -> tuple[list[Row], Floats]:
    """Rows and weighted votes of the crops, computed as the detector does."""
    net = network(job.out / MODEL)
    rows, scores = [], []
    for i in numbers:
        patches = patches_of(job.bank.crops[i])
        weight = votes(patches)
        if weight.any():
            logits = judge(patches[weight > 0], net)
            rows.append(job.bank.rows[i])
            scores.append(np.average(logits, weights=weight[weight > 0]))
    return rows, np.array(scores, np.float32)
