"""Linear probes on arrays: ridge regression for wide features, logistic regression for narrow.

Both standardise by the training set and fold that into weights and bias, so that a stored probe is
one vector and one number. numpy and scipy only.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Features = NDArray[np.floating]

# A coefficient that hardly varies in training must not be blown up by its own deviation.
LEAST_DEVIATION = 1e-3
_CHUNK = 4096  # columns standardised at a time; wide features are kept in half precision


@dataclass(frozen=True, slots=True, eq=False)
class LinearProbe:
    """score = features @ weights + bias; positive speaks for label 1."""

    weights: Floats  # (d,)
    bias: float

    def score(self, features: Features) -> Floats:
        """(n, d) -> (n,)."""
        return np.asarray(features @ self.weights + self.bias, np.float64)


def balanced_weights(groups: Sequence[str], labels: Sequence[int]) -> Floats:
    """(n,) weights of mean 1: both labels count alike, and within a label every group does."""
    sizes = Counter(zip(groups, labels, strict=True))
    number = Counter(label for _, label in sizes)
    weights = np.array(
        [1.0 / (sizes[g, y] * number[y]) for g, y in zip(groups, labels, strict=True)]
    )
    return np.asarray(weights / weights.mean(), np.float64)


def fit_ridge(
    features: Features, labels: NDArray[np.integer], weights: Floats, strength: float
) -> LinearProbe:
    """Weighted least squares to +1 and -1 with an L2 penalty, solved in the smaller space.

    Parameters
    ----------
    features : (n, d)
        Half precision will do; they are standardised in single precision.
    labels : (n,) of 0 and 1
    weights : (n,)
        Of mean 1.
    strength
        Penalty per case, times the mean squared length of a standardised row: it means the same
        for every d. Frank's probe has an L2 penalty of 0.01 on a logistic loss.
    """
    n, d = features.shape
    mean, deviation = moments(features, weights)
    root = np.sqrt(weights)
    target = root * (2.0 * labels - 1.0)
    gram = np.zeros((min(n, d), min(n, d)))
    if d < n:
        rows = ((features - mean) / deviation) * root[:, None]
        gram += rows.T @ rows
        gram.flat[:: d + 1] += strength * np.trace(gram) / d
        solved = np.linalg.solve(gram, rows.T @ target)
    else:
        for part in _parts(d):
            rows32 = _standard(features, mean, deviation, root, part)
            gram += rows32 @ rows32.T
        gram.flat[:: n + 1] += strength * np.trace(gram) / n
        dual = np.linalg.solve(gram, target).astype(np.float32)
        solved = np.concatenate(
            [_standard(features, mean, deviation, root, p).T @ dual for p in _parts(d)]
        )
    folded = np.asarray(solved, np.float64) / deviation
    return LinearProbe(folded, -float(folded @ mean))


def fit_logistic(
    features: Features,
    labels: NDArray[np.integer],
    weights: Floats,
    strength: float,
    *,
    positive: bool = False,
) -> LinearProbe:
    """Weighted logistic regression with an L2 penalty on standardised weights; bias is free.

    `strength` is per case: 1 / (n C) of the usual notation. With `positive` no weight falls below
    0: for features that are scores, whose direction is known.
    """
    from scipy.optimize import minimize

    mean, deviation = moments(features, weights)
    x = (np.asarray(features, np.float64) - mean) / deviation
    sign = 2.0 * labels - 1.0
    share = weights / weights.sum()

    def loss(theta: Floats) -> tuple[float, Floats]:
        margin = sign * (x @ theta[:-1] + theta[-1])
        pull = -share * sign / (1.0 + np.exp(np.clip(margin, -500, 500)))
        value = float(share @ np.logaddexp(0.0, -margin)) + 0.5 * strength * float(
            theta[:-1] @ theta[:-1]
        )
        return value, np.append(x.T @ pull + strength * theta[:-1], pull.sum())

    start = np.zeros(x.shape[1] + 1)
    bounds = [(0.0 if positive else None, None)] * x.shape[1] + [(None, None)]
    found = minimize(
        loss, start, jac=True, method="L-BFGS-B", bounds=bounds, options={"maxiter": 300}
    )
    best = found.x
    folded = np.asarray(best[:-1]) / deviation
    return LinearProbe(folded, float(best[-1]) - float(folded @ mean))


def moments(features: Features, weights: Floats) -> tuple[Floats, Floats]:
    """Weighted mean and deviation of each column, the deviation at least `LEAST_DEVIATION`."""
    share = (weights / weights.sum()).astype(np.float32)
    mean, deviation = (np.empty(features.shape[1]) for _ in range(2))
    for part in _parts(features.shape[1]):
        columns = np.asarray(features[:, part], np.float32)
        mean[part] = share @ columns
        deviation[part] = np.sqrt(share @ np.square(columns - mean[part].astype(np.float32)))
    return mean, np.maximum(deviation, LEAST_DEVIATION)


def _parts(columns: int) -> list[slice]:
    return [slice(i, i + _CHUNK) for i in range(0, columns, _CHUNK)]


def _standard(
    features: Features, mean: Floats, deviation: Floats, root: Floats, part: slice
) -> NDArray[np.float32]:
    centred = np.asarray(features[:, part], np.float32) - mean[part].astype(np.float32)
    scale = root.astype(np.float32)[:, None] / deviation[part].astype(np.float32)
    return np.asarray(centred * scale, np.float32)
