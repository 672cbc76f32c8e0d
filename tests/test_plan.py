"""The digest of a plan covers every file that can change an answer."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

import tellsign
from tellsign import plan
from tellsign.types import Question

PACKAGE = Path(tellsign.__file__).parent


@pytest.fixture
def copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The shared code, where it can be changed."""
    for name in ("detectors", "nn", "signal"):
        shutil.copytree(PACKAGE / name, tmp_path / name)
    monkeypatch.setattr(plan, "files", lambda _: tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    "file",
    ["detectors/base.py", "detectors/installed.py", "detectors/crop_network.py", "nn/views.py"],
)
def test_shared_code_is_hashed(copy: Path, file: str) -> None:
    before = plan.shared_code_sha256()
    with (copy / file).open("a", encoding="utf-8") as changed:
        changed.write("# changed\n")
    assert plan.shared_code_sha256() != before


def test_a_detector_is_hashed_by_itself(copy: Path) -> None:
    before = plan.shared_code_sha256()
    (copy / "detectors/feature/copy_move.py").write_text("# changed\n", "utf-8")
    assert plan.shared_code_sha256() == before


def test_what_has_no_weight_runs_only_when_named_or_with_everything(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    weights = {"manipulated": {"copy_move": 0.0, "jpeg_grid_zero": 0.9}}
    monkeypatch.setattr(plan, "stored_weights", lambda _: weights)
    chosen = plan.Plan.select(questions=[Question.MANIPULATED]).detectors
    assert "jpeg_grid_zero" in chosen
    assert "copy_move" not in chosen
    assert "resampling" in chosen  # no weight fitted: shown, not refused
    whole = plan.Plan.select(questions=[Question.MANIPULATED], everything=True)
    assert "copy_move" in whole.detectors
    assert plan.Plan.select(detectors=["copy_move"]).detectors == ("copy_move",)
    # A weight is of one question; the same name asked about another keeps its place.
    monkeypatch.setattr(plan, "stored_weights", lambda _: {"synthetic": {"copy_move": 0.0}})
    assert "copy_move" in plan.Plan.default().detectors
