"""Detectors that are fitted on one toy: a ridge on features, and a network on pixels."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from tellsign.signal.spectrum import FLOOR, log_dct
from tellsign.training.linear import fit_ridge, moments
from tellsign.training.toys.fit import half_precision
from tellsign.training.toys.networks import Critic

Pixels = NDArray[np.uint8]
Floats = NDArray[np.float64]
Features = NDArray[np.floating]
Extract = Callable[[Pixels], Features]  # (n, side, side, 3) to (n, d)

STRENGTHS = (0.001, 0.01, 0.1, 1.0, 10.0)  # around the 0.01 of Frank et al.
FOLDS = 5
CRITIC_STEPS, CRITIC_BATCH, CRITIC_WIDTH, CRITIC_RATE = 200, 64, 16, 1e-3


@dataclass(frozen=True, slots=True, eq=False)
class Material:
    """What a detector is fitted on."""

    generated: Pixels
    photographs: Pixels
    owners: tuple[int, ...]  # photograph of each of `photographs`, which are crops
    seed: int


@dataclass(frozen=True, slots=True, eq=False)
class Trained:
    score: Callable[[Pixels], Floats]  # larger speaks for a generated picture, 0 is the threshold
    strength: float | None = None  # of the penalty, where one was chosen


Trainer = Callable[[Material], Trained]


class Remembered:
    """Features of each picture, computed once: many detectors look at the same pictures."""

    def __init__(self, extract: Extract) -> None:
        self._extract = extract
        self._known: dict[bytes, Features] = {}

    def __call__(self, pictures: Pixels) -> Features:
        keys = [hashlib.sha256(picture.tobytes()).digest() for picture in pictures]
        new = {key: i for i, key in enumerate(keys) if key not in self._known}
        if new:
            found = self._extract(pictures[list(new.values())])
            self._known.update(zip(new, found, strict=True))
        return np.stack([self._known[key] for key in keys])


def dct_features(pictures: Pixels) -> NDArray[np.float16]:
    """Log-DCT coefficients of whole pictures; they stay within -5 to 11, so 16 bits will do."""
    return log_dct(pictures, FLOOR).reshape(len(pictures), -1).astype(np.float16)


def ridge_on(extract: Extract) -> Trainer:
    """Ridge regression whose strength is chosen on the fitting pictures alone."""

    def fit(material: Material) -> Trained:
        features = np.concatenate([extract(material.generated), extract(material.photographs)])
        labels = np.repeat([1, 0], [len(material.generated), len(material.photographs)])
        strength = chosen_strength(features, labels, folds(material))
        fitted = fit_ridge(features, labels, np.ones(len(labels)), strength)
        return Trained(lambda pictures: fitted.score(extract(pictures)), strength)

    return fit


def folds(material: Material) -> NDArray[np.intp]:
    """Fold of each generated picture, then of each photograph: all crops of one share theirs."""
    rng = np.random.default_rng(material.seed)
    names, member = np.unique(material.owners, return_inverse=True)
    generated = rng.permutation(len(material.generated)) % FOLDS
    photographs = (rng.permutation(len(names)) % FOLDS)[member]
    return np.concatenate([generated, photographs])


def chosen_strength(
    features: Features,
    labels: NDArray[np.integer],
    fold: NDArray[np.intp],
    strengths: Sequence[float] = STRENGTHS,
) -> float:
    """The strength for `fit_ridge` with fewest errors on folds left out, then least squares.

    Moments are those of all folds together; labels of the fold left out take no part.
    """
    mean, deviation = moments(features, np.ones(len(labels)))
    gram = np.zeros((len(labels), len(labels)))
    step = 4096  # columns; wide features are kept in half precision
    for i in range(0, features.shape[1], step):
        part = slice(i, i + step)
        rows = ((features[:, part] - mean[part]) / deviation[part]).astype(np.float32)
        gram += rows @ rows.T
    target = np.asarray(2.0 * labels - 1.0, np.float64)
    unit = gram.trace() / min(features.shape)  # what `fit_ridge` multiplies its strength by
    values, vectors = np.linalg.eigh(gram)

    def loss(strength: float) -> tuple[int, float]:
        penalised = np.maximum(values, 0) + strength * unit
        inverse = np.asarray((vectors / penalised) @ vectors.T, np.float64)
        told = left_out(inverse, target, fold)
        return int((told * target <= 0).sum()), float(np.square(told - target).sum())

    return min(strengths, key=loss)


def left_out(inverse: Floats, target: Floats, fold: NDArray[np.intp]) -> Floats:
    """What kernel ridge regression tells each case when fitted without its fold.

    Parameters
    ----------
    inverse : (n, n)
        Of the Gram matrix of all cases with the penalty on its diagonal.
    target, fold : (n,)

    Returns
    -------
    (n,) predictions, by the identity of Cook & Weisberg ("Residuals and influence in regression",
    1982) for blocks: no fold is solved anew.
    """
    dual = inverse @ target
    told = np.empty(len(target))
    for number in np.unique(fold):
        own = np.flatnonzero(fold == number)
        told[own] = target[own] - np.linalg.solve(inverse[np.ix_(own, own)], dual[own])
    return told


def critic(material: Material) -> Trained:
    """A network like DCGAN's discriminator on pixels, as Xuan et al. train it."""
    torch.manual_seed(material.seed)
    rng = np.random.default_rng(material.seed)
    pools = material.generated, material.photographs
    side = material.generated.shape[1]
    network = Critic(CRITIC_WIDTH, side).to(memory_format=torch.channels_last)
    optimiser = torch.optim.Adam(network.parameters(), CRITIC_RATE)
    half = CRITIC_BATCH // 2
    wanted = torch.cat([torch.ones(half, 1), torch.zeros(half, 1)])
    for _ in range(CRITIC_STEPS):
        rows = [pool[rng.integers(len(pool), size=half)] for pool in pools]
        with half_precision():
            logits = network(_tensor(np.concatenate(rows)))
        loss = functional.binary_cross_entropy_with_logits(logits.float(), wanted)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    network.eval()

    def scores(pictures: Pixels) -> Floats:
        with torch.no_grad():
            parts = [network(_tensor(pictures[i : i + 128])) for i in range(0, len(pictures), 128)]
        return np.asarray(torch.cat(parts)[:, 0].numpy(), np.float64)

    return Trained(scores)


def _tensor(pictures: Pixels) -> torch.Tensor:
    planes = torch.from_numpy(np.ascontiguousarray(pictures.transpose(0, 3, 1, 2)))
    return (planes.float() / 127.5 - 1).contiguous(memory_format=torch.channels_last)
