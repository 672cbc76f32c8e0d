"""Teach a linear head one more generator without losing what it knew.

A correction is added to the head: ridge logistic regression, with the head's own score as offset,
on the examples, the pristine pictures given with them, and a memory of both classes of old, which
holds the head where it was. How much ridge it needs, and how much the memory weighs, are chosen by
cross-fitting: folds leave out new pictures and whole groups of the memory together, so that both
figures, better here and no worse elsewhere, are honest.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import product

import numpy as np
from numpy.typing import NDArray

from tellsign.benchmark.metrics import Interval, auc, tpr_at_fpr
from tellsign.errors import UsageError
from tellsign.training.head import Flags, Floats, Head, Memory, Names, Rows

FOLDS = 5
# Ridge on the correction, in units where a standardised embedding has a length of about one: from
# "hardly there" to "free" for the hundreds of crops of twenty examples.
PENALTIES = (0.1, 0.03, 0.01, 0.003, 0.001, 0.0003, 0.0001)
# Shares of the loss: examples, pristine pictures given with them, pristine and generated rows of
# the memory. The second holds on more firmly.
SHARES = ((0.3, 0.2, 0.25, 0.25), (0.2, 0.15, 0.3, 0.35))
# Largest loss of mean AUC over the memory's groups; issue of the guard.
TOLERATED = 0.01
LEAST = 10  # new pictures of each class
RESAMPLED = 500  # times the test pictures are drawn anew for an interval


@dataclass(frozen=True, slots=True, eq=False)
class Cases:
    """New material: crops, and for each laundered picture what it is.

    Parameters
    ----------
    rows : (c, D) float32
        Embeddings of crops.
    units : (c,) int64
        Which laundered picture a crop is of: index into the following.
    labels : (n,) bool
        True = made by the generator.
    pictures : (n,) str
        Which picture was laundered; its launderings are never split between folds.
    strata : (n,) str
        The calibration condition the laundered file fell into.
    """

    rows: Rows
    units: NDArray[np.int64]
    labels: Flags
    pictures: Names
    strata: Names

    def __post_init__(self) -> None:
        if len(self.rows) != len(self.units) or set(self.units) != set(range(len(self.labels))):
            raise UsageError("every laundered picture needs a crop, and every crop a picture")

    def take(self, chosen: Flags) -> Cases:
        """The laundered pictures marked in `chosen`, (n,) bool."""
        crops = chosen[self.units]
        renumbered = np.cumsum(chosen) - 1
        return Cases(
            self.rows[crops],
            renumbered[self.units[crops]],
            self.labels[chosen],
            self.pictures[chosen],
            self.strata[chosen],
        )

    def scores(self, head: Head) -> Floats:
        """The score of each laundered picture: mean over its crops."""
        return np.bincount(self.units, head(self.rows)) / np.bincount(self.units)

    def count(self, label: bool) -> int:
        """Pictures, not launderings of them."""
        return len(np.unique(self.pictures[self.labels == label]))


@dataclass(frozen=True, slots=True, eq=False)
class Choice:
    """The chosen head with its cross-fitted figures.

    `scores` are those of the new cases, each by a head that never saw its picture; `elsewhere` is
    the mean AUC over the memory's generator groups, each by a head that never saw the group.
    """

    head: Head
    penalty: float
    scores: Floats
    elsewhere_before: float
    elsewhere_after: float

    @property
    def forgets(self) -> bool:
        return self.elsewhere_before - self.elsewhere_after > TOLERATED


@dataclass(frozen=True, slots=True)
class Point:
    """One place of a learning curve: means over rounds. `examples` 0 is the base.

    Intervals are over the test's pictures, each class by itself.
    """

    examples: int
    auc: Interval
    tpr: Interval  # at 5 % false alarms
    elsewhere: float


def choose(
    head: Head, cases: Cases, memory: Memory, seed: int = 0, penalties: Sequence[float] = PENALTIES
) -> Choice:
    """Cross-fit every penalty and every set of shares, and refit with the best that keeps the old.

    The best has the least logarithmic loss on the new cases. Where all forget, the one that forgets
    least is returned: see `Choice.forgets`.

    Raises UsageError when there are fewer than `LEAST` pictures of a class or when the embeddings
    have another length than the head.
    """
    _check(head, cases, memory)
    rng = np.random.default_rng(seed)
    new, old = _folds(cases, rng), _memory_folds(memory, rng)
    before = elsewhere(head(memory.rows), memory)
    best: tuple[tuple[float, float], Choice] | None = None
    for penalty, shares in product(penalties, SHARES):
        scores, recalled = np.zeros(len(cases.labels)), np.zeros(len(memory.rows))
        for fold in range(FOLDS):
            kept = cases.take(new != fold), memory.take(old != fold)
            fitted = refit(head, *kept, penalty, shares)
            scores[new == fold] = cases.take(new == fold).scores(fitted)
            recalled[old == fold] = fitted(memory.rows[old == fold])
        after = elsewhere(recalled, memory)
        found = Choice(head, penalty, scores, before, after)
        rank = (0.0, after) if found.forgets else (1.0, -_loss(scores, cases.labels))
        if best is None or rank > best[0]:
            best = (rank, replace(found, head=refit(head, cases, memory, penalty, shares)))
    assert best is not None
    return best[1]


def refit(
    head: Head,
    cases: Cases,
    memory: Memory,
    penalty: float,
    shares: tuple[float, float, float, float] = SHARES[0],
) -> Head:
    """The head plus a correction fitted on new cases and the memory; `shares` as in `SHARES`."""
    from scipy.optimize import minimize

    rows = np.concatenate([cases.rows, memory.rows])
    labels = np.concatenate([cases.labels[cases.units], memory.labels])
    weights = _weights(cases, memory, shares)
    z = head.standardised(rows)
    centre, unit = z.mean(axis=0), (z.std(axis=0) + 1e-6) * np.sqrt(head.width)
    x = (z - centre) / unit
    base, sign = head(rows), np.where(labels, 1.0, -1.0)

    def cost(correction: Floats) -> tuple[float, Floats]:
        own = correction[:-1]
        margin = sign * (base + x @ own + correction[-1])
        slope = -weights * sign / (1 + np.exp(np.clip(margin, -30, 30)))
        gradient = np.append(x.T @ slope + penalty * own, slope.sum())
        return float(weights @ np.logaddexp(0.0, -margin) + penalty / 2 * (own @ own)), gradient

    start = np.zeros(head.width + 1)
    found = np.asarray(minimize(cost, start, jac=True, method="L-BFGS-B").x, np.float64)
    weight = found[:-1] / unit
    return head.plus(weight, float(found[-1] - weight @ centre))


def _weights(cases: Cases, memory: Memory, shares: tuple[float, float, float, float]) -> Floats:
    """Weights of crops, then of the memory's rows, with sum 1.

    Each laundered picture counts the same, however many its crops, and so does each group of the
    memory.
    """
    labels = cases.labels[cases.units]
    crops, rows = np.zeros(len(labels)), np.zeros(len(memory.labels))
    per_unit = np.bincount(cases.units)
    for label, share in zip((True, False), shares[:2], strict=True):
        each = (labels == label) / per_unit[cases.units]
        crops += share * each / each.sum()
    for label, share in zip((False, True), shares[2:], strict=True):
        of_class = np.flatnonzero(memory.labels == label)
        _, which, size = np.unique(memory.groups[of_class], return_inverse=True, return_counts=True)
        rows[of_class] = share / (len(size) * size[which])
    weights = np.concatenate([crops, rows])
    return np.asarray(weights / weights.sum(), np.float64)


def elsewhere(scores: Floats, memory: Memory) -> float:
    """Mean over generator groups of the AUC against all pristine rows of the memory."""
    pristine = scores[~memory.labels]
    values = []
    for name in np.unique(memory.groups[memory.labels]):
        group = scores[memory.labels & (memory.groups == name)]
        truth = np.repeat([True, False], [len(group), len(pristine)])
        values.append(auc(np.concatenate([group, pristine]), truth))
    return float(np.mean(values))


def learning_curve(
    head: Head,
    memory: Memory,
    train: Cases,
    test: Cases,
    sizes: Sequence[int] = (10, 20, 50, 100, 200),
    rounds: int = 5,
    seed: int = 0,
) -> tuple[Point, ...]:
    """How the detection of one generator grows with the number of its examples.

    In each round, examples are drawn from `train` and the head is refitted with all of its
    pristine pictures; `test`, with other pictures, is scored. Sizes beyond what there is are left
    out.
    """
    rng = np.random.default_rng(seed)
    names = np.unique(train.pictures[train.labels])
    points = [_point(0, [head], [elsewhere(head(memory.rows), memory)], test)]
    for size in (s for s in sizes if s <= len(names)):
        choices = []
        for turn in range(rounds):
            drawn = rng.choice(names, size, replace=False)
            part = train.take(~train.labels | np.isin(train.pictures, drawn))
            choices.append(choose(head, part, memory, seed + turn))
        heads = [c.head for c in choices]
        points.append(_point(size, heads, [c.elsewhere_after for c in choices], test))
    return tuple(points)


def _point(size: int, heads: Sequence[Head], others: Sequence[float], test: Cases) -> Point:
    scores = [test.scores(head) for head in heads]
    return Point(
        size,
        _resampled(auc, scores, test),
        _resampled(lambda s, labels: tpr_at_fpr(s, labels, 0.05), scores, test),
        float(np.mean(others)),
    )


def _resampled(
    metric: Callable[[Floats, Flags], float], scores: Sequence[Floats], test: Cases
) -> Interval:
    """Mean of a metric over rounds, with the interval of drawing the test's pictures anew."""
    rng = np.random.default_rng(0)
    members = [
        [np.flatnonzero(test.pictures == name) for name in np.unique(test.pictures[of_class])]
        for of_class in (test.labels, ~test.labels)
    ]

    def mean(rows: NDArray[np.int64]) -> float:
        return float(np.mean([metric(s[rows], test.labels[rows]) for s in scores]))

    values = []
    for _ in range(RESAMPLED):
        drawn = [m[i] for m in members for i in rng.integers(len(m), size=len(m))]
        values.append(mean(np.concatenate(drawn)))
    low, high = np.percentile(values, [2.5, 97.5])
    pictures = sum(map(len, members))
    return Interval(mean(np.arange(len(test.labels))), float(low), float(high), pictures)


def _check(head: Head, cases: Cases, memory: Memory) -> None:
    for label, what in ((True, "examples"), (False, "pristine pictures")):
        if (n := cases.count(label)) < LEAST:
            raise UsageError(f"{n} usable {what}; at least {LEAST} are needed")
    if {cases.rows.shape[1], memory.rows.shape[1]} != {head.width}:
        raise UsageError(f"embeddings do not have the head's {head.width} values")


def _loss(scores: Floats, labels: Flags) -> float:
    """Mean logarithmic loss, both classes weighing the same.

    Rates of detection end at 1 for the few pictures there are, and leave the choice to chance.
    """
    losses = np.logaddexp(0.0, np.where(labels, -scores, scores))
    return float((losses[labels].mean() + losses[~labels].mean()) / 2)


def _folds(cases: Cases, rng: np.random.Generator) -> Floats:
    """Fold of each laundered picture; pictures are kept whole and both classes spread evenly."""
    folds = np.zeros(len(cases.labels))
    for label in (True, False):
        names = rng.permutation(np.unique(cases.pictures[cases.labels == label]))
        for i, name in enumerate(names):
            folds[(cases.pictures == name) & (cases.labels == label)] = i % FOLDS
    return folds


def _memory_folds(memory: Memory, rng: np.random.Generator) -> Floats:
    """Fold of each row: whole groups, or single rows where a class has too few groups."""
    folds = np.zeros(len(memory.rows))
    for label in (True, False):
        rows = np.flatnonzero(memory.labels == label)
        names = rng.permutation(np.unique(memory.groups[rows]))
        if len(names) < FOLDS:
            folds[rng.permutation(rows)] = np.arange(len(rows)) % FOLDS
        for i, name in enumerate(names if len(names) >= FOLDS else ()):
            folds[rows[memory.groups[rows] == name]] = i % FOLDS
    return folds
