"""What can be told without looking: the zero-pixel baseline and the content null.

A detector's figure means nothing where a classifier that sees the file's size, shape and format
only, or the picture shrunk to 16 x 16 pixels, does as well. At a given size and quality the bytes
of a file tell how busy the picture is, which is content; so a third baseline does without them.
All are ridge logistic regressions, cross-validated by groups: a fold's groups, of both classes, are
never in its training set.

Their scores are written like a detector's: the share of the fold's pristine pictures that a picture
exceeds, so that scores of different folds may stand in one file.
"""

from __future__ import annotations

import math
import random
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tellsign.calibration.calibrators import balanced_weights

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
Names = NDArray[np.str_]

ZERO_PIXEL, SHAPE_ONLY, CONTENT_NULL = "zero_pixel", "zero_pixel_no_bytes", "content_16x16"
BASELINES = (ZERO_PIXEL, SHAPE_ONLY, CONTENT_NULL)
FOLDS = 5
# Pull towards zero, in units of the mean loss; the shrunken picture has 768 columns.
RIDGE: Mapping[str, float] = {ZERO_PIXEL: 1e-3, SHAPE_ONLY: 1e-3, CONTENT_NULL: 1e-2}
# From here on the protocol leaks (evaluation rules: at most 0.55 in norm, web and hard).
LEAKS = 0.55


def features_of(baseline: str, prepared: Sequence[Mapping[str, Any]]) -> Floats:
    """(n, d) what a baseline sees of the `facts` and `thumb` of each picture."""
    if baseline == CONTENT_NULL:
        return content_features([p["thumb"] for p in prepared])
    facts = [p["facts"] for p in prepared]
    if baseline == SHAPE_ONLY:
        facts = [{**f, "bytes": 0} for f in facts]
    return file_features(facts)


def file_features(facts: Sequence[Mapping[str, Any]]) -> Floats:
    """(n, d) numbers of size, shape, format and compression; no pixel was looked at.

    Squares let a linear model tell a middle from both ends, as a square from a long shape.
    """
    numbers = []
    for f in facts:
        width, height = max(f["width"], 1), max(f["height"], 1)
        aspect = math.log(width / height)
        quality = f["quality"] if f["quality"] is not None else 0
        numbers.append(
            [
                math.log(f["bytes"] + 1),
                math.log(width),
                math.log(height),
                aspect,
                abs(aspect),
                float(width == height),
                f["bytes"] / (width * height),
                quality,
                float(f["quality"] is None),
                float(f["exif"]),
            ]
        )
    dense = np.array(numbers, float).reshape(len(facts), -1)
    kinds = sorted({(f["format"] or "", f["subsampling"]) for f in facts})
    coded = np.array(
        [[float((f["format"] or "", f["subsampling"]) == k) for k in kinds] for f in facts]
    ).reshape(len(facts), -1)
    return np.concatenate([dense, _standard(dense, dense) ** 2, coded], axis=1)


def content_features(thumbs: Sequence[str]) -> Floats:
    """(n, 768) grey levels of the shrunken pictures, 0 to 1."""
    return np.array([np.frombuffer(bytes.fromhex(t), np.uint8) for t in thumbs], float) / 255


def held_out_scores(
    features: Floats, labels: Flags, groups: Names, ridge: float, seed: int
) -> Floats | None:
    """(n,) scores from models that never saw the row's group; None with fewer than two groups.

    Parameters
    ----------
    features : (n, d) float64
    labels : (n,) bool
        Both classes in several groups each, or there is nothing to hold out.
    """
    folds = _folds(labels, groups, seed)
    if folds is None:
        return None
    scores = np.zeros(len(labels))
    for fold in np.unique(folds):
        out = folds == fold
        weights = balanced_weights(labels[~out], groups[~out])
        train, test = (_standard(features[~out], f) for f in (features[~out], features[out]))
        if train.shape[1] > len(train):
            # The ridge solution lies in the span of the rows: fewer columns, the same answer.
            basis = np.linalg.qr(train.T)[0]
            train, test = train @ basis, test @ basis
        w = _logistic(_with_one(train), labels[~out], weights, ridge)
        raw = _with_one(test) @ w
        pristine = balanced_weights(labels[out], groups[out]) * ~labels[out]
        scores[out] = exceeded(raw, raw, pristine)
    return scores


def _folds(labels: Flags, groups: Names, seed: int) -> NDArray[np.int64] | None:
    """Fold of each row: the groups of either class dealt out in a drawn order.

    None unless every fold has both classes, and leaves both for training.
    """
    names = [sorted(set(groups[labels == label].tolist())) for label in (False, True)]
    count = min(FOLDS, *map(len, names))
    place: dict[str, int] = {}
    for label, of_class in zip((False, True), names, strict=True):
        dealt = random.Random(f"{seed} {label}").sample(of_class, len(of_class))
        fresh = [name for name in dealt if name not in place]
        place.update({name: position % max(count, 1) for position, name in enumerate(fresh)})
    folds = np.array([place[name] for name in groups.tolist()], np.int64)
    held = {(int(f), bool(y)) for f, y in zip(folds, labels, strict=True)}
    return folds if count >= 2 and len(held) == 2 * count else None


def _standard(reference: Floats, features: Floats) -> Floats:
    spread = reference.std(axis=0)
    scaled = (features - reference.mean(axis=0)) / np.where(spread > 1e-9, spread, 1.0)
    # A value far outside the training groups must not decide a linear model by itself.
    return np.asarray(np.clip(scaled, -5, 5))


def _with_one(features: Floats) -> Floats:
    return np.concatenate([features, np.ones((len(features), 1))], axis=1)


def _logistic(x: Floats, labels: Flags, weights: Floats, ridge: float) -> Floats:
    """Weighted ridge logistic regression by Newton's method; the last column is not pulled."""
    pull = np.full(x.shape[1], ridge)
    pull[-1] = 1e-9
    w = np.zeros(x.shape[1])
    for _ in range(30):
        p = 1 / (1 + np.exp(-np.clip(x @ w, -30, 30)))
        gradient = x.T @ (weights * (p - labels)) + pull * w
        curvature = weights * np.maximum(p * (1 - p), 1e-6)
        step = np.linalg.solve((x.T * curvature) @ x + np.diag(pull), gradient)
        # A bounded step keeps separable classes from overshooting.
        w -= step * min(1.0, 5.0 / (np.abs(step).max() + 1e-12))
        if np.abs(step).max() < 1e-6:
            break
    return w


def exceeded(values: Floats, reference: Floats, weights: Floats) -> Floats:
    """Weighted share of the reference below each value; half of what is equal."""
    order = np.argsort(reference, kind="stable")
    risen = np.concatenate([[0.0], np.cumsum(weights[order])])
    below = risen[np.searchsorted(reference[order], values, side="left")]
    up_to = risen[np.searchsorted(reference[order], values, side="right")]
    return np.asarray(np.round((below + up_to) / (2 * risen[-1]), 6))
