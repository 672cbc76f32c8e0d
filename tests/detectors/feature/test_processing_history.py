from __future__ import annotations

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from tellsign.detectors.base import Abstain
from tellsign.detectors.feature.processing_history import ProcessingHistory
from tellsign.forge.codec import encode_jpeg, encode_png
from tellsign.forge.jpeg_history import compressed, with_history
from tellsign.media import from_bytes, open_media
from tellsign.testing import check_detector
from tellsign.types import Evidence, Finding

Pixels = NDArray[np.uint8]


def examine(data: bytes) -> Evidence:
    return ProcessingHistory().examine(open_media(from_bytes(data)))


def only(evidence: Evidence) -> Finding:
    (finding,) = evidence.findings
    assert evidence.score == 1.0
    return finding


def test_keeps_the_detector_contract() -> None:
    check_detector(ProcessingHistory)


def test_nothing_is_said_of_a_picture_saved_once(photo: Pixels) -> None:
    for data in (encode_jpeg(photo, 88, "4:2:0"), encode_png(photo)):
        evidence = examine(data)
        assert evidence.score == 0
        assert evidence.findings == ()


def test_double_compression_names_the_former_quality(photo: Pixels) -> None:
    finding = only(examine(encode_jpeg(compressed(photo, 70), 90, "4:2:0")))
    assert finding.code == "history.jpeg.aligned"
    assert finding.values["former_quality"] == 70
    assert "the whole picture" in finding.text


def test_a_cropped_jpeg_names_the_shift(photo: Pixels) -> None:
    cropped = compressed(photo, 70)[3:, 2:]
    finding = only(examine(encode_jpeg(cropped, 90, "4:2:0")))
    assert finding.code == "history.jpeg.shifted"
    assert finding.values["former_quality"] == 70
    assert (finding.values["shift_x"], finding.values["shift_y"]) == (6, 5)


def test_part_of_a_picture_is_not_called_the_whole(photo: Pixels) -> None:
    mask = np.zeros(photo.shape[:2], np.bool_)
    mask[:, :320] = True
    half = with_history(photo, mask, 60)
    finding = only(examine(encode_jpeg(half, 90, "4:2:0")))
    assert 0.3 < finding.values["share"] < 0.7
    assert "whole" not in finding.text


@pytest.mark.parametrize(("top", "left"), [(0, 0), (3, 5)])
def test_a_lossless_copy_of_a_jpeg(photo: Pixels, top: int, left: int) -> None:
    finding = only(examine(encode_png(compressed(photo, 75)[top:, left:])))
    assert finding.code == "history.jpeg.former"
    assert finding.values["former_quality"] == 75
    assert finding.values["grid_x"] == -left % 8
    assert finding.values["grid_y"] == -top % 8
    assert ("not cropped" in finding.text) == (top == left == 0)


def test_resizing_is_named(photo: Pixels) -> None:
    larger = cv2.resize(photo, None, fx=1.3, fy=1.3, interpolation=cv2.INTER_CUBIC)
    finding = only(examine(encode_png(larger)))
    assert finding.code == "history.resized"
    assert finding.values["log10_nfa"] < 0
    assert f"{finding.values['factor']:g}" in finding.text


def test_a_screenshot_is_described(photo: Pixels) -> None:
    page = np.full((2340, 1080, 3), 245, np.uint8)
    page[:90] = 20
    page[400:880, 100:740] = photo
    codes = {f.code: f for f in examine(encode_png(page)).findings}
    finding = codes["history.screenshot"]
    assert finding.values["cues"] >= 5
    assert "the size of a common screen" in finding.text


def test_too_coarse_and_other_formats_are_no_error(photo: Pixels) -> None:
    assert examine(encode_jpeg(photo, 20, "4:2:0")).score == 0


def test_abstains_on_tiny_pictures() -> None:
    with pytest.raises(Abstain) as reason:
        examine(encode_png(np.zeros((40, 200, 3), np.uint8)))
    assert reason.value.code == "too_small"
