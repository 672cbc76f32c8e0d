from __future__ import annotations

import hashlib
import io
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tellsign.artifacts import card as cards
from tellsign.artifacts.card import FileRecord, ModelCard
from tellsign.artifacts.store import ENVIRONMENT
from tellsign.detectors.universal.generator_fingerprint import (
    GeneratorFingerprint,
    picture_features,
)
from tellsign.media import from_bytes, open_media
from tellsign.media.media import Media
from tellsign.signal.fingerprint import fit_fingerprints
from tellsign.testing import check_detector, run
from tellsign.types import Abstention, Evidence

FAMILIES = ("board-2", "board-3", "board-5")


def pixels_of(seed: int, period: int | None) -> np.ndarray:
    rng = np.random.default_rng(seed)
    rough = rng.integers(60, 190, (9, 12, 3)).astype(np.uint8)
    smooth = np.asarray(Image.fromarray(rough).resize((320, 288), Image.Resampling.BICUBIC))
    noisy = smooth + rng.normal(0, 3, smooth.shape)
    if period:
        rows, columns = np.mgrid[:288, :320] % period
        noisy += np.where((rows == 0) ^ (columns == 0), 3.0, 0.0)[..., None]
    return np.clip(np.rint(noisy), 0, 255).astype(np.uint8)


def media_of(pixels: np.ndarray) -> Media:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return open_media(from_bytes(buffer.getvalue()))


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A small artifact made here, in front of any that comes with tellsign."""

    def features(seeds: range, period: int | None) -> np.ndarray:
        rows = [picture_features(pixels_of(s, period)) for s in seeds]
        assert all(r is not None for r in rows)
        return np.stack([r for r in rows if r is not None])

    families = {
        n: features(range(100 * p, 100 * p + 12), p)
        for n, p in zip(FAMILIES, (2, 3, 5), strict=True)
    }
    prints = fit_fingerprints(families, features(range(20), None), features(range(20, 40), None))
    data = json.dumps({**prints.to_dict(), "open_set_percentile": 95.0}).encode()
    folder = tmp_path / "generator_fingerprint-1"
    folder.mkdir()
    (folder / "head.json").write_bytes(data)
    text = ["name", "summary", "licence_code", "licence_weights", "licence_data", "training_data"]
    text += ["intended_use", "measured", "made"]
    card = ModelCard(
        **{**dict.fromkeys(text, "test"), "name": "generator_fingerprint"},
        version="1", detector="generator_fingerprint", detector_version="1",
        known_failures=("everything else",),
        files=(FileRecord("head.json", hashlib.sha256(data).hexdigest(), len(data)),),
    )  # fmt: skip
    (folder / "card.toml").write_text(cards.render(card), "utf-8")
    monkeypatch.setenv(ENVIRONMENT, str(tmp_path))
    return folder


def examined(pixels: np.ndarray) -> Evidence:
    outcome = run(GeneratorFingerprint(), media_of(pixels))
    assert isinstance(outcome, Evidence)
    return outcome


@pytest.mark.usefixtures("installed")
def test_it_names_the_family_and_the_runners_up() -> None:
    evidence = examined(pixels_of(7, 3))
    (finding,) = evidence.findings
    assert finding.code == "source.generator.resembles"
    assert finding.values["family_1"] == "board-3"
    assert finding.values["percentile"] == 100
    assert evidence.score == pytest.approx(float(finding.values["correlation_1"]), abs=1e-3)
    assert finding.values["correlation_2"] < finding.values["correlation_1"]
    assert "board-3" in finding.text


@pytest.mark.usefixtures("installed")
def test_it_says_unknown() -> None:
    codes = [examined(pixels_of(s, None)).findings[0].code for s in range(50, 60)]
    assert codes.count("source.generator.unknown") >= 8
    assert examined(pixels_of(50, None)).score < examined(pixels_of(50, 2)).score


@pytest.mark.usefixtures("installed")
def test_it_abstains_where_there_is_nothing_to_compare() -> None:
    flat = run(GeneratorFingerprint(), media_of(np.full((200, 200, 3), 90, np.uint8)))
    small = run(GeneratorFingerprint(), media_of(pixels_of(1, None)[:100]))
    assert isinstance(flat, Abstention)
    assert isinstance(small, Abstention)
    assert (flat.code, small.code) == ("flat", "too_small")


@pytest.mark.usefixtures("installed")
def test_the_contract_holds_with_an_artifact() -> None:
    check_detector(GeneratorFingerprint)


def test_the_report_names_the_artifact(installed: Path) -> None:
    ref = examined(pixels_of(1, 2)).origin.artifact
    assert ref is not None
    assert ref.sha256 == hashlib.sha256((installed / "card.toml").read_bytes()).hexdigest()
