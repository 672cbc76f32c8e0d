"""Metrics from whole arrays of scores, with intervals. Larger scores speak for the proposition."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from tellsign.calibration.assess import expected_calibration_error
from tellsign.calibration.calibrators import fit_logistic

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


# --- weighted, many weightings at once ---------------------------------------------------------


@dataclass(frozen=True, slots=True, eq=False)
class Ranking:
    """Scores in falling order, equal scores in one block.

    Sorted once, it gives the ROC curve under any number of weightings: those of a bootstrap, or
    those that let each group count once.
    """

    order: NDArray[np.intp]
    labels: Flags  # (n,) in that order
    starts: NDArray[np.intp]  # (b,) first row of each block

    @classmethod
    def of(cls, scores: Floats, labels: Flags) -> Self:
        """Raises ValueError unless both classes occur."""
        if not labels.any() or labels.all():
            raise ValueError("a ranking needs both classes")
        order = np.argsort(-scores, kind="stable")
        falling = scores[order]
        starts = np.flatnonzero(np.r_[True, falling[1:] != falling[:-1]])
        return cls(order, labels[order], starts)

    def roc(self, weights: Floats) -> Roc:
        """Curves of (R, n) weights, which need not sum to anything."""
        sorted_weights = weights[:, self.order]
        rates = []
        for of_class in (self.labels, ~self.labels):
            mass = np.add.reduceat(np.where(of_class, sorted_weights, 0.0), self.starts, axis=1)
            risen = np.cumsum(mass, axis=1)
            rates.append(risen / risen[:, -1:])
        return Roc(*rates)


@dataclass(frozen=True, slots=True, eq=False)
class Roc:
    """(R, b) true and false positive rates from the strictest threshold to the laxest."""

    tpr: Floats
    fpr: Floats

    def auc(self) -> Floats:
        steps = np.diff(self.fpr, axis=1, prepend=0.0)
        before = self.tpr - np.diff(self.tpr, axis=1, prepend=0.0)
        return np.asarray((steps * (before + self.tpr) / 2).sum(axis=1))

    def average_precision(self) -> Floats:
        """AP at even prior: both classes weigh the same, however many pictures each has."""
        gains = np.diff(self.tpr, axis=1, prepend=0.0)
        total = self.tpr + self.fpr
        precision = np.divide(self.tpr, total, out=np.zeros_like(total), where=total > 0)
        return np.asarray((gains * precision).sum(axis=1))

    def tpr_at(self, fpr: float) -> Floats:
        """Largest true positive rate that at most `fpr` of the negatives pay for."""
        # Sums of weights miss a round share by some units in the last place.
        return np.asarray(np.where(self.fpr <= fpr + 1e-9, self.tpr, 0.0).max(axis=1))

    def equal_error_rate(self) -> Floats:
        """Where false positives and misses are equally frequent, interpolated linearly."""
        zero = np.zeros((len(self.tpr), 1))
        tpr, fpr = (np.concatenate([zero, r], axis=1) for r in (self.tpr, self.fpr))
        gap = fpr - (1 - tpr)  # from -1 to 1
        after = np.maximum((gap >= 0).argmax(axis=1), 1)
        rows = np.arange(len(gap))
        low, high = gap[rows, after - 1], gap[rows, after]
        share = -low / (high - low)
        start = fpr[rows, after - 1]
        return np.asarray(start + share * (fpr[rows, after] - start))

    def best_balanced(self) -> tuple[int, float]:
        """Block after which to cut, and the balanced accuracy there, of the first weighting."""
        balanced = (self.tpr[0] + 1 - self.fpr[0]) / 2
        best = int(balanced.argmax())
        return best, float(balanced[best])


def threshold_of_even_odds(scores: Floats, labels: Flags, weights: Floats) -> float:
    """Where logistic regression gives either class even odds; `best_threshold` where it does not.

    A maximum over few groups follows their accidents; a curve of two parameters changes less from
    one set of groups to the next.
    """
    knots, llr = fit_logistic(scores, labels, weights)
    if not llr[0] < 0 < llr[-1]:
        return best_threshold(scores, labels, weights)
    return float(np.interp(0.0, llr, knots))


def best_threshold(scores: Floats, labels: Flags, weights: Floats) -> float:
    """Threshold of the highest weighted balanced accuracy, midway to the next lower score."""
    ranking = Ranking.of(scores, labels)
    block, _ = ranking.roc(weights[None]).best_balanced()
    falling = scores[ranking.order][ranking.starts]
    return float(falling[block : block + 2].mean())


def brier(llr: Floats, labels: Flags, weights: Floats) -> float:
    """Mean squared error of the posterior at even prior odds (Brier 1950)."""
    return float(np.average((_posterior(llr) - labels) ** 2, weights=weights))


def chance_calibration_error(llr: Floats, labels: Flags, seed: int = 0) -> Interval:
    """ECE that ratios without any error would show on as many pictures: median and 95 % range.

    ECE is never below zero, so few pictures a bin make one up. Ratios are drawn anew from these,
    both classes alike often, and each gets the label that its posterior says.
    """
    rng = np.random.default_rng(seed)
    weights = np.where(labels, 0.5 / labels.sum(), 0.5 / (~labels).sum())
    found = []
    for _ in range(200):
        drawn = rng.choice(llr, len(llr), p=weights)
        told = rng.random(len(llr)) < _posterior(drawn)
        if told.any() and not told.all():
            found.append(expected_calibration_error(drawn, told))
    low, middle, high = np.percentile(found, [2.5, 50, 97.5]) if found else (0.0, 0.0, 0.0)
    return Interval(float(middle), float(low), float(high), len(llr))


def negative_log_likelihood(llr: Floats, labels: Flags, weights: Floats) -> float:
    """Mean natural logarithmic loss of the posterior at even prior odds."""
    natural = np.where(labels, -llr, llr) * np.log(10.0)
    return float(np.average(np.logaddexp(0.0, natural), weights=weights))


def _posterior(llr: Floats) -> Floats:
    return np.asarray(1 / (1 + 10.0 ** -np.clip(llr, -30, 30)))
