from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from tellsign.artifacts import card as cards
from tellsign.artifacts.card import FileRecord, ModelCard
from tellsign.artifacts.store import Store, open_artifact
from tellsign.calibration.stored import calibration_for
from tellsign.errors import ArtifactError

CONTENT = json.dumps(
    {
        "schema": "tellsign.calibration/1",
        "detector": "toy",
        "detector_version": "1",
        "made": "2026-11-22",
        "reference": "sha256:0",
        "strata": {},
    }
).encode()


def card(data: bytes = CONTENT, version: str = "1", name: str = "toy") -> ModelCard:
    record = FileRecord("calibration.json", hashlib.sha256(data).hexdigest(), len(data))
    return ModelCard(
        name=name,
        version=version,
        detector=name,
        detector_version=version,
        summary='A "toy" \\ artifact',
        licence_code="Apache-2.0",
        licence_weights="Apache-2.0",
        licence_data="none",
        training_data="made up",
        intended_use="tests",
        known_failures=("all of them", "more"),
        measured="pytest",
        made="2026-11-22",
        files=(record,),
    )


def folder(root: Path, found: ModelCard, data: bytes = CONTENT) -> Path:
    path = root / f"{found.name}-{found.version}"
    path.mkdir(parents=True)
    (path / "card.toml").write_text(cards.render(found), "utf-8")
    (path / "calibration.json").write_bytes(data)
    return path


def test_a_card_survives_toml() -> None:
    assert cards.parse(cards.render(card()), "toy") == card()


def test_a_verified_folder_opens(tmp_path: Path) -> None:
    found = open_artifact(folder(tmp_path, card()))
    assert found.label == "toy@1"
    assert found.path("calibration.json").read_bytes() == CONTENT


def test_a_changed_file_is_refused(tmp_path: Path) -> None:
    path = folder(tmp_path, card(), CONTENT.replace(b"toy", b"tox"))
    with pytest.raises(ArtifactError, match="was changed"):
        open_artifact(path)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    path = folder(tmp_path, card())
    (path / "calibration.json").unlink()
    with pytest.raises(ArtifactError):
        open_artifact(path)


def test_a_renamed_folder_is_refused(tmp_path: Path) -> None:
    path = folder(tmp_path, card()).rename(tmp_path / "other-1")
    with pytest.raises(ArtifactError, match="holds toy-1"):
        open_artifact(path)


def test_a_file_name_cannot_leave_the_folder() -> None:
    text = cards.render(card()).replace("calibration.json", "../calibration.json")
    with pytest.raises(ArtifactError, match="plain file name"):
        cards.parse(text, "toy")


@pytest.mark.parametrize("change", [("summary =", "sumary ="), ("made =", "x = 1 #"), ("[[", "[")])
def test_a_card_that_is_not_one_is_refused(change: tuple[str, str]) -> None:
    with pytest.raises(ArtifactError):
        cards.parse(cards.render(card()).replace(*change), "toy")


def test_known_failures_are_not_optional() -> None:
    text = cards.render(card()).replace('  "all of them",\n  "more",\n', "")
    with pytest.raises(ArtifactError, match="known_failures"):
        cards.parse(text, "toy")


def test_the_first_folder_wins(tmp_path: Path) -> None:
    folder(tmp_path / "user", card())
    folder(tmp_path / "wheel", card())
    folder(tmp_path / "wheel", card(name="other"))
    store = Store((tmp_path / "user", tmp_path / "wheel"))
    assert store.folders["toy-1"].parent.name == "user"
    assert set(store.folders) == {"toy-1", "other-1"}
    assert store.get("nobody", "1") is None


def test_a_calibration_is_found_for_its_detector_only(tmp_path: Path) -> None:
    folder(tmp_path, card())
    store = Store((tmp_path,))
    found = calibration_for("toy", "1", store)
    assert found is not None
    assert found.detector == "toy"
    assert calibration_for("toy", "2", store) is None


def test_a_calibration_of_another_version_is_an_error(tmp_path: Path) -> None:
    folder(tmp_path, card(version="2"))
    with pytest.raises(ArtifactError, match="calibrated for toy version 1"):
        calibration_for("toy", "2", Store((tmp_path,)))


def test_every_artifact_of_the_package_is_in_order() -> None:
    for path in Store.default().folders.values():
        assert open_artifact(path).card.measured
