"""The artifact of a detector: found in one place, asked for by name, missed without a crash."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from tellsign import registry
from tellsign.artifacts import card as cards
from tellsign.artifacts.card import FileRecord, ModelCard
from tellsign.artifacts.store import ENVIRONMENT, Store
from tellsign.detectors.base import Abstain
from tellsign.detectors.installed import NO_ARTIFACT, InstalledDetector
from tellsign.detectors.supervised.residual_network import ResidualNetwork
from tellsign.errors import DetectorError
from tellsign.forge.codec import encode_png
from tellsign.media import from_bytes, open_media
from tellsign.testing import run
from tellsign.types import Abstention

INSTALLED = [c for c in registry.load().values() if issubclass(c, InstalledDetector)]
IDS = [c.info.name for c in INSTALLED]


@pytest.fixture
def front(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An artifact without a network, in front of the one that comes with tellsign."""
    data = b"{}"
    folder = tmp_path / "residual_network-1"
    folder.mkdir()
    (folder / "calibration.json").write_bytes(data)
    text = ["name", "summary", "licence_code", "licence_weights", "licence_data", "training_data"]
    text += ["intended_use", "measured", "made"]
    card = ModelCard(
        **{**dict.fromkeys(text, "test"), "name": "residual_network"},
        version="1", detector="residual_network", detector_version="1",
        known_failures=("everything",),
        files=(FileRecord("calibration.json", hashlib.sha256(data).hexdigest(), len(data)),),
    )  # fmt: skip
    (folder / "card.toml").write_text(cards.render(card), "utf-8")
    monkeypatch.setenv(ENVIRONMENT, str(tmp_path))
    return folder


def test_those_with_a_learned_part_are_of_this_kind() -> None:
    stated = {n for n, c in registry.load().items() if c.info.artifact}
    assert stated == set(IDS) >= {"embedding_probe", "residual_network", "generator_fingerprint"}


@pytest.mark.parametrize("cls", INSTALLED, ids=IDS)
def test_the_artifact_is_that_of_the_info(cls: type[InstalledDetector]) -> None:
    found = cls().needed
    assert found.label == cls.info.artifact
    assert all(found.holds(name) for name in cls.FILES)
    ref = cls().artifact_ref()
    assert ref is not None
    assert (f"{ref.name}@{ref.version}", ref.sha256) == (found.label, found.sha256)


@pytest.mark.parametrize("cls", INSTALLED, ids=IDS)
def test_without_its_artifact_it_abstains(
    cls: type[InstalledDetector], photo: NDArray[np.uint8], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Store, "get", lambda *_: None)
    detector = cls()
    outcome = run(detector, open_media(from_bytes(encode_png(photo))))
    assert isinstance(outcome, Abstention)
    assert (outcome.code, outcome.origin.artifact) == (NO_ARTIFACT, None)
    assert outcome.text.endswith("not installed.")
    with pytest.raises(Abstain, match=NO_ARTIFACT):
        _ = detector.needed


@pytest.mark.usefixtures("front")
def test_a_calibration_alone_is_no_network() -> None:
    assert ResidualNetwork().artifact is None
    assert ResidualNetwork().artifact_ref() is None


def test_what_is_installed_later_is_seen(front: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    detector = ResidualNetwork()
    assert detector.artifact is None
    monkeypatch.delenv(ENVIRONMENT)
    found = detector.artifact
    assert found is not None
    assert found.folder != front


def test_a_detector_that_states_none_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ResidualNetwork, "info", replace(ResidualNetwork.info, artifact=None))
    with pytest.raises(DetectorError, match="states no artifact"):
        _ = ResidualNetwork().artifact
