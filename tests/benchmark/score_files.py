"""A run folder made by hand: two kinds of generators, sources, a detector, baselines."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tellsign.benchmark import scores
from tellsign.benchmark.audit import ZERO_PIXEL
from tellsign.benchmark.run import CONCLUSION, META, SCORES
from tellsign.benchmark.scores import ScoreRow

SETTINGS: Mapping[str, Any] = {
    "kind": "conditions",
    "description": "A toy.",
    "question": "synthetic",
    "split": "train",
    "conditions": ["hard", "norm"],
    "sizes": "own",
    "least_side": 0,
}
# Group -> dataset and label.
GROUPS = {
    "gan_a": ("toy/photo", 1),
    "gan_b": ("toy/photo", 1),
    "gan_c": ("toy/art", 1),
    "gan_d": ("toy/art", 1),
    "cam_a": ("toy/photo", 0),
    "cam_b": ("toy/photo", 0),
    "cam_c": ("toy/photo", 0),
}
EACH = 32


def rows(shift: float = 2.0, seed: int = 0) -> list[ScoreRow]:
    """`shift` standard deviations between the classes in norm, half of it in hard."""
    rng = np.random.default_rng(seed)
    made = []
    for condition, gap in (("hard", shift / 2), ("norm", shift)):
        for group, (dataset, label) in GROUPS.items():
            for n in range(EACH):
                ratio = round(float(rng.normal(gap * (label - 0.5), 0.4)), 6)
                key = f"{group}/{n}.png"
                made.append(ScoreRow(dataset, key, group, condition, label, ratio, ratio, "ok", ""))
    return made


def write(folder: Path, detectors: Mapping[str, Sequence[ScoreRow]], **settings: object) -> Path:
    """Score and meta files, as a run leaves them."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, own in detectors.items():
        meta = {
            "protocol": "toy",
            "detector": name,
            "settings": {**SETTINGS, **settings},
            "command": "tellsign bench run toy",
            "commit": "c0ffee",
            "moderate": 1.0,
            "thresholds_used": {"norm": 0.0, "hard": 0.0},
        }
        scores.write(folder / f"{name}{SCORES}", own)
        (folder / f"{name}{META}").write_text(json.dumps(meta), "utf-8")
    return folder


def complete(folder: Path, conclusion: Sequence[ScoreRow], **settings: object) -> Path:
    """A conclusion, a detector turned the wrong way round on gan_b, and a blind baseline."""
    turned = [
        r if r.group != "gan_b" or r.score is None else _scored(r, -r.score - 2)
        for r in rows(seed=1)
    ]
    blind = [_scored(r, float(n % 7)) for n, r in enumerate(rows())]
    every = {CONCLUSION: conclusion, "turned": turned, ZERO_PIXEL: blind}
    return write(folder, every, **settings)


def _scored(row: ScoreRow, score: float) -> ScoreRow:
    return ScoreRow(
        row.dataset, row.key, row.group, row.condition, row.label, score, None, "ok", ""
    )
