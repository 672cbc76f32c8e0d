"""Metrics from whole arrays of scores, with intervals. Larger scores speak for the proposition."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Interval:
    """A value with its 95 % interval and the number of cases behind it."""

    value: float
    low: float
    high: float
    n: int

    def __str__(self) -> str:
        return f"{self.value:.3f} [{self.low:.3f}, {self.high:.3f}] (n = {self.n})"


def auc(scores: Floats, labels: Flags) -> float:
    """Area under the ROC curve; ties count one half (Mann and Whitney 1947)."""
    from scipy.stats import rankdata

    n_for, n_against = int(labels.sum()), int((~labels).sum())
    if not n_for or not n_against:
        raise ValueError("AUC needs both classes")
    ranks = rankdata(scores)
    return float((ranks[labels].sum() - n_for * (n_for + 1) / 2) / (n_for * n_against))


def tpr_at_fpr(scores: Floats, labels: Flags, fpr: float) -> float:
    """Largest share of positives above a threshold that at most `fpr` of negatives exceed."""
    negatives = np.sort(scores[~labels])[::-1]
    threshold = negatives[int(np.floor(fpr * len(negatives)))]
    return float((scores[labels] > threshold).mean())


def balanced_accuracy(scores: Floats, labels: Flags, threshold: float) -> float:
    """Mean of both classes' accuracy at a threshold fixed on another set."""
    above = scores >= threshold
    return float((above[labels].mean() + (~above[~labels]).mean()) / 2)


def proportion(hits: int, n: int) -> Interval:
    """A share with its exact interval (Clopper and Pearson 1934, DOI:10.1093/biomet/26.4.404)."""
    from scipy.stats import beta

    if not 0 <= hits <= n or n == 0:
        raise ValueError(f"{hits} of {n} is no proportion")
    low = 0.0 if hits == 0 else float(beta.ppf(0.025, hits, n - hits + 1))
    high = 1.0 if hits == n else float(beta.ppf(0.975, hits + 1, n - hits))
    return Interval(hits / n, low, high, n)


def bootstrap(
    metric: Callable[[Floats, Flags], float],
    scores: Floats,
    labels: Flags,
    *,
    rounds: int = 1000,
    seed: int = 0,
) -> Interval:
    """Percentile interval of a metric, resampling each class by itself."""
    rng = np.random.default_rng(seed)
    classes = [np.flatnonzero(labels), np.flatnonzero(~labels)]
    values = []
    for _ in range(rounds):
        rows = np.concatenate([rng.choice(c, len(c)) for c in classes])
        values.append(metric(scores[rows], labels[rows]))
    low, high = np.percentile(values, [2.5, 97.5])
    return Interval(metric(scores, labels), float(low), float(high), len(scores))


def pixel_f1(predicted: Flags, truth: Flags) -> float:
    """F1 of a mask; 1 when both are empty."""
    both = int((predicted & truth).sum())
    total = int(predicted.sum()) + int(truth.sum())
    return 2 * both / total if total else 1.0
