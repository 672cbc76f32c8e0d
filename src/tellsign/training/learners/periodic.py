"""Learner of `periodic_spectrum`: 28 weights and a bias by logistic regression."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tellsign.detectors.feature.periodic_spectrum import find_peaks
from tellsign.training.bank import Bank, Row
from tellsign.training.heldout import as_rows, as_text, measure
from tellsign.training.linear import balanced_weights, fit_logistic
from tellsign.training.recipe import Job, write_whole
from tellsign.training.selection import choose, choose_held_out, group_of, reversed_for, told_groups

HEAD, HELD = "head.json", "heldout.json"
WINDOWS = 9  # half overlapping in a crop of the bank


@dataclass(frozen=True, slots=True)
class Settings:
    per_cell: int  # bank crops of one group under one condition
    held_per_cell: int  # the same of held-out groups, to measure
    strength: float  # of the penalty


def fit(job: Job) -> None:
    """Fit, measure on held-out groups, write the card. Raises UsageError for unknown settings."""
    settings = job.checked(Settings)
    rows, features = gather(job.bank, choose(job.bank, settings.per_cell, job.seed))
    labels = np.array([r.label for r in rows], np.int64)
    weights = balanced_weights([group_of(r) for r in rows], labels.tolist())
    probe = fit_logistic(features, labels, weights, settings.strength)
    head = {
        "weights": [float(f"{w:.5g}") for w in probe.weights],
        "bias": float(f"{probe.bias:.5g}"),
    }
    write_whole(job.out / HEAD, json.dumps(head, indent=1).encode())
    unseen = choose_held_out(job.bank, settings.held_per_cell, job.seed)
    held_rows, held = gather(job.bank, unseen)
    found = measure(held_rows, probe.score(held))
    write_whole(job.out / HELD, json.dumps(as_rows(found), indent=1).encode())
    counted = Counter((group_of(r), r.label) for r in rows)
    job.finish(
        f"28 weights on peak ratios. {as_text(found)}",
        f"Crops of 256 x 256: {told_groups(counted)}",
        [HEAD, HELD],
        reversed_for(found),
    )


def gather(bank: Bank, numbers: NDArray[np.int64]) -> tuple[list[Row], NDArray[np.float32]]:
    """Rows and (n, 28) features of the crops that are not flat."""
    rows, features = [], []
    for i in numbers:
        peaks = find_peaks(bank.crops[i], WINDOWS)
        if peaks is not None:
            rows.append(bank.rows[i])
            features.append(peaks.features)
    return rows, np.array(features, np.float32).reshape(-1, 28)
