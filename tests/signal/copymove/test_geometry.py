from __future__ import annotations

import numpy as np
import pytest

from tellsign.signal.copymove import geometry


def matrix_of(rotation: float, scale: float, mirrored: bool) -> np.ndarray:
    turn = np.deg2rad(rotation)
    a = scale * np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    if mirrored:
        a = a @ np.diag([-1.0, 1.0])
    return np.hstack([a, [[12.5], [-40.0]]])


@pytest.mark.parametrize("mirrored", [False, True])
@pytest.mark.parametrize(("rotation", "scale"), [(0, 1), (5, 0.8), (-90, 1.25), (170, 2.0)])
def test_describe_reads_back_what_was_done(rotation: float, scale: float, mirrored: bool) -> None:
    motion = geometry.describe(matrix_of(rotation, scale, mirrored), (0.0, 0.0))
    assert motion.rotation == pytest.approx(rotation)
    assert motion.scale == pytest.approx(scale)
    assert motion.mirrored is mirrored
    assert motion.shift == pytest.approx((12.5, -40.0))


@pytest.mark.parametrize("mirrored", [False, True])
def test_similarity_recovers_the_transform(mirrored: bool) -> None:
    p = np.random.default_rng(1).uniform(0, 100, (6, 2))
    true = matrix_of(33, 1.4, mirrored)
    fit = geometry.similarity(p, geometry.apply(true, p), mirrored)
    np.testing.assert_allclose(fit, true, atol=1e-9)


def test_inverse_undoes_apply() -> None:
    p = np.random.default_rng(2).uniform(0, 100, (5, 2))
    m = matrix_of(20, 0.7, True)
    np.testing.assert_allclose(geometry.apply(geometry.inverse(m), geometry.apply(m, p)), p)


@pytest.mark.parametrize(
    ("a", "expected"),
    [
        ([[1, 0], [0, 1]], True),
        ([[-1, 0], [0, 1.3]], True),
        ([[1, 0], [0, 0.3]], False),
        ([[0.1, 0], [0, 0.1]], False),
        ([[0, 0], [0, 0]], False),
        ([[np.nan, 0], [0, 1]], False),
    ],
)
def test_plausible_bounds_scale_and_anisotropy(a: list[list[float]], expected: bool) -> None:
    assert geometry.plausible(np.hstack([np.array(a, float), np.zeros((2, 1))])) is expected
