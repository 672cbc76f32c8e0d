from __future__ import annotations

import numpy as np
import pytest

from tellsign.calibration.assess import cllr, cllr_min, expected_calibration_error, tippett

LABELS = np.array([True, True, False, False])


def test_no_information_costs_one_bit() -> None:
    assert cllr(np.zeros(4), LABELS) == pytest.approx(1.0)


def test_right_and_certain_costs_nothing() -> None:
    assert cllr(np.array([9.0, 9.0, -9.0, -9.0]), LABELS) == pytest.approx(0.0, abs=1e-6)


def test_wrong_and_certain_costs_more_than_silence() -> None:
    assert cllr(np.array([-2.0, -2.0, 2.0, 2.0]), LABELS) > 6


def test_a_worked_example() -> None:
    """log10 LR of log10(3) for, and its mirror: each case costs log2(1 + 1/3)."""
    ratio = np.log10(3.0)
    found = cllr(np.array([ratio, ratio, -ratio, -ratio]), LABELS)
    assert found == pytest.approx(np.log2(4 / 3))


def test_one_class_alone_has_no_cost() -> None:
    with pytest.raises(ValueError, match="both classes"):
        cllr(np.zeros(2), np.array([True, True]))


def test_cllr_min_ignores_scale_but_not_order() -> None:
    rng = np.random.default_rng(0)
    labels = np.arange(400) % 2 == 0
    scores = rng.normal(labels * 1.5, 1.0)
    assert cllr_min(scores, labels) == pytest.approx(cllr_min(np.exp(scores), labels))
    assert cllr_min(scores, labels) < cllr_min(-scores, labels)


def test_calibrated_ratios_have_a_small_ece_and_inflated_ones_a_large_one() -> None:
    rng = np.random.default_rng(1)
    labels = np.arange(6000) % 2 == 0
    scores = rng.normal(labels * 2.0, 1.0)
    llr = (2 * scores - 2) / np.log(10)
    assert expected_calibration_error(llr, labels) < 0.03
    assert expected_calibration_error(4 * llr, labels) > 0.05


def test_tippett_shares_fall_from_one() -> None:
    found = tippett(np.array([1.0, 2.0, -1.0, 0.5]), LABELS)
    assert found.share_for.tolist() == [1.0, 1.0, 1.0, 0.5]
    assert found.share_against.tolist() == [1.0, 0.5, 0.0, 0.0]
