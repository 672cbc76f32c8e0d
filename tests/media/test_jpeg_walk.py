"""The marker walk: facts of every variant, and a clear refusal of what cannot be decoded."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from media_pictures import SAMPLES, encode, rich_jpeg, scene, segment, with_segments
from PIL import Image

from tellsign.errors import LimitExceeded, MalformedMedia, UnsupportedFormat
from tellsign.media.jpeg import ZIGZAG, ijg_table, nearest_quality, tables_sha256
from tellsign.media.jpeg_walk import parse


def patched(data: bytes, marker: bytes, at: int, value: bytes) -> bytes:
    """Replace bytes at an offset after the first marker of a kind."""
    start = data.index(marker) + at
    return data[:start] + value + data[start + len(value) :]


@pytest.mark.parametrize(
    ("name", "subsampling", "components"),
    [
        ("jpeg", "4:2:0", 3),
        ("jpeg-444", "4:4:4", 3),
        ("jpeg-422", "4:2:2", 3),
        ("jpeg-grey", "grey", 1),
        ("jpeg-cmyk", "4:4:4", 4),
        ("jpeg-progressive", "4:2:0", 3),
    ],
)
def test_frame_facts(name: str, subsampling: str, components: int) -> None:
    found = parse(SAMPLES[name](), name)
    assert (found.width, found.height, found.frame.precision) == (96, 64, 8)
    assert found.subsampling == subsampling
    assert len(found.frame.components) == len(found.component_tables) == components
    assert found.progressive == (name == "jpeg-progressive")
    assert found.complete
    assert found.trailing is None
    assert len(found.scans) > 1 if found.progressive else len(found.scans) == 1


@pytest.mark.parametrize(
    ("luma", "expected"),
    [(0x11, "4:4:4"), (0x21, "4:2:2"), (0x12, "4:4:0"), (0x22, "4:2:0"), (0x41, "4:1:1")]
    + [(0x42, "4:1:0"), (0x31, "3x1,1x1,1x1")],
)
def test_names_of_subsamplings(luma: int, expected: str) -> None:
    data = patched(SAMPLES["jpeg"](), b"\xff\xc0", 11, bytes([luma]))
    assert parse(data, "x").subsampling == expected


def test_segments_cover_the_file_without_gaps() -> None:
    data = rich_jpeg()
    found = parse(data, "x")
    at = 0
    for part in found.segments:
        assert data[part.offset : part.offset + 2] == bytes([0xFF, part.marker])
        assert part.offset in (at, found.scans[0].data.offset + found.scans[0].data.length)
        at = part.offset + part.length
    assert at == found.end == len(data)


def test_tables_are_in_natural_order_and_agree_with_pillow() -> None:
    image = Image.fromarray(scene())
    data = encode(image, "JPEG", quality=77)
    found = parse(data, "x")
    assert np.array_equal(found.tables[0], ijg_table(77))
    assert not found.tables[0].flags.writeable
    assert sorted(ZIGZAG) == list(range(64))
    assert found.component_tables[1] is found.tables[1]


@pytest.mark.parametrize("quality", [1, 10, 50, 75, 90, 95, 99, 100])
def test_exact_quality(quality: int) -> None:
    data = encode(scene(16, 16), "JPEG", quality=quality)
    assert np.array_equal(
        ijg_table(nearest_quality(parse(data, "x").tables[0]) or 0), ijg_table(quality)
    )


@given(st.integers(1, 100), st.integers(0, 2**32 - 1))
@settings(max_examples=30, deadline=None)
def test_quality_survives_small_changes_of_the_table(quality: int, seed: int) -> None:
    table = ijg_table(quality).copy()
    table.flat[np.random.default_rng(seed).integers(64)] += 1
    found = nearest_quality(table.astype(np.uint16))
    assert found is not None
    assert abs(found - quality) <= 2 or quality < 3


def test_a_foreign_table_has_no_quality() -> None:
    assert nearest_quality(np.full((8, 8), 7, np.uint16)) is None
    assert nearest_quality(ijg_table(50)[::-1].astype(np.uint16)) is None


def test_the_hash_of_tables_depends_on_values_only() -> None:
    one = parse(encode(scene(16, 16, 1), "JPEG", quality=80), "x")
    two = parse(encode(scene(40, 24, 2), "JPEG", quality=80, progressive=True), "x")
    three = parse(encode(scene(16, 16, 1), "JPEG", quality=81), "x")
    assert tables_sha256(one.tables) == tables_sha256(two.tables) != tables_sha256(three.tables)


def test_huffman_tables_as_defined() -> None:
    standard = parse(SAMPLES["jpeg"](), "x").huffman
    optimised = parse(SAMPLES["jpeg-optimised"](), "x").huffman
    assert [(h.kind, h.id) for h in standard] == [("dc", 0), ("ac", 0), ("dc", 1), ("ac", 1)]
    assert standard[0].bits[:4] == (0, 1, 5, 1)
    assert standard[0].values == tuple(range(12))
    assert standard != optimised


def test_restart_interval_comment_and_adobe() -> None:
    assert parse(SAMPLES["jpeg-restart"](), "x").restart_interval == 3
    assert parse(SAMPLES["jpeg"](), "x").restart_interval == 0
    assert parse(rich_jpeg(), "x").comment == b"a comment"
    assert parse(SAMPLES["jpeg-cmyk"](), "x").adobe_transform is not None


def test_trailing_bytes_and_stray_bytes_are_facts() -> None:
    data = SAMPLES["jpeg"]()
    trailing = parse(data + b"hidden", "x").trailing
    assert trailing is not None
    assert (trailing.offset, trailing.length) == (len(data), 6)
    stray = data[:2] + b"\xff\xfe\0\4ab" + b"cd" + data[2:]
    assert parse(stray, "x").stray_bytes == 2
    fill = data[:2] + b"\xff\xff\xff" + data[2:]
    assert parse(fill, "x").stray_bytes == 0


@pytest.mark.parametrize(
    ("marker", "at", "value", "words"),
    [
        (b"\xff\xc0", 4, b"\x0c", "12-bit"),
        (b"\xff\xc0", 1, b"\xc3", "lossless"),
        (b"\xff\xc0", 1, b"\xc9", "arithmetic"),
        (b"\xff\xc0", 1, b"\xc5", "hierarchical"),
    ],
)
def test_kinds_that_cannot_be_examined(marker: bytes, at: int, value: bytes, words: str) -> None:
    with pytest.raises(UnsupportedFormat, match=words):
        parse(patched(SAMPLES["jpeg"](), marker, at, value), "x")


@pytest.mark.parametrize(
    ("marker", "at", "value", "words"),
    [
        (b"\xff\xc0", 5, b"\0\0", "no size"),
        (b"\xff\xc0", 7, b"\0\0", "no size"),
        (b"\xff\xc0", 11, b"\x51", "sampling"),
        (b"\xff\xc0", 12, b"\x03", "quantisation table"),
        (b"\xff\xc0", 13, b"\x01", "same name"),
        (b"\xff\xc4", 5, b"\xff", "Huffman"),
        (b"\xff\xc4", 5, b"\x03", "Huffman"),
        (b"\xff\xc4", 1, b"\xfe", "does not define"),
        (b"\xff\xdb", 5, b"\0", "no usable quantisation"),
        (b"\xff\xdb", 4, b"\x05", "quantisation"),
        (b"\xff\xda", 4, b"\x05", "scan header"),
        (b"\xff\xda", 5, b"\x09", "unknown components"),
        (b"\xff\xda", 1, b"\xc0", "second frame"),
    ],
)
def test_broken_headers_are_named(marker: bytes, at: int, value: bytes, words: str) -> None:
    with pytest.raises(MalformedMedia, match=words):
        parse(patched(SAMPLES["jpeg"](), marker, at, value), "x")


def test_impossible_progressive_scans() -> None:
    data = SAMPLES["jpeg-progressive"]()
    second = data.index(b"\xff\xda", data.index(b"\xff\xda") + 2)
    length = int.from_bytes(data[second + 2 : second + 4], "big")
    broken = bytearray(data)
    broken[second + 2 + length - 2] = 99
    with pytest.raises(MalformedMedia, match="progressive scan"):
        parse(bytes(broken), "x")


def test_a_flood_of_segments() -> None:
    with pytest.raises(LimitExceeded, match="segments"):
        parse(with_segments(SAMPLES["jpeg"](), segment(0xFE, b"") * 30_000), "x")


@given(st.binary(max_size=400))
@settings(max_examples=300, deadline=None)
def test_random_bytes_after_soi(content: bytes) -> None:
    with pytest.raises((MalformedMedia, UnsupportedFormat)):
        parse(b"\xff\xd8\xff" + content, "x")


@given(st.integers(2, 5000), st.integers(0, 255))
@settings(max_examples=300, deadline=None)
def test_one_changed_byte_gives_a_structure_or_a_named_error(at: int, value: int) -> None:
    data = bytearray(SAMPLES["jpeg-progressive"]())
    data[at % len(data)] = value
    message = ""
    try:
        assert parse(bytes(data), "name").width >= 1
    except (MalformedMedia, UnsupportedFormat) as error:
        message = str(error)
    assert message == "" or message.startswith("name: ")
