from __future__ import annotations

import io

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from tellsign.detectors.base import Abstain
from tellsign.detectors.supervised.pixel_statistics import (
    COUNT,
    PixelStatistics,
    describe,
    judge,
    votes,
)
from tellsign.media import from_bytes, open_media
from tellsign.media.media import Media
from tellsign.nn.runtime import network

Pixels = NDArray[np.uint8]


def noise(side: int, seed: int = 0) -> Pixels:
    rng = np.random.default_rng(seed)
    field = cv2.GaussianBlur(rng.normal(0, 40, (side, side, 3)), (0, 0), 0.8)
    return np.asarray(np.clip(128 + field, 0, 255).round(), np.uint8)


def opened(pixels: Pixels) -> Media:
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "PNG")
    return open_media(from_bytes(out.getvalue()))


def test_the_score_is_the_weighted_vote_shown_in_the_map() -> None:
    evidence = PixelStatistics().examine(opened(noise(250)))
    (score_map,) = evidence.maps
    assert score_map.span == (-5, 5)
    assert score_map.valid.all()
    assert score_map.values.min() <= evidence.score <= score_map.values.max()
    (finding,) = evidence.findings
    assert finding.values["patches"] == 16
    assert evidence.origin.artifact is not None


def test_a_patch_scores_the_same_in_any_company() -> None:
    net = network(PixelStatistics().needed.path("model.onnx"))
    patches = np.stack([noise(100, seed) for seed in range(COUNT)])
    together = judge(patches, net)
    assert together.shape == (COUNT,)
    assert np.allclose(judge(patches[3:4], net), together[3:4], atol=1e-4)


def test_flat_and_clipped_patches_have_no_vote() -> None:
    patches = np.stack([noise(100), *(np.full((100, 100, 3), v, np.uint8) for v in (0, 80, 255))])
    weights = votes(patches)
    assert weights[0] > 0.8
    assert not weights[1:].any()
    picture = noise(500)
    picture[:, 250:] = 255
    valid = PixelStatistics().examine(opened(picture)).maps[0].valid
    assert valid[:, 0].all()
    assert not valid[:, -1].any()


def test_the_finding_counts_votes_by_weight() -> None:
    logits = np.array([2.0, -1.0, -1.0], np.float32)
    finding = describe(logits, np.array([0.5, 0.25, 0.25], np.float32))
    assert finding.values["votes"] == 1
    assert finding.values["share"] == 0.5
    assert finding.text.startswith("1 of 3 patches (50% by weight)")


def test_small_and_flat_pictures_are_not_judged() -> None:
    detector = PixelStatistics()
    assert detector.applicable(opened(noise(99))) == "too_small"
    assert detector.applicable(opened(noise(100))) is None
    with pytest.raises(Abstain, match="flat"):
        detector.examine(opened(np.full((300, 300, 3), 80, np.uint8)))
