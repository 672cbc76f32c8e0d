"""The experiments, in a world of two makers that are known by construction."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from tellsign.training.toys import experiments, probes  # noqa: E402
from tellsign.training.toys.pictures import procedural  # noqa: E402
from tellsign.training.toys.world import PRISTINE, Split  # noqa: E402

SIDE, N = 32, 80


def celled(pixels: np.ndarray, period: int) -> np.ndarray:
    rows, columns = np.mgrid[:SIDE, :SIDE] % period
    board = np.where((rows == 0) ^ (columns == 0), 12, 0)
    return np.clip(pixels + board[..., None], 0, 255).astype(np.uint8)


def world() -> Split:
    def pools(seed: int) -> dict[str, np.ndarray]:
        made = {p: celled(procedural(N, SIDE, seed + p), p) for p in (2, 3)}
        return {PRISTINE: procedural(N, SIDE, seed), "two": made[2], "three": made[3]}

    owners = tuple(i // 2 for i in range(N))
    return Split(pools(0), pools(100), owners, owners)


def test_the_probe_tells_its_own_maker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(experiments, "ROUNDS", 50)
    trainers = {"probe": probes.ridge_on(probes.dct_features)}
    cells = list(experiments.matrix(world(), 0, trainers))
    assert len(cells) == 8
    assert {c.strength for c in cells} <= set(probes.STRENGTHS)
    own = [c for c in cells if c.trained == c.tested and c.preprocessing == "none"]
    assert all(c.correct.value > 0.9 for c in own)
    assert all(c.auc.low <= c.auc.value <= c.auc.high for c in cells)
    other = [c for c in cells if c.trained != c.tested and c.preprocessing == "none"]
    assert max(c.auc.value for c in other) < min(c.auc.value for c in own)


@pytest.mark.parametrize("domain", ["pixels", "spectrum"])
def test_attribution_knows_both_and_misses_the_missing(domain: str) -> None:
    found = experiments.attribution(world(), domain, 40)
    assert found.correct.value > 0.95
    assert found.correct.n == 2 * N
    assert [name for name, _, _ in found.missing] == ["two", "three"]
    assert all(unknown.n == right.n == N for _, unknown, right in found.missing)


def test_preprocessing_treats_every_picture_differently() -> None:
    pixels = procedural(20, SIDE, 1)
    treated = experiments.blurred_or_noisy(pixels, 0)
    assert treated.dtype == np.uint8
    detail = np.abs(np.diff(treated.astype(int), axis=2)).mean((1, 2, 3))
    before = np.abs(np.diff(pixels.astype(int), axis=2)).mean((1, 2, 3))
    assert (detail < before).any()
    assert (detail > before).any()


def test_crops_of_one_photograph_are_resampled_together() -> None:
    rng = np.random.default_rng(0)
    made, taken = rng.normal(1, 1, 100), np.repeat(rng.normal(0, 1, 10), 10)
    together = experiments.auc_of(made, taken, tuple(np.repeat(range(10), 10)))
    apart = experiments.auc_of(made, taken, tuple(range(100)))
    assert together.value == apart.value
    assert together.high - together.low > 1.5 * (apart.high - apart.low)
