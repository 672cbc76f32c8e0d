"""Photographs of a bright camera, and a detector that takes brightness for alteration."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tellsign.artifacts.card import ModelCard
from tellsign.artifacts.store import ENVIRONMENT, forget
from tellsign.benchmark.calibrate import write_artifact
from tellsign.calibration.calibrators import Calibration, Curve, Stratum
from tellsign.errors import UsageError
from tellsign.examiner import Examiner
from tellsign.media import from_bytes
from tellsign.plan import Plan
from tellsign.training.hold import HeldAll, hold_false_alarms
from tellsign.types import Question, Source

TOY = str(Path(__file__).parent.parent / "toys" / "toy_brightness.py")
LLR = (-2.0, 0.0, 2.0)
CURVE = Curve((60.0, 120.0, 180.0), LLR, (-2.2, -0.2, 1.8), (-1.8, 0.2, 2.2))


def photographs(n: int, bright: float = 140.0) -> list[Source]:
    rng = np.random.default_rng(0)
    found = []
    for i in range(n):
        level = np.clip(rng.normal(bright, 20) + rng.normal(0, 3, (64, 64, 3)), 0, 255)
        buffer = io.BytesIO()
        Image.fromarray(level.astype(np.uint8)).save(buffer, "JPEG", quality=92)
        found.append(from_bytes(buffer.getvalue(), f"{i}.jpg"))
    return found


@pytest.fixture
def plan(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Plan:
    """The toy with a calibration of its own, installed for this test."""
    stratum = Stratum(CURVE, "logistic", 500, 500, 9, 0.5, 0.5)
    strata = dict.fromkeys(("jpeg-q90+", "jpeg-q50-74"), stratum)
    calibration = Calibration("toy_brightness", "1", "2026-11-22", "sha256:0", strata)
    texts = dict.fromkeys(
        ("licence_code", "licence_weights", "licence_data", "training_data", "intended_use"), "toy"
    )
    card = ModelCard(
        name="toy_brightness",
        version="1",
        detector="toy_brightness",
        detector_version="1",
        summary="A toy.",
        known_failures=("all",),
        measured="pytest",
        made="2026-11-22",
        files=(),
        **texts,
    )
    write_artifact(tmp_path / "installed", card, calibration.to_dict(), "calibration.json")
    monkeypatch.setenv(ENVIRONMENT, str(tmp_path / "installed"))
    forget()
    return Plan.select(detectors=["toy_brightness"], loaded=[TOY])


def held(plan: Plan, out: Path, sources: list[Source], share: float = 0.02) -> HeldAll:
    return hold_false_alarms(
        sources,
        out,
        plan=plan,
        question=Question.MANIPULATED,
        share=share,
        treatments=("raw", "web"),
    )


def accused(plan: Plan, sources: list[Source]) -> int:
    reports = Examiner(plan).examine_many(sources)
    llrs = [c.llr for r in reports for c in r.conclusions if c.question is Question.MANIPULATED]
    return sum(llr is not None and llr >= plan.policy.moderate for llr in llrs)


def test_the_share_is_held_by_the_engine_that_uses_what_was_written(
    plan: Plan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sources = photographs(60)
    before = accused(plan, sources)
    found = held(plan, tmp_path / "mine", sources)
    assert before > 6
    assert [h.condition for h in found.conditions] == ["jpeg-q50-74", "jpeg-q90+"]
    assert found.conditions[1].before == before
    assert all(h.after <= 1 for h in found.conditions)
    monkeypatch.setenv(ENVIRONMENT, str(tmp_path / "mine"))
    assert accused(plan, sources) == found.conditions[1].after <= 1


def test_the_card_says_what_was_done(plan: Plan, tmp_path: Path) -> None:
    found = held(plan, tmp_path / "mine", photographs(60))
    (artifact,) = found.artifacts
    assert "60 photographs of the user" in artifact.card.training_data
    assert "at most 2.0%" in artifact.card.summary
    assert found.to_dict()["conditions"][0]["photographs"] == 60


def test_photographs_that_nobody_accuses_move_nothing(plan: Plan, tmp_path: Path) -> None:
    found = held(plan, tmp_path / "mine", photographs(30, bright=60.0))
    assert found.artifacts == ()
    assert not (tmp_path / "mine").exists()
    assert all(h.before == h.after == 0 for h in found.conditions)


def test_a_larger_share_moves_less(plan: Plan, tmp_path: Path) -> None:
    sources = photographs(60)
    strict = held(plan, tmp_path / "a", sources).conditions[1]
    lax = held(plan, tmp_path / "b", sources, share=0.1).conditions[1]
    assert strict.shifts["toy_brightness"] > lax.shifts["toy_brightness"] > 0  # type: ignore[operator]
    assert lax.after == 6


def test_too_few_photographs_are_refused_and_copies_do_not_count(
    plan: Plan, tmp_path: Path
) -> None:
    sources = photographs(19)
    with pytest.raises(UsageError, match="19 usable photographs"):
        held(plan, tmp_path / "mine", sources + sources)


def test_a_question_without_calibration_is_refused(tmp_path: Path, plan: Plan) -> None:
    with pytest.raises(UsageError, match="no calibrated detector"):
        hold_false_alarms(
            photographs(20), tmp_path / "mine", plan=plan, question=Question.SYNTHETIC,
            treatments=("raw",),
        )  # fmt: skip


def test_what_is_no_share_is_refused(plan: Plan, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="share"):
        held(plan, tmp_path / "mine", photographs(20), share=1.0)
