from __future__ import annotations

import io

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from tellsign.detectors.base import Abstain
from tellsign.detectors.feature.resampling import Resampling
from tellsign.media import from_bytes, open_media
from tellsign.media.media import Media
from tellsign.types import Box

GREY = NDArray[np.uint8]


def noise(height: int, width: int, seed: int = 0) -> GREY:
    rng = np.random.default_rng(seed)
    soft = cv2.GaussianBlur(rng.normal(0, 1, (height, width)), (0, 0), 8) * 300
    fine = cv2.GaussianBlur(rng.normal(0, 8, (height, width)), (0, 0), 0.6)
    return np.clip(128 + soft + fine, 0, 255).round().astype(np.uint8)


def opened(grey: GREY, **save: object) -> Media:
    out = io.BytesIO()
    Image.fromarray(grey).save(out, **({"format": "PNG"} | save))  # type: ignore[arg-type]
    return open_media(from_bytes(out.getvalue()))


def enlarged(seed: int, factor: float, side: int) -> GREY:
    source = noise(side, side, seed)
    out = cv2.resize(source, None, fx=factor, fy=factor, interpolation=cv2.INTER_LINEAR)
    return np.asarray(out[:side, :side], np.uint8)


def test_a_resized_piece_is_found_where_it_is() -> None:
    picture = noise(700, 900)
    picture[100:440, 400:740] = enlarged(1, 1.23, 340)
    evidence = Resampling().examine(opened(picture))
    assert evidence.score > 2
    region = evidence.findings[0]
    assert region.code == "resampling.region"
    assert isinstance(region.where, Box)
    x, y = region.where.x + region.where.width / 2, region.where.y + region.where.height / 2
    assert abs(x - 570) < 130
    assert abs(y - 270) < 130
    values = evidence.maps[0].values
    assert values[270 // 32, 570 // 32] == pytest.approx(evidence.score)
    assert values[600 // 32, 100 // 32] == 0


def test_a_rotated_piece_is_found() -> None:
    picture = noise(700, 900)
    turn = cv2.getRotationMatrix2D((300, 300), 12, 1.0)
    turned = cv2.warpAffine(noise(600, 600, 1), turn, (600, 600), flags=cv2.INTER_LINEAR)
    picture[100:440, 400:740] = turned[130:470, 130:470]
    evidence = Resampling().examine(opened(picture))
    assert evidence.findings[0].code == "resampling.region"


def test_an_untouched_picture_has_no_findings() -> None:
    evidence = Resampling().examine(opened(noise(700, 900)))
    assert evidence.score < 2
    assert evidence.findings == ()


def test_resizing_everything_is_history_and_no_accusation() -> None:
    evidence = Resampling().examine(opened(enlarged(2, 1.23, 900)))
    assert [f.code for f in evidence.findings] == ["resampling.whole"]
    assert evidence.score < 2


def test_a_piece_with_another_factor_in_a_resized_picture() -> None:
    picture = enlarged(2, 1.23, 900)
    picture[100:440, 400:740] = enlarged(1, 1.43, 340)
    evidence = Resampling().examine(opened(picture))
    assert {f.code for f in evidence.findings} == {"resampling.region", "resampling.whole"}


def test_small_flat_and_compressed_pictures_are_not_judged() -> None:
    detector = Resampling()
    assert detector.applicable(opened(noise(447, 900))) == "too_small"
    assert detector.applicable(opened(noise(448, 900))) is None
    assert detector.applicable(opened(noise(500, 500), format="JPEG", quality=85)) == (
        "strong_compression"
    )
    assert detector.applicable(opened(noise(500, 500), format="JPEG", quality=95)) is None
    with pytest.raises(Abstain, match="flat"):
        detector.examine(opened(np.full((600, 600), 50, np.uint8)))


def test_flat_parts_are_marked_as_unknown() -> None:
    picture = noise(800, 800)
    picture[:, 500:] = 90
    evidence = Resampling().examine(opened(picture))
    valid = evidence.maps[0].valid
    assert valid[5:20, 3:12].all()
    assert not valid[:, 22:].any()


def test_findings_do_not_overlap() -> None:
    picture = noise(900, 900)
    picture[30:400, 30:400] = enlarged(1, 1.23, 370)
    picture[500:870, 500:870] = enlarged(3, 1.43, 370)
    evidence = Resampling().examine(opened(picture))
    boxes = [f.where for f in evidence.findings if isinstance(f.where, Box)]
    assert len(boxes) >= 2
    covered = np.zeros((900, 900), np.int64)
    for box in boxes:
        covered[box.y : box.y + box.height, box.x : box.x + box.width] += 1
    assert covered.max() == 1
