"""Founding results in the toys' world: in distribution, attribution, and across generators.

Frank et al. (ICML 2020): a linear probe on log-DCT coefficients tells a GAN it was fitted on.
Marra et al. (MIPR 2019): averaged residuals attribute a picture to its GAN. Xuan et al.
(arXiv:1902.11153): what was trained on one GAN fails on others, and blurring or roughening both
classes in training is meant to help.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tellsign.benchmark.metrics import Interval, Ranking, proportion
from tellsign.signal.fingerprint import (
    Fingerprints,
    fit_fingerprints,
    pixel_features,
    spectral_features,
)
from tellsign.training.toys.probes import (
    Material,
    Pixels,
    Remembered,
    Trained,
    Trainer,
    critic,
    dct_features,
    ridge_on,
)
from tellsign.training.toys.world import PRISTINE, Split

Floats = NDArray[np.float64]

ROUNDS = 1000
KERNELS = (3, 5, 7)  # Xuan et al., section 3
NOISE = 5.0  # standard deviation at most, in levels


@dataclass(frozen=True, slots=True)
class Cell:
    """A detector trained on one generator, measured on one."""

    detector: str
    preprocessing: str  # of both classes in training: none, or blur and noise
    trained: str
    tested: str
    auc: Interval
    detected: Interval  # share of the generator's pictures above the trained threshold
    accused: Interval  # share of photographs above it
    correct: Interval  # share of both classes, which are alike in number
    strength: float | None = None  # of the detector's penalty, where one was chosen


def founding_detectors() -> dict[str, Trainer]:
    """By name; what they remember of pictures goes with them."""
    return {"log-DCT ridge": ridge_on(Remembered(dct_features)), "pixel network": critic}


def blurred_or_noisy(pictures: Pixels, seed: int) -> Pixels:
    """Each picture blurred or roughened, by turns, with a strength drawn anew."""
    import cv2

    rng = np.random.default_rng(seed)
    out = np.empty_like(pictures)
    for picture, left in zip(pictures, out, strict=True):
        if rng.random() < 0.5:
            side = int(rng.choice(KERNELS))
            left[:] = cv2.GaussianBlur(picture, (side, side), 0)
        else:
            noise = rng.normal(0, rng.uniform(0, NOISE), picture.shape)
            left[:] = np.clip(np.rint(picture + noise), 0, 255)
    return out


def matrix(split: Split, seed: int, trainers: Mapping[str, Trainer]) -> Iterator[Cell]:
    """Every detector with and without preprocessing, trained on one toy, measured on all."""
    for name, trainer in trainers.items():
        for prepared in (False, True):
            words = "blur and noise" if prepared else "none"
            for trained in split.generators:
                both = split.fitting[trained], split.fitting[PRISTINE]
                if prepared:
                    both = blurred_or_noisy(both[0], seed), blurred_or_noisy(both[1], seed + 1)
                fitted = trainer(Material(*both, split.fitting_owners, seed))
                taken = fitted.score(split.measuring[PRISTINE])
                for tested in split.generators:
                    made = fitted.score(split.measuring[tested])
                    yield _cell(name, words, trained, tested, made, taken, split, fitted)


def _cell(
    name: str, words: str, trained: str, tested: str, made: Floats, taken: Floats, split: Split,
    fitted: Trained,
) -> Cell:  # fmt: skip
    hits, alarms = int((made > 0).sum()), int((taken > 0).sum())
    right = hits + len(taken) - alarms
    return Cell(
        name, words, trained, tested, auc_of(made, taken, split.owners),
        proportion(hits, len(made)), proportion(alarms, len(taken)),
        proportion(right, len(made) + len(taken)), fitted.strength,
    )  # fmt: skip


def auc_of(made: Floats, taken: Floats, owners: tuple[int, ...]) -> Interval:
    """AUC; resampled are generated pictures, and photographs with all crops of each."""
    rng = np.random.default_rng(0)
    scores = np.concatenate([made, taken])
    labels = np.arange(len(scores)) < len(made)
    names, member = np.unique(owners, return_inverse=True)
    draws = [np.ones((1, len(scores)))]
    for _ in range(ROUNDS):
        own = rng.multinomial(len(made), np.full(len(made), 1 / len(made)))
        photographs = rng.multinomial(len(names), np.full(len(names), 1 / len(names)))[member]
        draws.append(np.concatenate([own, photographs])[None].astype(float))
    values = Ranking.of(scores, labels).roc(np.concatenate(draws)).auc()
    low, high = np.percentile(values[1:], [2.5, 97.5])
    return Interval(float(values[0]), float(low), float(high), len(scores))


@dataclass(frozen=True, slots=True)
class Attribution:
    """Closed set: the nearest of all fingerprints; open set: one toy's fingerprint missing."""

    domain: str
    n_fingerprint: int
    correct: Interval
    missing: tuple[tuple[str, Interval, Interval], ...]
    """Toy left out, its share called unknown, and the others' share still named rightly; the
    level is the 95th percentile of photographs."""


DOMAINS: dict[str, Callable[[Pixels], NDArray[np.float32]]] = {
    "pixels": pixel_features,
    "spectrum": lambda pictures: spectral_features(pictures, pictures.shape[1]),
}
OPEN_PERCENTILE = 95.0


def attribution(split: Split, domain: str, n: int) -> Attribution:
    """Fingerprints of `n` pictures each, measured on the pictures kept for it."""
    extract = DOMAINS[domain]
    fitting = {name: extract(pool[:n]) for name, pool in split.fitting.items()}
    features = {name: extract(split.measuring[name]) for name in split.generators}
    reference = extract(split.fitting[PRISTINE][-n:])
    pristine = fitting.pop(PRISTINE)
    closed = fit_fingerprints(fitting, pristine, reference)
    hits = sum(int((_nearest(closed, features[g]) == g).sum()) for g in split.generators)
    total = sum(map(len, features.values()))
    missing = []
    for out in split.generators:
        rest = {name: f for name, f in fitting.items() if name != out}
        prints = fit_fingerprints(rest, pristine, reference)
        unknown = _named(prints, features[out]) == ""
        named = [_named(prints, features[g]) == g for g in rest]
        right = proportion(int(sum(f.sum() for f in named)), sum(map(len, named)))
        missing.append((out, proportion(int(unknown.sum()), len(unknown)), right))
    return Attribution(domain, n, proportion(hits, total), tuple(missing))


def _nearest(prints: Fingerprints, features: NDArray[np.float32]) -> NDArray[np.str_]:
    return np.array(prints.names)[prints.correlations(features).argmax(axis=1)]


def _named(prints: Fingerprints, features: NDArray[np.float32]) -> NDArray[np.str_]:
    """The nearest family where it correlates more than most photographs do, else ``""``."""
    correlations = prints.correlations(features)
    best = correlations.argmax(axis=1)
    levels = prints.pristine[:, round(OPEN_PERCENTILE / 100 * (prints.pristine.shape[1] - 1))]
    above = correlations[np.arange(len(best)), best] > levels[best]
    return np.where(above, np.array(prints.names)[best], "")
