from __future__ import annotations

import pytest

from tellsign.calibration.conditions import CONDITIONS, condition_of
from tellsign.types import JpegFacts, MediaFacts


def facts(form: str | None, quality: int | None = None) -> MediaFacts:
    jpeg = JpegFacts(quality, "4:2:0", False, "0" * 64) if form == "jpeg" else None
    return MediaFacts("image", form, 640, 480, None, "RGB", 8, 1, None, None, jpeg, None)


@pytest.mark.parametrize(
    ("quality", "expected"),
    [
        (100, "jpeg-q90+"),
        (90, "jpeg-q90+"),
        (89, "jpeg-q75-89"),
        (75, "jpeg-q75-89"),
        (60, "jpeg-q50-74"),
        (40, "jpeg-q0-49"),
        (1, "jpeg-q0-49"),
        (None, "jpeg-q75-89"),
    ],
)
def test_jpeg_quality_decides(quality: int | None, expected: str) -> None:
    assert condition_of(facts("jpeg", quality)) == expected


@pytest.mark.parametrize("form", ["png", "tiff", "bmp", "gif"])
def test_lossless_formats(form: str) -> None:
    assert condition_of(facts(form)) == "lossless"


@pytest.mark.parametrize("form", ["webp", "avif", "heif", None])
def test_other_codecs(form: str | None) -> None:
    assert condition_of(facts(form)) == "lossy-other"


def test_every_answer_is_a_known_condition() -> None:
    answers = {condition_of(facts("jpeg", q)) for q in range(1, 101)}
    assert answers | {"lossless", "lossy-other"} == set(CONDITIONS)
