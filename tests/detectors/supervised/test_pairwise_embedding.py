"""Patches, the score map, and what is said of the nearest generators."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from numpy.typing import NDArray

from tellsign.artifacts.store import Store
from tellsign.detectors.supervised import pairwise_embedding as pe
from tellsign.media import from_bytes, open_media
from tellsign.media.media import Media
from tellsign.nn import runtime
from tellsign.testing import odd_pictures, run
from tellsign.types import Abstention, Evidence, MapKind

GROUPS = {"maker_a": [0.0, 1.0], "maker_b": [1.0, 0.0], "photographs": [0.0, -1.0]}


class BrightPatches:
    """Stands for the network: brightness as log odds, an embedding near maker_a."""

    def run(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
        assert batch.shape == (1, 3, 64, 64)
        bright = batch.mean(axis=(1, 2, 3)) - 128
        embedding = np.tile(np.float32([0.6, 0.8]), (len(batch), 1))
        return np.column_stack([bright, embedding]).astype(np.float32)


def a_media(pixels: NDArray[np.uint8]) -> Media:
    import io

    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return open_media(from_bytes(buffer.getvalue()))


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> None:
    fake = SimpleNamespace(
        card=SimpleNamespace(name=pe.NAME, version=pe.VERSION),
        sha256="0" * 64,
        path=lambda name: name,
        json=lambda name: GROUPS,
    )
    fake_hashable = type("Fake", (SimpleNamespace,), {"__hash__": object.__hash__})
    monkeypatch.setattr(pe.PairwiseEmbedding, "artifact", fake_hashable(**vars(fake)))
    monkeypatch.setattr(runtime, "network", lambda path: BrightPatches())


def examined(pixels: NDArray[np.uint8]) -> Evidence:
    found = run(pe.PairwiseEmbedding(), a_media(pixels))
    assert isinstance(found, Evidence)
    return found


@pytest.mark.usefixtures("installed")
def test_the_score_is_the_mean_and_the_map_is_local(photo: NDArray[np.uint8]) -> None:
    pixels = photo.copy()
    pixels[:, 320:] = np.clip(pixels[:, 320:].astype(int) + 90, 0, 255)
    found = examined(pixels)
    (scores,) = found.maps
    assert scores.kind is MapKind.SCORE
    assert scores.span == (-5, 5)
    left = scores.values[:, :9][scores.valid[:, :9]]
    right = scores.values[:, 11:][scores.valid[:, 11:]]
    assert right.min() > left.max()
    assert left.mean() < found.score < right.mean()
    assert found.origin.artifact is not None


@pytest.mark.usefixtures("installed")
def test_the_finding_names_groups_by_distance(photo: NDArray[np.uint8]) -> None:
    (finding,) = examined(photo).findings
    assert finding.values["group_1"] == "maker_a"
    assert finding.values["group_2"] == "maker_b"
    assert finding.values["distance_1"] == pytest.approx(np.hypot(0.6, 0.2), abs=1e-6)
    assert finding.values["photographs"] == pytest.approx(np.hypot(0.6, 1.8), abs=1e-6)
    assert "not attribution" in finding.text
    assert "group_3" not in finding.values


def test_distances_are_to_the_mean_of_the_patches() -> None:
    rows = np.float32([[1, 0], [-1, 0]])
    assert pe.distances(rows, {"g": np.array([0.0, 2.0])}) == {"g": pytest.approx(2.0)}


def test_three_groups_at_most_are_named() -> None:
    near = {f"maker_{i}": 0.5 - 0.1 * i for i in range(5)} | {"photographs": 1.0}
    finding = pe.describe(near)
    assert [finding.values[f"group_{i}"] for i in (1, 2, 3)] == ["maker_4", "maker_3", "maker_2"]
    assert "maker_4 (distance 0.10), maker_3 (distance 0.20) and maker_2" in finding.text
    assert finding.values["generators"] == 5


@pytest.mark.usefixtures("installed")
@pytest.mark.parametrize(("name", "code"), [("strip.png", "too_small"), ("constant.png", "flat")])
def test_it_abstains(name: str, code: str) -> None:
    found = run(pe.PairwiseEmbedding(), open_media(from_bytes(odd_pictures()[name], name)))
    assert isinstance(found, Abstention)
    assert found.code == code


def test_the_shipped_network_fits_its_groups(photo: NDArray[np.uint8]) -> None:
    artifact = Store.default().get(pe.NAME, pe.VERSION)
    assert artifact is not None
    groups = artifact.json("groups.json")
    assert pe.PHOTOGRAPHS in groups
    found = examined(photo)
    assert found.findings[0].values["generators"] == len(groups) - 1
    assert 0 <= float(found.findings[0].values["distance_1"]) <= 2  # type: ignore[arg-type]
    assert found.maps[0].coverage > 0.5
