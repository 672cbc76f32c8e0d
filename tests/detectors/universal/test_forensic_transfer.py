"""Latent activations: score, stitched map, finding."""

from __future__ import annotations

import io
from types import SimpleNamespace

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from tellsign.artifacts.store import Store
from tellsign.detectors.universal import forensic_transfer as ft
from tellsign.media import from_bytes, open_media
from tellsign.media.media import Media
from tellsign.nn import runtime, views
from tellsign.testing import odd_pictures, run
from tellsign.types import Abstention, Box, Evidence


class BrightCells:
    """Stands for the encoder: generated channels are as active as a cell is bright.

    Channels of a half differ, and their mean is what the half shows.
    """

    def run(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
        assert batch.shape == (2, 3, 256, 256)
        cells = batch.mean(axis=1).reshape(-1, 16, 16, 16, 16).mean(axis=(2, 4)) / 255
        halves = np.repeat(np.stack([1 - cells, cells], axis=1), 64, axis=1)
        return (halves * np.tile([0.5, 1.5], 64)[:, None, None]).astype(np.float32)


class Installed:
    """Stands for an artifact: `weight` on channels of mean 1 and scale 2."""

    card = SimpleNamespace(name=ft.NAME, version=ft.VERSION)
    sha256 = "0" * 64

    def __init__(self, weight: NDArray[np.float64], bias: float = 0.0) -> None:
        self.head = {
            "weight": list(2 * weight),
            "bias": bias + float(weight.sum()),
            "mean": [1.0] * 128,
            "scale": [2.0] * 128,
        }

    def path(self, name: str) -> str:
        return name

    def json(self, name: str) -> dict[str, object]:
        assert name == ft.HEAD
        return self.head


def a_media(pixels: NDArray[np.uint8]) -> Media:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return open_media(from_bytes(buffer.getvalue()))


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, HALVES)


HALVES = np.repeat([-1.0, 1.0], 64) / 64


def install(monkeypatch: pytest.MonkeyPatch, weight: NDArray[np.float64], bias: float = 0) -> None:
    monkeypatch.setattr(ft.ForensicTransfer, "artifact", Installed(weight, bias))
    monkeypatch.setattr(runtime, "network", lambda path: BrightCells())


def examined(pixels: NDArray[np.uint8]) -> Evidence:
    found = run(ft.ForensicTransfer(), a_media(pixels))
    assert isinstance(found, Evidence)
    return found


@pytest.mark.usefixtures("installed")
def test_the_map_lies_where_the_picture_does() -> None:
    pixels = np.full((512, 512, 3), 40, np.uint8)
    pixels[320:352, 96:128] = 240
    found = examined(pixels)
    (scores,) = found.maps
    assert scores.stride == 16
    assert scores.span == (-1, 1)
    assert scores.values.shape == (32, 32)
    expected = np.full((32, 32), 2 * 40 / 255 - 1)
    expected[20:22, 6:8] = 2 * 240 / 255 - 1
    np.testing.assert_allclose(scores.values[scores.valid], expected[scores.valid], atol=1e-5)
    assert scores.valid.all()


@pytest.mark.usefixtures("installed")
def test_brighter_is_more_support_and_the_finding_gives_both_levels() -> None:
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 60, (300, 500, 3), dtype=np.uint8)
    dark, bright = examined(noise), examined(noise + np.uint8(190))
    assert bright.score > 0 > dark.score
    (finding,) = bright.findings
    generated, pristine = float(finding.values["generated"]), float(finding.values["pristine"])  # type: ignore[arg-type]
    assert generated + pristine == pytest.approx(1, abs=1e-5)
    assert bright.score == pytest.approx(generated - pristine)


def test_an_adapted_head_weighs_every_channel(monkeypatch: pytest.MonkeyPatch) -> None:
    pixels = np.full((300, 500, 3), 102, np.uint8)
    pixels[0, 0] = 0  # not flat
    weight = np.zeros(128)
    weight[65] = 2.0  # a channel of the generated half, 1.5 times as active as the half
    install(monkeypatch, weight, bias=-0.25)
    found = examined(pixels)
    assert found.score == pytest.approx(2 * 1.5 * 0.4 - 0.25, abs=2e-3)
    (scores,) = found.maps
    assert scores.values[scores.valid].mean() == pytest.approx(found.score, abs=2e-3)
    assert found.findings[0].values["generated"] == pytest.approx(0.4, abs=2e-3)


@pytest.mark.usefixtures("installed")
def test_the_crop_named_is_the_brightest() -> None:
    pixels = np.full((256, 800, 3), 20, np.uint8)
    pixels[:, 560:] = 200
    (finding,) = examined(pixels).findings
    assert isinstance(finding.where, Box)
    assert finding.where.x + finding.where.width == 800
    assert finding.values["most"] > 0  # type: ignore[operator]


def test_cells_of_overlapping_crops_are_averaged() -> None:
    cells = np.stack([np.zeros((16, 16)), np.ones((16, 16))])
    found = ft.latent_map(cells, np.array([[0, 0], [0, 128]]), (256, 400))
    assert found.values.shape == (16, 25)
    assert not found.values[:, :8].any()
    assert (found.values[:, 8:16] == 0.5).all()
    assert (found.values[:, 16:24] == 1).all()
    assert not found.valid[:, 24].any()


@pytest.mark.parametrize("shape", [(128, 128), (200, 900), (255, 257), (1000, 1500), (3001, 2003)])
def test_the_map_covers_every_crop(shape: tuple[int, int]) -> None:
    corners = views.corners(shape, ft.SIDE, ft.CROPS)
    found = ft.latent_map(np.ones((len(corners), 16, 16)), corners, shape)
    assert found.values.shape == (-(-shape[0] // 16), -(-shape[1] // 16))
    np.testing.assert_array_equal(found.values, found.valid)
    for top, left in corners:
        middle = (min(top + 128, shape[0] - 1) // 16, min(left + 128, shape[1] - 1) // 16)
        assert found.valid[middle]


@pytest.mark.usefixtures("installed")
@pytest.mark.parametrize(("name", "code"), [("noise.png", "too_small"), ("constant.png", "flat")])
def test_it_abstains(name: str, code: str) -> None:
    found = run(ft.ForensicTransfer(), open_media(from_bytes(odd_pictures()[name], name)))
    assert isinstance(found, Abstention)
    assert found.code == code


def test_the_shipped_encoder_speaks(photo: NDArray[np.uint8]) -> None:
    assert Store.default().get(ft.NAME, ft.VERSION) is not None
    found = examined(photo)
    assert -3 < found.score < 3
    assert found.maps[0].valid.all()
    assert found.maps[0].values[found.maps[0].valid].std() > 0
