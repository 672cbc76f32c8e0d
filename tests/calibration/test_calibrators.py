from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tellsign.calibration.assess import cllr
from tellsign.calibration.calibrators import (
    Calibration,
    Curve,
    Method,
    Stratum,
    balanced_weights,
    fit,
    fit_isotonic,
    fit_logistic,
)
from tellsign.errors import ArtifactError


def two_gaussians(n: int = 4000, distance: float = 2.0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(3)
    labels = np.arange(n) % 2 == 0
    return rng.normal(np.where(labels, distance, 0.0), 1.0), labels


@pytest.mark.parametrize("method", ["logistic", "isotonic"])
def test_two_gaussians_give_their_true_ratio(method: Method) -> None:
    """For N(2,1) against N(0,1) the natural log ratio is 2x - 2."""
    scores, labels = two_gaussians()
    knots, llr = fit(method, scores, labels, np.array(["g"] * len(scores)))
    for x in (0.0, 1.0, 2.0):
        expected = (2 * x - 2) / math.log(10)
        assert np.interp(x, knots, llr) == pytest.approx(expected, abs=0.2)


@pytest.mark.parametrize("method", ["logistic", "isotonic"])
def test_uninformative_scores_give_no_evidence(method: Method) -> None:
    scores, labels = two_gaussians(distance=0.0)
    knots, llr = fit(method, scores, labels, np.array(["g"] * len(scores)))
    ratios = np.interp(scores, knots, llr)
    assert cllr(ratios, labels) == pytest.approx(1.0, abs=0.02)


def test_inverted_scores_are_not_turned_round() -> None:
    scores, labels = two_gaussians()
    knots, llr = fit_logistic(-scores, labels, balanced_weights(labels, np.array(["g"] * 4000)))
    assert np.ptp(llr) == 0


def test_isotonic_follows_a_mass_at_zero() -> None:
    """200 pristine at 0; 100 forged at 0 and 100 at 10: the ratios are 1/2 and about 100/0.5."""
    scores = np.array([0.0] * 300 + [10.0] * 100)
    labels = np.array([False] * 200 + [True] * 200)
    weights = balanced_weights(labels, np.array(["g"] * 400))
    knots, llr = fit_isotonic(scores, labels, weights)
    assert knots.tolist() == [0.0, 10.0]
    assert llr[0] == pytest.approx(math.log10(0.5), abs=0.01)
    assert 1.9 < llr[1] < 2.5


def test_no_sample_supports_more_than_its_size() -> None:
    scores = np.array([0.0] * 20 + [1e9] * 20)
    labels = np.array([False] * 20 + [True] * 20)
    for method in ("logistic", "isotonic"):
        _, llr = fit(method, scores, labels, np.array(["g"] * 40))  # type: ignore[arg-type]
        assert np.abs(llr).max() <= 2.0


def test_every_group_of_a_class_weighs_the_same() -> None:
    labels = np.array([True, True, True, True, False])
    groups = np.array(["a", "a", "a", "b", "c"])
    weights = balanced_weights(labels, groups)
    assert weights[labels].sum() == pytest.approx(0.5)
    assert weights[:3].sum() == pytest.approx(weights[3])


@given(
    st.lists(st.tuples(st.floats(-50, 50), st.booleans()), min_size=6, max_size=60),
    st.sampled_from(["logistic", "isotonic"]),
)
def test_ratios_never_fall_with_the_score(cases: list[tuple[float, bool]], method: Method) -> None:
    scores = np.array([s for s, _ in cases])
    labels = np.array([y for _, y in cases])
    labels[:2] = [True, False]
    _, llr = fit(method, scores, labels, np.array(["g"] * len(cases)))
    assert np.isfinite(llr).all()
    assert (np.diff(llr) >= -1e-12).all()


def curve() -> Curve:
    return Curve((0.0, 1.0, 3.0), (-0.5, 0.0, 2.0), (-0.7, -0.2, 1.0), (-0.2, 0.3, 2.4))


def test_a_curve_interpolates_and_is_constant_beyond_its_ends() -> None:
    llr, interval = curve()(2.0)
    assert llr == 1.0
    assert interval == pytest.approx((0.4, 1.35))
    assert curve()(99.0)[0] == 2.0
    assert curve()(-99.0)[0] == -0.5


@pytest.mark.parametrize(
    "knots",
    [
        ((), (), (), ()),
        ((0.0, 1.0), (0.0,), (0.0,), (0.0,)),
        ((1.0, 0.0), (0.0, 1.0), (0.0, 1.0), (0.0, 1.0)),
        ((0.0, 1.0), (1.0, 0.0), (0.0, 0.0), (1.0, 1.0)),
        ((0.0,), (float("nan"),), (0.0,), (0.0,)),
    ],
)
def test_a_broken_curve_is_refused(knots: tuple[tuple[float, ...], ...]) -> None:
    with pytest.raises(ArtifactError):
        Curve(*knots)


def calibration() -> Calibration:
    stratum = Stratum(curve(), "isotonic", 40, 50, 4, 0.61, 0.55)
    return Calibration("toy", "1", "2026-11-22", "sha256:00", {"lossless": stratum})


def test_a_calibration_survives_json() -> None:
    again = Calibration.from_dict(calibration().to_dict())
    assert again == calibration()
    assert again.digest == calibration().digest


@pytest.mark.parametrize(
    "broken", [{}, {"schema": "other/1"}, {"schema": "tellsign.calibration/1"}]
)
def test_other_json_is_refused(broken: dict[str, str]) -> None:
    with pytest.raises(ArtifactError):
        Calibration.from_dict(broken)
