"""A world small enough to know: 12 numbers for a picture, and an artifact around a head on them.

Old generators stand out along number 0, in amounts of their own along others; the new one along
number 5, of which the base knows nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tellsign.artifacts.card import ModelCard
from tellsign.artifacts.store import Artifact
from tellsign.benchmark.calibrate import write_artifact
from tellsign.calibration.calibrators import Calibration, Curve, Stratum
from tellsign.training.adapt import Notes, as_json, derived
from tellsign.training.head import Head, Memory
from tellsign.training.refit import Cases

WIDTH = 12
NEW = 5
STRATA = ("jpeg-q0-49", "jpeg-q50-74", "jpeg-q75-89", "jpeg-q90+")


def draw(
    rng: np.random.Generator, n: int, place: int | None, by: float = 5.0
) -> NDArray[np.float32]:
    rows = rng.normal(size=(n, WIDTH))
    if place is not None:
        rows[:, place] += by
    return rows.astype(np.float32)


def base_head(width: int = WIDTH) -> Head:
    weight = np.zeros(width)
    weight[0] = 2.0
    return Head(weight, -5.0, np.zeros(width), np.ones(width))


def memory(rng: np.random.Generator, per_group: int = 30) -> Memory:
    rows, labels, groups = [], [], []
    for i in range(6):
        rows += [draw(rng, per_group, 0), draw(rng, per_group, None)]
        labels += [True] * per_group + [False] * per_group
        groups += [f"generator{i}"] * per_group + [f"camera{i}"] * per_group
    return Memory(np.concatenate(rows), np.array(labels), np.array(groups))


def cases(
    rng: np.random.Generator, examples: int, pristine: int, by: float = 3.0, start: int = 0
) -> Cases:
    """Each picture twice, as two launderings of it would be, with two crops of each."""
    n = examples + pristine
    kept = np.concatenate([draw(rng, examples, NEW, by), draw(rng, pristine, None)])
    crops = np.repeat(np.tile(kept, (2, 1)), 2, axis=0)
    crops = (crops + rng.normal(0, 0.2, crops.shape)).astype(np.float32)
    names = np.array([f"p{start + i}" for i in range(n)])
    strata = np.repeat(["jpeg-q75-89", "jpeg-q50-74"], n)
    units = np.repeat(np.arange(2 * n), 2)
    return Cases(crops, units, np.tile(np.arange(n) < examples, 2), np.tile(names, 2), strata)


def stored_curve() -> Curve:
    score = tuple(np.linspace(-8, 8, 17).tolist())
    llr = tuple(max(-2.0, min(2.0, s / 2.5)) for s in score)
    return Curve(score, llr, tuple(v - 0.2 for v in llr), tuple(v + 0.2 for v in llr))


def calibration(name: str) -> Calibration:
    stratum = Stratum(stored_curve(), "logistic", 500, 500, 12, 0.4, 0.38)
    return Calibration(name, "1", "2026-11-22", "sha256:0", dict.fromkeys(STRATA, stratum))


def artifact(
    root: Path,
    *,
    head: Head | None = None,
    held: Memory | None = None,
    name: str = "embedding_probe",
    more: Mapping[str, bytes] | None = None,
) -> Artifact:
    """An artifact folder as training leaves it: calibration, head, memory and what is given."""
    card = ModelCard(
        name=name,
        version="1",
        detector=name,
        detector_version="1",
        summary="A toy",
        licence_code="Apache-2.0",
        licence_weights="Apache-2.0",
        licence_data="none",
        training_data="made up",
        intended_use="tests",
        known_failures=("all",),
        measured="pytest",
        made="2026-11-22",
        files=(),
    )
    folder = write_artifact(root, card, calibration(name).to_dict(), "calibration.json")
    from tellsign.artifacts.store import open_artifact

    held = held or memory(np.random.default_rng(0))
    changed = {
        "head.json": as_json((head or base_head()).to_dict()),
        "memory.json": as_json(held.to_dict()),
        **(more or {}),
    }
    notes = Notes("A toy", "made up", (), "pytest")
    return derived(open_artifact(folder), changed, notes, root, "2026-11-22")
