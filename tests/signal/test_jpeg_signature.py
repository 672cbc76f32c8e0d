from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from tellsign.media import from_bytes, open_media
from tellsign.signal.jpeg_signature import (
    comment_mark,
    huffman_kind,
    match_table,
    segment_marks,
    software_kind,
    table_sha256,
)


@pytest.mark.parametrize("quality", [10, 37, 50, 75, 90, 95, 100])
def test_the_library_that_writes_agrees(quality: int) -> None:
    """Pillow writes libjpeg's tables: read back from a file, they match exactly."""
    buffer = io.BytesIO()
    picture = Image.fromarray(np.arange(64 * 64, dtype=np.uint8).reshape(64, 64))
    picture.save(buffer, "JPEG", quality=quality)
    dct = open_media(from_bytes(buffer.getvalue())).dct
    assert dct is not None
    found = match_table(dct.tables[0])
    assert (found.family, found.quality) == ("ijg", quality)


def test_photoshop_presets_are_known_by_name() -> None:
    from PIL.JpegPresets import presets

    for name in ("web_high", "maximum"):
        values = np.array(presets[name]["quantization"][0], np.uint16)
        found = [match_table(values.reshape(8, 8)), match_table(natural(values))]
        assert "photoshop" in {m.family for m in found}


def natural(zigzag: np.ndarray) -> np.ndarray:
    order = sorted(
        ((r, c) for r in range(8) for c in range(8)),
        key=lambda p: (p[0] + p[1], p[0] if (p[0] + p[1]) % 2 else p[1]),
    )
    table = np.zeros((8, 8), np.uint16)
    for value, (row, column) in zip(zigzag, order, strict=True):
        table[row, column] = value
    return table


def test_a_table_of_nobody_known_is_other() -> None:
    assert match_table(np.full((8, 8), 7, np.uint16)).family == "other"


def test_sixteen_bit_tables_have_hashes_of_their_own() -> None:
    small, large = np.full((8, 8), 1, np.uint16), np.full((8, 8), 257, np.uint16)
    assert table_sha256(small) != table_sha256(large)


def test_standard_and_optimised_huffman_codes() -> None:
    picture = Image.fromarray(np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8))
    kinds = {}
    for optimise in (False, True):
        buffer = io.BytesIO()
        picture.save(buffer, "JPEG", optimize=optimise)
        structure = open_media(from_bytes(buffer.getvalue())).jpeg
        assert structure is not None
        kinds[optimise] = huffman_kind((t.bits, t.values) for t in structure.huffman)
    assert kinds == {False: "standard", True: "optimised"}
    assert huffman_kind([]) is None


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("Adobe Photoshop CC 2019 (Windows)", "editor"),
        ("Adobe Photoshop Lightroom 6.0", "processor"),
        ("GIMP 2.10.30", "editor"),
        ("Ver.1.00", None),
        ("ELE-L29 10.1.0.150(C431E22R2P5)", None),
        ("", None),
    ],
)
def test_kinds_of_software(name: str, kind: str | None) -> None:
    assert software_kind(name) == kind


def test_marks_name_each_segment_once() -> None:
    marks = segment_marks([("APP12", "Ducky"), ("APP12", "Ducky"), ("APP1", "Exif")])
    assert [m.program for m in marks] == ["Adobe Save for Web"]
    assert comment_mark("something of one's own") is None
