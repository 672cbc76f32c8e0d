from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tellsign.benchmark.scores import ScoreRow
from tellsign.benchmark.summary import ALL, Found, summarise, thresholds, worst


def rows(shift: float = 2.0, each: int = 30, ratios: bool = True) -> list[ScoreRow]:
    rng = np.random.default_rng(0)
    made = []
    for label, groups in ((1, ("gan_a", "gan_b")), (0, ("cam_a", "cam_b"))):
        for group in groups:
            for n in range(each):
                score = float(rng.normal(shift * label, 1.0))
                llr = score - shift / 2 if ratios else None
                made.append(ScoreRow("p/photo", str(n), group, "norm", label, score, llr, "ok", ""))
    return made


def only(found: list[Found], metric: str, group: str = ALL) -> Found:
    (one,) = [f for f in found if (f.metric, f.group) == (metric, group)]
    return one


def test_every_metric_is_there_with_an_interval_around_it() -> None:
    found = summarise(rows(), thresholds={"norm": 1.0}, moderate=1.0)
    names = {f.metric for f in found if f.group == ALL}
    assert names == {
        *("auc", "ap", "tpr_at_5", "tpr_at_1", "eer", "balanced_accuracy", "coverage"),
        *("cllr", "cllr_min", "ece", "ece_chance", "brier", "nll", "detected_moderate"),
        *("fpr_moderate", "fpr_threshold"),
    }
    for f in found:
        assert f.interval.low - 1e-9 <= f.interval.value <= f.interval.high + 1e-9, f
    assert only(found, "auc").interval.value == pytest.approx(0.92, abs=0.05)
    assert only(found, "cllr_min").interval.value <= only(found, "cllr").interval.value + 1e-9


def test_each_generator_counts_once_in_the_average() -> None:
    made = rows()
    bad = [replace(r, score=-9.0, llr=None) for r in made if r.group == "gan_b"]
    found = summarise([r for r in made if r.group != "gan_b"] + bad[:6])
    one = only(found, "auc", "gan_a").interval.value
    assert only(found, "auc", "gan_b").interval.value == 0.0
    assert only(found, "auc").interval.value == pytest.approx(one / 2)


def test_a_generator_of_four_pictures_is_told_but_not_averaged() -> None:
    made = rows()
    tiny = [replace(r, group="tiny", score=-9.0) for r in made if r.group == "gan_b"][:4]
    found = summarise(made + tiny)
    assert only(found, "auc", "tiny").interval.value == 0.0
    assert only(found, "auc").interval == only(summarise(made), "auc").interval


def test_each_pristine_source_counts_once_among_the_negatives() -> None:
    made = [r for r in rows() if r.label == 1]
    high = [ScoreRow("p/photo", str(n), "cam_a", "norm", 0, 99.0, None, "ok", "") for n in range(5)]
    low = [
        ScoreRow("p/photo", str(n), "cam_b", "norm", 0, -99.0, None, "ok", "") for n in range(500)
    ]
    assert only(summarise(made + high + low), "auc").interval.value == pytest.approx(0.5)


def test_a_source_told_apart_is_nobodys_negative_but_has_its_false_alarms() -> None:
    made = rows()
    odd = [replace(r, group="odd", score=50.0, llr=5.0) for r in made if r.group == "cam_a"]
    found = summarise(made + odd, apart=["odd"], moderate=1.0)
    assert only(found, "auc").interval == only(summarise(made, moderate=1.0), "auc").interval
    assert only(found, "fpr_moderate", "odd").interval.value == 1.0
    assert only(found, "fpr_moderate").interval.value < 0.2
    accused = worst(found, "fpr_moderate", "norm")
    assert accused is not None
    assert accused.group == "odd"


def test_the_worst_source_needs_thirty_pictures() -> None:
    found = summarise(rows(each=29), moderate=1.0)
    assert worst(found, "fpr_moderate", "norm") is None


def test_silence_lowers_coverage_and_accuses_nobody() -> None:
    made = [
        replace(r, score=None, llr=None, status="abstained", code="x") if int(r.key) % 2 else r
        for r in rows()
    ]
    failed = replace(made[0], score=None, llr=None, status="failed", code="Malformed")
    found = summarise([failed, *made[1:]], moderate=-99.0)
    share = only(found, "coverage")
    assert share.interval.value == pytest.approx(59 / 120)
    assert (share.abstained, share.failed) == (60, 1)
    assert only(found, "fpr_moderate", "cam_a").interval.value == 0.5


def test_art_and_photographs_are_told_apart() -> None:
    made = rows()
    art = [replace(r, dataset="p/art", score=-9.0) for r in made if r.label == 1]
    found = summarise(made + art)
    areas = {f.dataset: f.interval.value for f in found if (f.metric, f.group) == ("auc", ALL)}
    assert areas["p/art"] == 0.0
    assert areas["p/photo"] > 0.8


def test_without_fixed_thresholds_and_ratios_nothing_is_made_up() -> None:
    found = summarise(rows(ratios=False), moderate=1.0)
    names = {f.metric for f in found}
    assert names.isdisjoint({"balanced_accuracy", "cllr", "fpr_moderate", "fpr_threshold"})


def test_a_single_class_gives_coverage_only() -> None:
    made = [r for r in rows(ratios=False) if r.label == 1]
    assert {f.metric for f in summarise(made)} == {"coverage"}


def test_thresholds_are_chosen_for_each_condition_without_the_sources_apart() -> None:
    made = rows(shift=6.0)
    web = [replace(r, condition="web", score=(r.score or 0.0) + 10) for r in made]
    odd = [replace(r, group="odd", score=50.0) for r in made if r.group == "cam_a"]
    found = thresholds(made + web + odd, ["odd"])
    assert found["norm"] == pytest.approx(3.0, abs=1.5)
    assert found["web"] == pytest.approx(found["norm"] + 10)
    assert thresholds([r for r in made if r.label == 1], []) == {}
