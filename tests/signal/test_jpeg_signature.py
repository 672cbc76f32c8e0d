from __future__ import annotations

import io

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, JpegPresets

from tellsign.media import from_bytes, open_media
from tellsign.media.jpeg import JpegStructure, ijg_table
from tellsign.signal.jpeg_signature import (
    TableMatch,
    comment_mark,
    huffman_kind,
    match_table,
    segment_marks,
    software_kind,
    table_sha256,
)


def structure(photo: NDArray[np.uint8], **options: object) -> JpegStructure:
    buffer = io.BytesIO()
    Image.fromarray(photo).save(buffer, "JPEG", **options)
    found = open_media(from_bytes(buffer.getvalue())).jpeg
    assert found is not None
    return found


def codes(found: JpegStructure) -> list[tuple[tuple[int, ...], tuple[int, ...]]]:
    return [(t.bits, t.values) for t in found.huffman]


@pytest.mark.parametrize("quality", [5, 30, 50, 75, 90, 95, 100])
def test_tables_of_the_common_library_give_its_quality(
    photo: NDArray[np.uint8], quality: int
) -> None:
    assert match_table(structure(photo, quality=quality).tables[0]) == TableMatch("ijg", quality)


def test_every_quality_from_two_on_is_told_apart() -> None:
    found = [match_table(ijg_table(q).astype(np.uint16)).quality for q in range(2, 101)]
    assert found == list(range(2, 101))


@pytest.mark.parametrize("preset", sorted(JpegPresets.presets))
def test_photoshop_presets_are_known(photo: NDArray[np.uint8], preset: str) -> None:
    found = match_table(structure(photo, qtables=preset).tables[0])
    assert found.family == "photoshop"
    assert found.name


def test_one_other_value_is_another_table() -> None:
    table = ijg_table(90).astype(np.uint16)
    table[7, 7] += 1
    assert match_table(table) == TableMatch("other")


def test_sixteen_bit_tables_are_no_eight_bit_tables() -> None:
    small = np.ones((8, 8), np.uint16)
    large = small.copy()
    large[0, 0] = 257  # the same low byte
    assert table_sha256(small) != table_sha256(large)
    assert match_table(large).family == "other"


def test_standard_and_optimised_codes(photo: NDArray[np.uint8]) -> None:
    assert huffman_kind(codes(structure(photo))) == "standard"
    assert huffman_kind(codes(structure(photo, optimize=True))) == "optimised"
    assert huffman_kind([]) is None


def test_segments_name_programs_once() -> None:
    pairs = [("APP12", "Ducky"), ("APP0", "JFIF"), ("APP12", "Ducky"), ("APP13", "Ducky")]
    marks = segment_marks(pairs)
    assert [(m.where, m.program) for m in marks] == [("APP12 Ducky", "Adobe Save for Web")]


@pytest.mark.parametrize(
    ("comment", "program"),
    [
        ("CREATOR: gd-jpeg v1.0 (using IJG JPEG v62), quality = 90\n", "PHP GD library"),
        ("Created with GIMP", "GIMP"),
        ("Lavc58.54.100", "FFmpeg"),
    ],
)
def test_comments_name_programs(comment: str, program: str) -> None:
    mark = comment_mark(comment)
    assert mark is not None
    assert mark.program == program


def test_an_own_comment_names_nothing() -> None:
    assert comment_mark("Holiday, Created with GIMP in mind") is None


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("Adobe Photoshop 21.0 (Macintosh)", "editor"),
        ("Adobe Photoshop Lightroom 4.1 (Windows)", "processor"),
        ("Adobe Photoshop Album 2.0", "processor"),
        ("GIMP 2.10.34", "editor"),
        ("Nikon Transfer 1.1 W", "processor"),
        ("Ver.1.00 ", None),
        ("HDR+ 1.0.244457938zry", None),
        ("", None),
    ],
)
def test_programs_by_kind(name: str, kind: str | None) -> None:
    assert software_kind(name) == kind
