"""Score rows -> tidy metrics, each with its interval: all that tables and plots are made of.

Each group counts once: among the pristine pictures, whose weights are shared out by group, and in
averages over generators. Intervals of one generator resample pictures within groups, those of an
average resample whole groups of both classes.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from tellsign.benchmark.metrics import (
    Interval,
    Ranking,
    Roc,
    brier,
    chance_calibration_error,
    negative_log_likelihood,
    proportion,
    threshold_of_even_odds,
)
from tellsign.benchmark.scores import ScoreRow
from tellsign.calibration.assess import cllr, expected_calibration_error
from tellsign.calibration.calibrators import balanced_weights, fit_isotonic

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

ROUNDS = 300  # bootstrap resamples
LEAST_GENERATED = 5  # pictures of a generator that enters the averages
LEAST_PRISTINE = 30  # of a source that may be the worst
ALL = ""  # the group of an average

RANKED: Mapping[str, Callable[[Roc], Floats]] = {
    "auc": Roc.auc,
    "ap": Roc.average_precision,
    "tpr_at_5": lambda roc: roc.tpr_at(0.05),
    "tpr_at_1": lambda roc: roc.tpr_at(0.01),
    "eer": Roc.equal_error_rate,
}
CALIBRATION = ("cllr", "cllr_min", "ece", "brier", "nll")


@dataclass(frozen=True, slots=True)
class Metric:
    """One number of one detector; `group` is empty for an average over groups."""

    detector: str
    version: str
    artifact: str
    dataset: str
    condition: str
    group: str
    metric: str
    value: float
    ci_low: float
    ci_high: float
    n: int
    abstained: int
    failed: int
    commit: str


COLUMNS = tuple(f.name for f in fields(Metric))


@dataclass(frozen=True, slots=True)
class Found:
    """A metric without the names that all metrics of a detector share."""

    dataset: str
    condition: str
    group: str
    metric: str
    interval: Interval
    abstained: int
    failed: int


def thresholds(rows: Sequence[ScoreRow], apart: Sequence[str]) -> dict[str, float]:
    """Condition -> threshold for balanced accuracy on other pictures, each group counting once."""
    found = {}
    for condition in sorted({r.condition for r in rows}):
        spoke = [r for r in _compared(rows, apart) if r.condition == condition]
        spoke = [r for r in spoke if r.score is not None]
        labels = _labels(spoke)
        if len(spoke) and labels.any() and not labels.all():
            groups = np.array([r.group for r in spoke], str)
            weights = balanced_weights(labels, groups)
            found[condition] = threshold_of_even_odds(_values(spoke), labels, weights)
    return found


def summarise(
    rows: Sequence[ScoreRow],
    *,
    apart: Sequence[str] = (),
    thresholds: Mapping[str, float] | None = None,
    moderate: float | None = None,
    rounds: int = ROUNDS,
) -> list[Found]:
    """Every metric of one detector's rows.

    Parameters
    ----------
    apart
        Pristine groups that are told by themselves and are nobody's negatives.
    thresholds
        Condition -> threshold fixed on another set; without it no balanced accuracy is told.
    moderate
        log10 likelihood ratio from which support counts as moderate.
    """
    found: list[Found] = []
    for condition in _in_order(r.condition for r in rows):
        here = [r for r in rows if r.condition == condition]
        fixed = (thresholds or {}).get(condition)
        pristine = [r for r in here if r.label == 0]
        negatives = [r for r in pristine if r.group not in apart]
        for dataset in _in_order(r.dataset for r in here if r.label == 1):
            positives = [r for r in here if r.label == 1 and r.dataset == dataset]
            part = _Part(dataset, condition, positives, negatives, fixed, moderate, rounds)
            found += part.metrics()
        found += _false_alarms(pristine, condition, fixed, moderate, apart)
    return found


def _in_order(names: Iterator[str]) -> list[str]:
    return list(dict.fromkeys(names))


def _compared(rows: Sequence[ScoreRow], apart: Sequence[str]) -> list[ScoreRow]:
    return [r for r in rows if r.label == 1 or r.group not in apart]


def _labels(rows: Sequence[ScoreRow]) -> Flags:
    return np.array([r.label == 1 for r in rows], bool)


def _values(rows: Sequence[ScoreRow]) -> Floats:
    return np.array([r.score for r in rows], float)


def _spoke(rows: Sequence[ScoreRow]) -> list[ScoreRow]:
    return [r for r in rows if r.score is not None]


def _count(rows: Sequence[ScoreRow], status: str) -> int:
    return sum(r.status == status for r in rows)


# --- one condition and style -------------------------------------------------------------------


class _Part:
    """The generated pictures of one data set against the pristine ones, under one condition."""

    def __init__(
        self,
        dataset: str,
        condition: str,
        positives: Sequence[ScoreRow],
        negatives: Sequence[ScoreRow],
        fixed: float | None,
        moderate: float | None,
        rounds: int,
    ) -> None:
        self.dataset, self.condition = dataset, condition
        self.positives, self.negatives = positives, negatives
        self.fixed, self.moderate, self.rounds = fixed, moderate, rounds
        self.rng = np.random.default_rng(0)
        self.names = [r.group for r in _spoke(negatives)]
        self.against = _values(_spoke(negatives))

    def metrics(self) -> list[Found]:
        every = [*self.positives, *self.negatives]
        total = Interval(len(_spoke(every)) / len(every), 0.0, 1.0, len(every))
        found = [self._found(ALL, "coverage", proportion(len(_spoke(every)), total.n), every)]
        by_group: dict[str, list[ScoreRow]] = defaultdict(list)
        for row in self.positives:
            by_group[row.group].append(row)
        for group, rows in by_group.items():
            share = proportion(len(_spoke(rows)), len(rows))
            found.append(self._found(group, "coverage", share, rows))
        spoke = {g: _spoke(rows) for g, rows in by_group.items() if _spoke(rows)}
        if spoke and len(self.against):
            found += self._ranked(spoke)
            found += self._calibrated()
        found += self._detected(by_group)
        return found

    def _found(
        self, group: str, metric: str, interval: Interval, rows: Sequence[ScoreRow]
    ) -> Found:
        absent = (_count(rows, "abstained"), _count(rows, "failed"))
        return Found(self.dataset, self.condition, group, metric, interval, *absent)

    def _ranked(self, spoke: Mapping[str, Sequence[ScoreRow]]) -> list[Found]:
        found: list[Found] = []
        within = self._resampled_pictures()
        between = self._resampled_groups()
        averaged: dict[str, list[Floats]] = defaultdict(list)
        for group, rows in spoke.items():
            scores = np.concatenate([_values(rows), self.against])
            labels = np.arange(len(scores)) < len(rows)
            ranking = Ranking.of(scores, labels)
            own = self.rng.multinomial(len(rows), np.full(len(rows), 1 / len(rows)), self.rounds)
            drawn = np.concatenate([np.ones((1, len(rows))), own])
            curves = ranking.roc(np.concatenate([drawn, within], axis=1))
            flat = np.ones((self.rounds + 1, len(rows)))
            averages = ranking.roc(np.concatenate([flat, between], axis=1))
            metrics = {**RANKED}
            values = {name: f(curves) for name, f in metrics.items()}
            means = {name: f(averages) for name, f in metrics.items()}
            if self.fixed is not None:
                above = scores >= self.fixed
                values["balanced_accuracy"] = _balanced(above, labels, drawn, within)
                means["balanced_accuracy"] = _balanced(above, labels, flat, between)
            for name, drawn_values in values.items():
                interval = _interval(drawn_values, len(scores))
                found.append(self._found(group, name, interval, self._rows(group)))
            if len(rows) >= LEAST_GENERATED:
                for name, drawn_values in means.items():
                    averaged[name].append(drawn_values)
        return self._averages(averaged) + found

    def _rows(self, group: str) -> list[ScoreRow]:
        return [r for r in self.positives if r.group == group] + list(self.negatives)

    def _averages(self, averaged: Mapping[str, Sequence[Floats]]) -> list[Found]:
        found = []
        for name, columns in averaged.items():
            values = np.stack(columns, axis=1)  # (rounds + 1, groups)
            count = values.shape[1]
            weights = self.rng.multinomial(count, np.full(count, 1 / count), self.rounds)
            drawn = np.r_[values[0].mean(), (values[1:] * weights).sum(axis=1) / count]
            every = [*self.positives, *self.negatives]
            found.append(self._found(ALL, name, _interval(drawn, count), every))
        return found

    def _resampled_pictures(self) -> Floats:
        """(rounds + 1, n) weights of the pristine pictures, each group's drawn within itself."""
        names = np.array(self.names, str)
        weights = np.zeros((self.rounds + 1, len(names)))
        for name in np.unique(names):
            rows = np.flatnonzero(names == name)
            weights[0, rows] = 1 / len(rows)
            drawn = self.rng.multinomial(len(rows), np.full(len(rows), 1 / len(rows)), self.rounds)
            weights[1:, rows] = drawn / len(rows)
        return weights

    def _resampled_groups(self) -> Floats:
        """(rounds + 1, n) weights of the pristine pictures, whole groups drawn."""
        names, place = np.unique(np.array(self.names, str), return_inverse=True)
        sizes = np.bincount(place)
        drawn = self.rng.multinomial(len(names), np.full(len(names), 1 / len(names)), self.rounds)
        by_group = np.concatenate([np.ones((1, len(names))), drawn])
        return np.asarray(by_group[:, place] / sizes[place])

    def _calibrated(self) -> list[Found]:
        rows = [r for r in (*self.positives, *self.negatives) if r.llr is not None]
        labels, groups = _labels(rows), np.array([r.group for r in rows], str)
        if not len(rows) or labels.all() or not labels.any():
            return []
        llr = np.array([r.llr for r in rows], float)
        names = [sorted(set(groups[labels == side].tolist())) for side in (True, False)]
        members = {(s, g): np.flatnonzero((groups == g) & (labels == s)) for s, side in
                   zip((True, False), names, strict=True) for g in side}  # fmt: skip
        drawn: dict[str, list[float]] = defaultdict(list)
        for draw in range(min(self.rounds, 100) + 1):
            picked, classes = [], []
            for side, of_class in zip((True, False), names, strict=True):
                chosen = of_class if draw == 0 else self.rng.choice(of_class, len(of_class))
                for name in chosen:
                    index = members[side, str(name)]
                    picked.append(index)
                    classes.append(np.full(len(index), 0.5 / (len(of_class) * len(index))))
            index, weights = np.concatenate(picked), np.concatenate(classes)
            for name, value in _costs(llr[index], labels[index], weights, draw == 0).items():
                drawn[name].append(value)
        every = [*self.positives, *self.negatives]
        chance = self._found(ALL, "ece_chance", chance_calibration_error(llr, labels), every)
        return [chance] + [
            self._found(ALL, name, _interval(np.array(drawn[name]), len(rows)), every)
            for name in CALIBRATION
        ]

    def _detected(self, by_group: Mapping[str, Sequence[ScoreRow]]) -> list[Found]:
        """Share of each generator's pictures with moderate support or stronger."""
        if self.moderate is None or not any(r.llr is not None for r in self.positives):
            return []
        found, shares = [], []
        for group, rows in by_group.items():
            hits = sum(r.llr is not None and r.llr >= self.moderate for r in rows)
            shares.append(hits / len(rows))
            interval = proportion(hits, len(rows))
            found.append(self._found(group, "detected_moderate", interval, rows))
        drawn = [float(np.mean(shares))]
        drawn += [float(np.mean(self.rng.choice(shares, len(shares)))) for _ in range(self.rounds)]
        mean = _interval(np.array(drawn), len(shares))
        return [self._found(ALL, "detected_moderate", mean, self.positives), *found]


def _balanced(above: Flags, labels: Flags, positive: Floats, negative: Floats) -> Floats:
    """Balanced accuracy of each weighting of either class."""
    hits = (positive * above[labels]).sum(axis=1) / positive.sum(axis=1)
    spared = (negative * ~above[~labels]).sum(axis=1) / negative.sum(axis=1)
    return np.asarray((hits + spared) / 2)


def _costs(llr: Floats, labels: Flags, weights: Floats, first: bool) -> dict[str, float]:
    costs = {
        "cllr": cllr(llr, labels, weights),
        "ece": expected_calibration_error(llr, labels),
        "brier": brier(llr, labels, weights),
        "nll": negative_log_likelihood(llr, labels, weights),
    }
    if first:  # the best monotone map is slow to fit, so its cost has no interval
        knots, best = fit_isotonic(llr, labels, weights)
        costs["cllr_min"] = cllr(np.interp(llr, knots, best), labels, weights)
    return costs


def _interval(drawn: Floats, n: int) -> Interval:
    """The first value with the middle 95 % of the others."""
    low, high = np.percentile(drawn[1:], [2.5, 97.5]) if len(drawn) > 1 else (drawn[0], drawn[0])
    return Interval(float(drawn[0]), float(low), float(high), n)


def _false_alarms(
    pristine: Sequence[ScoreRow],
    condition: str,
    fixed: float | None,
    moderate: float | None,
    apart: Sequence[str],
) -> list[Found]:
    """Share of each source's pristine pictures accused; silence accuses nobody."""
    rules: dict[str, Callable[[ScoreRow], bool]] = {}
    if moderate is not None and any(r.llr is not None for r in pristine):
        rules["fpr_moderate"] = lambda r: r.llr is not None and r.llr >= moderate
    if fixed is not None:
        rules["fpr_threshold"] = lambda r: r.score is not None and r.score >= fixed
    found = []
    groups = _in_order(r.group for r in pristine)
    for metric, accused in rules.items():
        shares: dict[str, Interval] = {}
        for group in groups:
            rows = [r for r in pristine if r.group == group and r.status != "failed"]
            if rows:
                shares[group] = proportion(sum(map(accused, rows)), len(rows))
        for group, share in shares.items():
            own = [r for r in pristine if r.group == group]
            absent = (_count(own, "abstained"), _count(own, "failed"))
            found.append(Found(own[0].dataset, condition, group, metric, share, *absent))
        mean = [s.value for g, s in shares.items() if g not in apart]
        if mean:
            rng = np.random.default_rng(0)
            drawn = [np.mean(mean), *(np.mean(rng.choice(mean, len(mean))) for _ in range(ROUNDS))]
            absent = (_count(pristine, "abstained"), _count(pristine, "failed"))
            average = _interval(np.array(drawn), len(mean))
            found.append(Found(pristine[0].dataset, condition, ALL, metric, average, *absent))
    return found


def worst(found: Sequence[Found], metric: str, condition: str) -> Found | None:
    """The source accused most often, of those with enough pictures to say so."""
    rows = [
        f
        for f in found
        if (f.metric, f.condition) == (metric, condition)
        and f.group != ALL
        and f.interval.n >= LEAST_PRISTINE
    ]
    return max(rows, key=lambda f: f.interval.value, default=None)
