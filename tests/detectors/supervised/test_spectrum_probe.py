from __future__ import annotations

import io

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from tellsign.detectors.base import Abstain
from tellsign.detectors.supervised.spectrum_probe import (
    COUNT,
    Reference,
    SpectrumProbe,
    describe,
    members,
    read_head,
    varied,
)
from tellsign.media import from_bytes, open_media
from tellsign.media.media import Media
from tellsign.nn.runtime import network
from tellsign.signal.spectrum import luma, radial_profile

Pixels = NDArray[np.uint8]


def noise(side: int, seed: int = 0) -> Pixels:
    rng = np.random.default_rng(seed)
    field = cv2.GaussianBlur(rng.normal(0, 40, (side, side, 3)), (0, 0), 0.8)
    return np.asarray(np.clip(128 + field, 0, 255).round(), np.uint8)


def opened(pixels: Pixels, **save: object) -> Media:
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, **({"format": "PNG"} | save))  # type: ignore[arg-type]
    return open_media(from_bytes(out.getvalue()))


def reference(pixels: Pixels) -> Reference:
    profile = radial_profile(luma(pixels[:128, :128]))
    high, middle = float(profile[45:].mean()), float(profile[8:25].mean())
    return Reference(profile, high - middle, 1.0, 7)


def test_a_picture_gets_a_score_a_map_and_one_finding() -> None:
    evidence = SpectrumProbe().examine(opened(noise(300)))
    assert len(evidence.findings) == 1
    (score_map,) = evidence.maps
    assert score_map.span == (-5, 5)
    assert score_map.valid.all()
    assert score_map.values.min() <= evidence.score <= score_map.values.max()
    assert evidence.origin.artifact is not None


def test_a_crop_scores_the_same_in_any_company() -> None:
    found = SpectrumProbe().needed
    head, net = read_head(found.path("head.json")), network(found.path("model.onnx"))
    cut = np.stack([noise(128, seed) for seed in range(COUNT)])
    together = members(cut, head, net)
    alone = np.concatenate([members(cut[i : i + 1], head, net) for i in (0, 5)])
    assert together.shape == (COUNT, 4)
    assert np.allclose(together[[0, 5]], alone, atol=1e-3)
    assert np.array_equal(together[:, 1], members(cut, head, net)[:, 1])


def test_the_shipped_references_roll_off_and_fall_with_compression() -> None:
    found = SpectrumProbe().needed
    head = read_head(found.path("head.json"))
    assert set(head.references) == {"norm", "web", "hard"}
    assert all(r.deviation > 0 and r.roll_off < 0 for r in head.references.values())


@pytest.mark.parametrize(
    ("change", "code"),
    [("blur", "spectrum.deficit"), ("sharpen", "spectrum.excess"), ("none", "spectrum.usual")],
)
def test_the_finding_says_which_side(change: str, code: str) -> None:
    plain = noise(128)
    soft = cv2.GaussianBlur(plain, (0, 0), 1.0)
    sharp = np.clip(plain.astype(np.int64) + 2 * (plain.astype(np.int64) - soft), 0, 255)
    changed = {"blur": soft, "sharpen": sharp.astype(np.uint8), "none": plain}[change]
    finding = describe(radial_profile(luma(np.asarray(changed))), reference(plain), "norm")
    assert finding.code == code
    assert {f"band_{i}" for i in range(1, 9)} < set(finding.values)
    assert finding.values["reference"] == "norm"
    if change == "blur":
        assert "weaker" in finding.text
        assert float(finding.values["band_8"]) < -3


def test_flat_crops_are_left_out() -> None:
    cut = np.stack([noise(128), np.full((128, 128, 3), 60, np.uint8)])
    assert varied(cut).tolist() == [True, False]
    picture = noise(384)
    picture[:, 128:] = 60
    valid = SpectrumProbe().examine(opened(picture)).maps[0].valid
    assert valid[:, 0].all()
    assert not valid[:, -1].any()


def test_small_and_flat_pictures_are_not_judged() -> None:
    detector = SpectrumProbe()
    assert detector.applicable(opened(noise(127))) == "too_small"
    assert detector.applicable(opened(noise(128))) is None
    with pytest.raises(Abstain, match="flat"):
        detector.examine(opened(np.full((300, 300, 3), 80, np.uint8)))
