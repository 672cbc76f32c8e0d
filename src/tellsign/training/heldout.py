"""How well scores tell pictures of held-out generators from held-out photographs."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tellsign.benchmark.metrics import Interval, Ranking, auc, tpr_at_fpr
from tellsign.training.bank import Row

Floats = NDArray[np.float64]

REPORTED = ("norm", "web", "hard")
NEAR_CHANCE = 0.6  # AUC; what is below is told among the known failures
ROUNDS = 200  # resamples of pictures behind an interval


@dataclass(frozen=True, slots=True, eq=False)
class Measured:
    """One generator under one condition, against all pristine pictures under that condition.

    `rounds` (2, R) holds AUC and TPR over resampled pictures of both classes; generators under one
    condition share the draws of the pristine pictures, so that their means can be resampled too.
    """

    group: str
    condition: str
    auc: float
    tpr: float  # at 5 % of false alarms
    n_for: int
    n_against: int
    rounds: Floats

    @property
    def auc_interval(self) -> Interval:
        """95 %, over pictures."""
        return _interval(self.auc, self.rounds[0], self.n_for + self.n_against)

    @property
    def tpr_interval(self) -> Interval:
        return _interval(self.tpr, self.rounds[1], self.n_for + self.n_against)


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
    rng = np.random.default_rng(0)
    drawn = {c: _drawn(len(v), rng) for (g, c), v in sorted(sets.items()) if not g}
    return [
        _measured(group, condition, positives, sets["", condition], drawn[condition], rng)
        for (group, condition), positives in sorted(sets.items())
        if group and condition in drawn
    ]


def _measured(
    group: str,
    condition: str,
    positives: Sequence[float],
    negatives: Sequence[float],
    against: Floats,
    rng: np.random.Generator,
) -> Measured:
    both = np.array([*positives, *negatives])
    labels = np.arange(len(both)) < len(positives)
    weights = np.concatenate([_drawn(len(positives), rng), against], axis=1)
    curves = Ranking.of(both, labels).roc(weights)
    return Measured(
        group,
        condition,
        round(auc(both, labels), 4),
        round(tpr_at_fpr(both, labels, 0.05), 4),
        len(positives),
        len(negatives),
        np.stack([curves.auc(), curves.tpr_at(0.05)]),
    )


def _drawn(n: int, rng: np.random.Generator) -> Floats:
    """(ROUNDS, n): how often each of n pictures is drawn."""
    return rng.multinomial(n, np.full(n, 1 / n), ROUNDS).astype(np.float64)


def _interval(value: float, rounds: Floats, n: int) -> Interval:
    low, high = np.percentile(rounds, [2.5, 97.5])
    return Interval(value, round(float(low), 4), round(float(high), 4), n)


def means(found: Sequence[Measured]) -> dict[str, tuple[Interval, Interval]]:
    """Condition -> mean AUC and mean TPR over groups, each group counted once.

    Their intervals are over pictures, with these groups: other generators differ by more. `n` is
    the number of groups.
    """
    out: dict[str, tuple[Interval, Interval]] = {}
    for condition in sorted({m.condition for m in found}):
        part = [m for m in found if m.condition == condition]
        rounds = np.mean([m.rounds for m in part], axis=0)
        values = np.mean([(m.auc, m.tpr) for m in part], axis=0)
        area, rate = (
            _interval(float(v), r, len(part)) for v, r in zip(values, rounds, strict=True)
        )
        out[condition] = (area, rate)
    return out


def as_text(found: Sequence[Measured], which: str = "held-out") -> str:
    """For a card: the means, then each group's AUC under the conditions reported.

    `which` says what the groups have in common.
    """
    if not found:
        return "no held-out generator in the bank"
    told = [c for c in REPORTED if c in {m.condition for m in found}]
    cells = {(m.group, m.condition): m for m in found}
    groups = "; ".join(
        f"{group} "
        + " / ".join(_told(m.auc_interval, 2) for c in told if (m := cells.get((group, c))))
        for group in sorted({m.group for m in found})
    )
    return (
        f"{which.capitalize()} generators against {which} pristine pictures, mean AUC / TPR at "
        f"5 % FPR [95 % over pictures]: {means_text(found)}. "
        f"AUC of each ({' / '.join(told)}): {groups}"
    )


def means_text(found: Sequence[Measured]) -> str:
    """Mean AUC / mean TPR of each condition reported, with intervals."""
    average = means(found)
    return ", ".join(
        f"{c} {_told(average[c][0], 3)} / {_told(average[c][1], 3)}"
        for c in REPORTED
        if c in average
    )


def _told(interval: Interval, digits: int) -> str:
    value, low, high = (f"{v:.{digits}f}" for v in (interval.value, interval.low, interval.high))
    return f"{value} [{low}, {high}]"


def as_rows(found: Sequence[Measured]) -> list[dict[str, Any]]:
    """For a table beside the card: values, numbers of pictures and 95 % intervals."""
    return [_row(m) for m in found]


def means_rows(found: Sequence[Measured]) -> dict[str, dict[str, float]]:
    """Condition -> means over generators with their 95 % intervals, as in `as_rows`."""
    return {
        condition: {
            "auc": round(area.value, 4),
            "auc_low": area.low,
            "auc_high": area.high,
            "tpr": round(rate.value, 4),
            "tpr_low": rate.low,
            "tpr_high": rate.high,
            "n": area.n,
        }
        for condition, (area, rate) in means(found).items()
    }


def _row(m: Measured) -> dict[str, Any]:
    area, rate = m.auc_interval, m.tpr_interval
    return {
        "group": m.group,
        "condition": m.condition,
        "auc": m.auc,
        "auc_low": area.low,
        "auc_high": area.high,
        "tpr": m.tpr,
        "tpr_low": rate.low,
        "tpr_high": rate.high,
        "n_for": m.n_for,
        "n_against": m.n_against,
    }


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
