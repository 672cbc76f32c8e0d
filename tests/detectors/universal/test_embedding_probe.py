"""The work-horse: independent crops, a score that is a mean, and abstention before guessing."""

from __future__ import annotations

import numpy as np
import pytest

from tellsign.detectors.universal import embedding_probe as probe
from tellsign.forge.codec import encode_png
from tellsign.media import from_bytes, open_media
from tellsign.media.media import Media
from tellsign.nn.cells import network_input
from tellsign.types import Box, Evidence


def media(pixels: np.ndarray) -> Media:
    return open_media(from_bytes(encode_png(pixels), "made"))


def textured(height: int, width: int, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (height // 16 + 1, width // 16 + 1, 3), dtype=np.uint8)
    whole = np.kron(coarse, np.ones((16, 16, 1), np.uint8))[:height, :width]
    return np.clip(whole + rng.normal(0, 4, whole.shape), 0, 255).astype(np.uint8)


@pytest.fixture(scope="module")
def found() -> Evidence:
    return probe.EmbeddingProbe().examine(media(textured(300, 460)))


def logits(crops: np.ndarray) -> np.ndarray:
    detector = probe.EmbeddingProbe()
    rows = detector.infer_rows(network_input(crops))
    return probe.logits_of(rows, probe._head(detector.needed))


def test_the_score_of_a_small_picture_is_the_mean_of_its_crops(found: Evidence) -> None:
    cut, _ = probe.views.crops(textured(300, 460), probe.SIDE, probe.CROPS)
    assert found.score == pytest.approx(float(logits(cut).mean()), abs=1e-6)
    assert found.findings[0].values["crops"] == len(cut) > 1
    assert [f.code for f in found.findings] == ["embedding.crop"]  # one scale: the score itself


def test_every_scale_of_a_large_picture_counts_alike() -> None:
    pixels = textured(640, 700)
    told = probe.EmbeddingProbe().examine(media(pixels))
    plan = probe.layout(media(pixels))
    assert [len(s.corners) for s in plan] == [4, 1, 1]
    each = logits(probe.scales.cut(pixels, probe.SIDE, plan))
    wanted = [each[:4].mean(), each[4], each[5]]
    assert told.score == pytest.approx(float(np.mean(wanted)), abs=1e-6)
    crop, scales = told.findings
    assert crop.values["crops"] == probe.CROPS
    np.testing.assert_allclose(list(scales.values.values()), wanted, atol=1e-6)
    region = crop.where
    assert isinstance(region, Box)
    assert region.x + region.width <= 700
    assert region.y + region.height <= 640


def test_a_crop_does_not_depend_on_its_neighbours() -> None:
    rows = network_input(np.stack([textured(224, 224, s) for s in range(3)]))
    detector = probe.EmbeddingProbe()
    together, alone = detector.infer_rows(rows), detector.infer_rows(rows[1:2])
    np.testing.assert_array_equal(together[1], alone[0])


def test_the_map_lies_over_the_picture(found: Evidence) -> None:
    (own,) = found.maps
    assert own.values.shape == (10, 15)
    assert own.span == probe.SPAN
    assert 0.5 < own.valid.mean() <= 1
    region = found.findings[0].where
    assert isinstance(region, Box)
    assert region.x + region.width <= 460
    assert region.y + region.height <= 300


def test_the_region_of_a_small_picture_stays_inside() -> None:
    region = probe.EmbeddingProbe().examine(media(textured(120, 130))).findings[0].where
    assert isinstance(region, Box)
    assert (region.width, region.height) == (130, 120)


def test_small_and_flat_pictures_are_left_alone() -> None:
    detector = probe.EmbeddingProbe()
    assert detector.applicable(media(textured(95, 400))) == "too_small"
    with pytest.raises(probe.Abstain, match="flat"):
        detector.prepare(media(np.full((200, 200, 3), 90, np.uint8)))


def test_the_head_is_one_linear_layer() -> None:
    head = {"weight": [2.0, -1.0], "bias": 0.5, "mean": [1.0, 0.0], "scale": [2.0, 1.0]}
    rows = np.array([[3.0, 1.0], [1.0, 0.0]], np.float32)
    np.testing.assert_allclose(probe.logits_of(rows, head), [1.5, 0.5])
