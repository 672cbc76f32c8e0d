from __future__ import annotations

import math

import numpy as np
import pytest
from toy_probe import calibration, stored_curve

from tellsign.calibration.calibrators import Calibration, Curve
from tellsign.training.recalibrate import (
    allowed,
    crossing,
    fit_line,
    fused,
    moved,
    recalibrated,
    shift_for,
    shifted,
    shifts_that_hold,
)

LEVEL = 1.0


def world(
    rng: np.random.Generator, n: int, centre: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Scores of n generated and n pristine pictures, 4 apart, around a centre."""
    scores = np.concatenate([rng.normal(centre + 2, 1, n), rng.normal(centre - 2, 1, n)])
    names = np.array([f"p{i}" for i in range(2 * n)])
    return scores, np.arange(2 * n) < n, names, np.full(2 * n, "jpeg-q75-89")


def test_cases_like_the_stored_ones_change_little() -> None:
    rng = np.random.default_rng(0)
    stored = Curve((-8.0, 8.0), (-8 * 4 / math.log(10), 8 * 4 / math.log(10)), (-15, 13), (-13, 15))
    scores, labels, _, _ = world(rng, 200, 0.0)
    line = fit_line(np.interp(scores, stored.score, stored.llr) * math.log(10), labels)
    assert line.slope == pytest.approx(1, abs=0.15)
    assert line.offset == pytest.approx(0, abs=0.3)


def test_scores_that_stand_higher_are_brought_down_and_more_cases_weigh_more() -> None:
    offsets = []
    for n in (15, 150):
        scores, labels, _, _ = world(np.random.default_rng(1), n, 3.0)
        stored = np.interp(scores, stored_curve().score, stored_curve().llr) * math.log(10)
        offsets.append(fit_line(stored, labels).offset)
    assert offsets[1] < offsets[0] < -0.2


def test_a_moved_curve_rises_stays_within_the_stored_bounds_and_holds_its_interval() -> None:
    scores, labels, _, _ = world(np.random.default_rng(2), 20, -2.0)
    curve = stored_curve()
    line = fit_line(np.interp(scores, curve.score, curve.llr) * math.log(10), labels)
    new = moved(curve, line)
    assert new.score == curve.score
    assert min(curve.llr) <= min(new.llr)
    assert max(new.llr) <= max(curve.llr)
    for score in np.linspace(-9, 9, 37):
        llr, (low, high) = new(float(score))
        assert low <= llr <= high
        stored_llr, (stored_low, stored_high) = curve(float(score))
        if min(curve.llr) < llr < max(curve.llr):
            assert high - low >= line.slope * (stored_high - stored_low) - 1e-3


def test_only_strata_with_enough_new_cases_move() -> None:
    scores, labels, names, strata = world(np.random.default_rng(3), 30, 2.0)
    stored = calibration("toy")
    new = recalibrated(stored, scores, labels, names, strata, "2026-11-23")
    assert new.strata["jpeg-q90+"] == stored.strata["jpeg-q90+"]
    changed = new.strata["jpeg-q75-89"]
    assert changed.n_for == 530
    assert changed.curve(0.0)[0] < stored.strata["jpeg-q75-89"].curve(0.0)[0]
    assert new.reference != stored.reference
    assert Calibration.from_dict(new.to_dict()) == new


def test_a_stratum_that_tells_nothing_any_more_is_left_out() -> None:
    rng = np.random.default_rng(4)
    scores, labels, names, strata = world(rng, 30000, 0.0)
    new = recalibrated(calibration("toy"), -scores, labels, names, strata, "2026-11-23")
    assert "jpeg-q75-89" not in new.strata
    assert "jpeg-q90+" in new.strata


def test_where_a_curve_crosses_a_level() -> None:
    curve = stored_curve()
    assert crossing(curve, 1.0) == pytest.approx(2.5)
    assert crossing(curve, 2.5) is None
    assert crossing(curve, -2.0) == -math.inf


def test_a_step_is_crossed_where_it_begins_to_rise() -> None:
    step = Curve((0.0, 1.0, 2.0, 3.0), (0.0, 0.0, 1.5, 1.5), (0, 0, 1, 1), (1, 1, 2, 2))
    assert crossing(step, 1.5) == pytest.approx(2.0)


@pytest.mark.parametrize("share", [0.0, 0.02, 0.1])
def test_a_shift_holds_the_share(share: float) -> None:
    scores = np.random.default_rng(5).normal(2, 1.5, 80)
    curve = stored_curve()
    shift = shift_for(curve, scores, share, LEVEL)
    assert shift is not None
    assert shift > 0
    above = sum(curve(float(s) - shift)[0] >= LEVEL for s in scores)
    assert above == allowed(80, share)


def test_a_calibration_is_never_moved_towards_accusing() -> None:
    scores = np.full(50, -7.0)
    assert shift_for(stored_curve(), scores, 0.02, LEVEL) == 0.0


def test_a_curve_above_the_level_throughout_cannot_be_moved() -> None:
    high = Curve((0.0, 1.0), (1.5, 1.6), (1.0, 1.0), (2.0, 2.0))
    assert shift_for(high, np.zeros(50), 0.02, LEVEL) is None


def test_a_shifted_stratum_answers_as_the_old_one_further_down() -> None:
    stratum = calibration("toy").strata["jpeg-q90+"]
    new = shifted(stratum, 1.5)
    assert new.curve(3.0)[0] == pytest.approx(stratum.curve(1.5)[0])
    assert new.cllr == stratum.cllr


def test_detectors_that_err_on_different_photographs_are_held_together() -> None:
    """Each alone keeps the share; their errors add up, so that both must give way."""
    first, second = np.full(100, -6.0), np.full(100, -6.0)
    first[:4], second[4:8] = 8.0, 8.0
    curves = {"a": stored_curve(), "b": stored_curve()}
    scores = {"a": first, "b": second}
    weights = {"a": 1.0, "b": 0.1}
    before = fused(curves, {"a": 0.0, "b": 0.0}, weights, scores)
    assert int((before >= LEVEL).sum()) == 4
    shifts = shifts_that_hold(curves, weights, scores, 0.02, LEVEL)
    after = fused(curves, shifts, weights, scores)
    assert int((after >= LEVEL).sum()) <= 2


def test_photographs_on_which_a_detector_is_silent_do_not_count_for_it() -> None:
    scores = {"a": np.array([np.nan] * 30 + [5.0] * 30)}
    shifts = shifts_that_hold({"a": stored_curve()}, {}, scores, 0.0, LEVEL)
    after = fused({"a": stored_curve()}, shifts, {}, scores)
    assert (after[:30] == 0).all()
    assert (after < LEVEL).all()
