from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tellsign.fusion.fuse import NO_WEIGHT, conclude, fuse
from tellsign.fusion.policy import load
from tellsign.types import (
    Abstention,
    Calibrated,
    Evidence,
    Failure,
    Family,
    Origin,
    Outcome,
    Question,
    Support,
)

POLICY = load()


def origin(name: str) -> Origin:
    return Origin(name, "1", Family.FEATURE, "0" * 64)


def evidence(name: str, question: Question = Question.MANIPULATED) -> Evidence:
    return Evidence(origin(name), question, 1.0, "decades")


def calibrated(found: Evidence, llr: float) -> Calibrated:
    return Calibrated(found, llr, (llr, llr), "sha256:0", "lossless")


def test_a_single_detector_enters_as_it_is() -> None:
    assert fuse({"a": 1.7}, {"a": 0.3}) == 1.7


def test_fitted_weights_are_used_when_all_are_known() -> None:
    assert fuse({"a": 1.0, "b": 2.0}, {"a": 0.5, "b": 1.0}) == pytest.approx(2.5)


def test_unknown_company_is_weighed_with_caution() -> None:
    assert fuse({"a": 1.0, "new": 1.0}, {"a": 0.5}) == pytest.approx(2**0.5)


def test_nothing_gives_nothing() -> None:
    assert fuse({}, {"a": 1.0}) is None


def test_no_weight_counts_only_where_no_other_speaks() -> None:
    weights = {"a": 0.8, "b": 0.9, "mute": 0.0}
    assert fuse({"a": 1.0, "mute": 5.0}, weights) == 1.0
    assert fuse({"a": 1.0, "b": 1.0, "mute": 5.0}, weights) == pytest.approx(1.7)
    assert fuse({"mute": 0.6}, weights) == 0.6


def test_a_detector_without_weight_is_named_as_unused() -> None:
    found = [evidence("a"), evidence("mute")]
    ratios = {e.origin.detector: calibrated(e, 1.2) for e in found}
    told = conclude(Question.MANIPULATED, found, ratios, POLICY, {"a": 1.0, "mute": 0.0})
    assert (told.used, told.unused) == (("a",), (("mute", NO_WEIGHT),))
    assert told.llr == 1.2


@given(st.dictionaries(st.sampled_from("abcd"), st.floats(-3, 3), min_size=1), st.floats(0.01, 1))
def test_more_support_never_lowers_a_conclusion(ratios: dict[str, float], more: float) -> None:
    for weights in ({}, dict.fromkeys("abcd", 0.6)):
        before = fuse(ratios, weights)
        raised = fuse({k: v + more for k, v in ratios.items()}, weights)
        assert before is not None
        assert raised is not None
        assert raised > before


def test_every_detector_asked_is_used_or_has_a_reason() -> None:
    outcomes: list[Outcome] = [
        evidence("good"),
        evidence("raw"),
        Abstention(origin("shy"), Question.MANIPULATED, "too_small", "Too small."),
        Failure(origin("broken"), Question.MANIPULATED, "ValueError: x"),
        evidence("other", Question.SYNTHETIC),
    ]
    ratios = {"good": calibrated(evidence("good"), 1.8)}
    found = conclude(Question.MANIPULATED, outcomes, ratios, POLICY, {})
    assert found.used == ("good",)
    assert found.unused == (
        ("raw", "uncalibrated"),
        ("shy", "abstention:too_small"),
        ("broken", "failure"),
    )
    assert (found.support, found.direction) == (Support.MODERATE, "for")
    assert found.text == (
        "Moderate support for alteration of part of the picture after capture (log10 LR = 1.8)."
    )


def test_uncalibrated_evidence_reaches_no_conclusion() -> None:
    found = conclude(Question.MANIPULATED, [evidence("raw")], {}, POLICY, {})
    assert found.llr is None
    assert found.text == "No conclusion: what was found is not calibrated for this kind of file."


def test_abstentions_alone_are_no_conclusion() -> None:
    shy = Abstention(origin("shy"), Question.MANIPULATED, "too_small", "Too small.")
    found = conclude(Question.MANIPULATED, [shy], {}, POLICY, {})
    assert found.text == "No conclusion: no detector could speak."


def test_a_question_nobody_answers_says_so() -> None:
    found = conclude(Question.FACE, [], {}, POLICY, {})
    assert found.text == "No conclusion: no detector for this question was run."


def test_weak_ratios_are_no_conclusion() -> None:
    ratios = {"good": calibrated(evidence("good"), -0.2)}
    found = conclude(Question.MANIPULATED, [evidence("good")], ratios, POLICY, {})
    assert found.support is Support.NONE
    assert found.llr == -0.2
    assert "too weak" in found.text


def test_a_conclusion_is_clipped() -> None:
    ratios = {"good": calibrated(evidence("good"), 9.0)}
    found = conclude(Question.MANIPULATED, [evidence("good")], ratios, POLICY, {})
    assert found.llr == 3.0
