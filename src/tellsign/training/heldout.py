"""How well scores tell pictures of held-out generators from held-out photographs."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tellsign.benchmark.metrics import auc, tpr_at_fpr
from tellsign.training.bank import Row

REPORTED = ("norm", "web", "hard")
NEAR_CHANCE = 0.6  # AUC; what is below is told among the known failures


@dataclass(frozen=True, slots=True)
class Measured:
    """One generator under one condition, against all pristine pictures under that condition."""

    group: str
    condition: str
    auc: float
    tpr: float  # at 5 % of false alarms
    n_for: int
    n_against: int


def measure(rows: Sequence[Row], scores: NDArray[np.floating]) -> list[Measured]:
    """AUC and TPR of every group with generated pictures and every condition.

    Crops of one picture are averaged. `scores` are those of `rows`, one each. Reconstructions
    are not counted: they are no generator's pictures.
    """
    pictures: dict[tuple[str, str], list[float]] = defaultdict(list)
    about: dict[tuple[str, str], Row] = {}
    for row, score in zip(rows, scores, strict=True):
        if row.label and row.pair:
            continue
        pictures[row.picture, row.condition].append(float(score))
        about[row.picture, row.condition] = row
    sets: dict[tuple[str, str], list[float]] = defaultdict(list)
    for key, values in pictures.items():
        row = about[key]
        sets[row.group if row.label else "", row.condition].append(float(np.mean(values)))
    found = []
    for (group, condition), positives in sorted(sets.items()):
        negatives = sets.get(("", condition), [])
        if not group or not negatives:
            continue
        both = np.array(positives + negatives)
        labels = np.arange(len(both)) < len(positives)
        found.append(
            Measured(
                group,
                condition,
                round(auc(both, labels), 4),
                round(tpr_at_fpr(both, labels, 0.05), 4),
                len(positives),
                len(negatives),
            )
        )
    return found


def means(found: Sequence[Measured]) -> dict[str, tuple[float, float]]:
    """Condition -> mean AUC and mean TPR over groups, each group counted once."""
    out = {}
    for condition in sorted({m.condition for m in found}):
        part = [m for m in found if m.condition == condition]
        out[condition] = (
            float(np.mean([m.auc for m in part])),
            float(np.mean([m.tpr for m in part])),
        )
    return out


def as_text(found: Sequence[Measured]) -> str:
    """For a card: the means, then each group's AUC under the conditions reported."""
    if not found:
        return "no held-out generator in the bank"
    average = means(found)
    told = [c for c in REPORTED if c in average]
    head = ", ".join(f"{c} {average[c][0]:.3f} / {average[c][1]:.3f}" for c in told)
    cells = {(m.group, m.condition): m for m in found}
    groups = "; ".join(
        f"{group} " + " / ".join(f"{m.auc:.2f}" for c in told if (m := cells.get((group, c))))
        for group in sorted({m.group for m in found})
    )
    return (
        f"Held-out generators against held-out pristine pictures, mean AUC / TPR at 5 % FPR: "
        f"{head}. AUC of each ({' / '.join(told)}): {groups}"
    )


def as_rows(found: Sequence[Measured]) -> list[dict[str, Any]]:
    return [asdict(m) for m in found]


def failures(found: Sequence[Measured]) -> list[str]:
    """Sentences for a card's known failures: generators near chance or on its wrong side."""
    told = []
    for condition in REPORTED:
        part = [m for m in found if m.condition == condition]
        below = [f"{m.group} ({m.auc:.2f})" for m in part if m.auc < 0.5]
        near = [f"{m.group} ({m.auc:.2f})" for m in part if 0.5 <= m.auc < NEAR_CHANCE]
        if below:
            told.append(f"Direction flips under {condition} (AUC): {', '.join(below)}.")
        if near:
            told.append(f"Near chance under {condition} (AUC): {', '.join(near)}.")
    return told


def groups_text(rows: Sequence[Row]) -> str:
    """For a card: which groups were trained on, with their numbers of pictures."""
    pictures: dict[tuple[int, str], set[str]] = defaultdict(set)
    for row in rows:
        made = f"reconstructions by {row.maker}" if row.label and row.pair else row.group
        pictures[row.label, made].add(row.picture)
    told = {
        label: ", ".join(f"{g} {len(p)}" for (k, g), p in sorted(pictures.items()) if k == label)
        for label in (1, 0)
    }
    return f"Generated pictures: {told[1]}. Pristine pictures: {told[0]}."
