from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tellsign import registry
from tellsign.artifacts.store import Store
from tellsign.benchmark.calibrate import (
    Scored,
    attach,
    choose_partners,
    detector_card,
    fit_detector,
    fit_fusion,
    reference_digest,
    weights_digest,
    without_curves,
    write_artifact,
)
from tellsign.calibration.stored import FILE, calibration_for

TOY = str(Path(__file__).parent.parent / "toys" / "toy_brightness.py")
INFO = registry.load([TOY])["toy_brightness"].info


def rows(distance: float, stratum: str = "lossless", groups: int = 5) -> list[Scored]:
    rng = np.random.default_rng(4)
    return [
        Scored(
            detector=INFO.name,
            group=f"g{i % groups}",
            key=str(i),
            treatment="raw",
            recipe="splice",
            stratum=stratum,
            label=i // groups % 2,
            score=float(rng.normal(distance * (i // groups % 2), 1.0)),
            code="",
            sha256=f"{stratum}{i:060d}",
        )
        for i in range(400)
    ]


def test_an_informative_stratum_is_kept_and_a_useless_one_is_not() -> None:
    fitted = fit_detector(INFO, rows(2.5) + rows(0.0, "jpeg-q0-49"), "2026-11-22")
    assert set(fitted.calibration.strata) == {"lossless"}
    assert "no information" in fitted.rejected["jpeg-q0-49"]
    kept = fitted.calibration.strata["lossless"]
    assert kept.cllr_min <= kept.cllr < 0.6
    assert (kept.n_for, kept.n_against, kept.groups) == (200, 200, 5)


def test_held_out_ratios_point_the_right_way() -> None:
    made = rows(2.5)
    fitted = fit_detector(INFO, made, "2026-11-22")
    ratios = np.array([fitted.held_out[i] for i in range(len(made))])
    labels = np.array([r.label for r in made])
    assert ratios[labels == 1].mean() > 0.3
    assert ratios[labels == 0].mean() < -0.3


def test_a_detector_can_be_measured_and_left_without_curves() -> None:
    fitted = fit_detector(INFO, rows(2.5) + rows(0.0, "jpeg-q0-49"), "2026-11-22")
    left = without_curves(fitted, "for a reason")
    assert fitted.calibration.strata
    assert not left.calibration.strata
    assert not left.held_out
    assert set(left.rejected) == {*fitted.calibration.strata, *fitted.rejected}
    assert set(left.rejected.values()) == {"for a reason"}
    assert left.calibration.reference == fitted.calibration.reference


def test_too_few_cases_or_groups_give_no_curve() -> None:
    fitted = fit_detector(INFO, rows(2.5)[:30], "2026-11-22")
    assert "too few" in fitted.rejected["lossless"]
    assert "too few" in fit_detector(INFO, rows(2.5, groups=2), "2026-11-22").rejected["lossless"]


def test_abstentions_do_not_enter_a_curve() -> None:
    made = rows(2.5)
    silent = [Scored(**{**vars_of(r), "score": None, "code": "x"}) for r in rows(9.0)]
    with_silent = fit_detector(INFO, made + silent, "2026-11-22")
    without = fit_detector(INFO, made, "2026-11-22")
    assert with_silent.calibration.strata == without.calibration.strata


def vars_of(row: Scored) -> dict[str, object]:
    return {name: getattr(row, name) for name in row.__slots__}


def test_the_reference_digest_ignores_order_and_sees_labels() -> None:
    made = rows(1.0)
    assert reference_digest(made) == reference_digest(made[::-1])
    flipped = Scored(**{**vars_of(made[0]), "label": 1 - made[0].label})
    assert reference_digest(made) != reference_digest([flipped, *made[1:]])


def test_fusion_trusts_independent_detectors_more_than_copies() -> None:
    rng = np.random.default_rng(0)
    labels = {str(i): i % 2 for i in range(600)}
    signs = {k: 1 if y else -1 for k, y in labels.items()}
    first = {k: 0.4 * s + rng.normal(0, 0.6) for k, s in signs.items()}
    second = {k: 0.4 * s + rng.normal(0, 0.6) for k, s in signs.items()}
    copies = fit_fusion({"a": first, "b": first}, labels)
    apart = fit_fusion({"a": first, "b": second}, labels)
    assert copies["a"] + copies["b"] < apart["a"] + apart["b"]


def test_fusion_gives_noise_a_small_weight() -> None:
    rng = np.random.default_rng(0)
    labels = {str(i): i % 2 for i in range(600)}
    good = {k: (1.0 if y else -1.0) for k, y in labels.items()}
    noise = {k: float(rng.normal(0, 1.0)) for k in labels}
    weights = fit_fusion({"good": good, "noise": noise}, labels)
    assert weights["good"] > 0.8
    assert weights["noise"] < 0.3


def test_a_detector_that_brings_nothing_gets_no_weight() -> None:
    rng = np.random.default_rng(0)
    labels = {str(i): i % 2 for i in range(600)}
    signs = {k: 1 if y else -1 for k, y in labels.items()}
    groups = {k: f"{'pg'[y]}{int(k) // 2 % 4}" for k, y in labels.items()}
    conditions = {k: "norm" if int(k) % 4 < 2 else "web" for k in labels}
    good = {k: 0.5 * s + rng.normal(0, 0.5) for k, s in signs.items()}
    other = {k: 0.5 * s + rng.normal(0, 0.5) for k, s in signs.items()}
    noise = {k: float(rng.normal(0, 1.0)) for k in labels}
    found = choose_partners(
        {"good": good, "noise": noise, "other": other}, labels, groups, conditions
    )
    assert found.weights["noise"] == 0
    assert found.weights["good"] > 0.5 < found.weights["other"]
    assert {name for name, _ in found.costs} == {"good", "other"}
    assert found.costs[1][1] < found.costs[0][1] < 1
    assert found.held_out.keys() == labels.keys()


def test_fused_ratios_never_saw_their_group() -> None:
    labels = {str(i): i % 2 for i in range(80)}
    groups = {k: f"{'pg'[y]}{int(k) // 2 % 4}" for k, y in labels.items()}
    # Both detectors are right but for group g0: weights fitted with it are lower.
    wrong = {k: -1.0 if groups[k] == "g0" else 2.0 * y - 1 for k, y in labels.items()}
    weak = {k: 0.5 * v for k, v in wrong.items()}
    conditions = dict.fromkeys(labels, "norm")
    found = choose_partners({"a": wrong, "b": weak}, labels, groups, conditions, -1.0)
    with_it = fit_fusion({"a": wrong, "b": weak}, labels)
    whole = with_it["a"] + 0.5 * with_it["b"]
    left_out = next(found.held_out[k] for k in labels if groups[k] == "g0")
    assert left_out < -whole


def test_what_is_written_is_found_and_verified(tmp_path: Path) -> None:
    fitted = fit_detector(INFO, rows(2.5), "2026-11-22")
    card = detector_card(INFO, fitted, "2026-11-22", "made up", "pytest")
    write_artifact(tmp_path, card, fitted.calibration.to_dict(), FILE)
    found = calibration_for(INFO.name, INFO.version, Store((tmp_path,)))
    assert found == fitted.calibration
    llr, (low, high) = found.strata["lossless"].curve(3.0)
    assert low <= llr <= high
    assert llr > 0.5


def test_the_digest_of_weights_follows_the_weights_and_not_their_calibration(
    tmp_path: Path,
) -> None:
    fitted = fit_detector(INFO, rows(2.5), "2026-11-22")
    card = detector_card(INFO, fitted, "2026-11-22", "made up", "pytest")
    folder = write_artifact(tmp_path, card, {"weights": [1]}, "head.json")
    before = weights_digest([folder], FILE)
    attach(folder, fitted, FILE, "made up", "pytest")
    assert weights_digest([folder], FILE) == before
    assert weights_digest([folder, tmp_path / "none"], FILE) == before
    assert weights_digest([folder, folder], FILE) != before
    write_artifact(tmp_path, card, {"weights": [2]}, "head.json")
    assert weights_digest([folder], FILE) != before


def test_every_calibration_of_the_package_beats_silence_on_held_out_groups() -> None:
    store = Store.default()
    checked = 0
    for info in registry.load().infos():
        found = calibration_for(info.name, info.version, store)
        for stratum in found.strata.values() if found else ():
            assert stratum.cllr < 1
            checked += 1
    if not checked:
        pytest.fail("no stratum of any detector is calibrated: run scripts/calibrate")
