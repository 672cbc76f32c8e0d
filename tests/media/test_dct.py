"""Coefficients as stored, and proof that they are whole."""

from __future__ import annotations

import io
import struct
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from media_pictures import SAMPLES, encode, rich_jpeg, scene
from PIL import Image
from scipy.fft import idctn

from tellsign.errors import LimitExceeded, MalformedMedia
from tellsign.media import from_bytes, open_media
from tellsign.media.dct import check_work, read, rebuild
from tellsign.media.jpeg_walk import parse

JPEGS = [name for name in SAMPLES if name.startswith("jpeg")]


def resized(data: bytes, width: int, height: int) -> bytes:
    """The same file with another size in its frame header."""
    marker = b"\xff\xc2" if b"\xff\xc2\0\x11" in data else b"\xff\xc0"
    at = data.index(marker) + 5
    return data[:at] + struct.pack(">HH", height, width) + data[at + 4 :]


@pytest.mark.parametrize("name", JPEGS)
def test_shapes_tables_and_sampling(name: str) -> None:
    dct = open_media(from_bytes(SAMPLES[name]())).dct
    assert dct is not None
    assert len(dct.planes) == len(dct.tables) == len(dct.sampling)
    down, across = dct.sampling[0]
    for plane, (v, h) in zip(dct.planes, dct.sampling, strict=True):
        assert plane.shape == (8 * v // down, 12 * h // across, 8, 8)
        assert plane.dtype == np.int16
        assert not plane.flags.writeable
        assert plane.any()
    assert all(t.shape == (8, 8) and t.dtype == np.uint16 for t in dct.tables)


@pytest.mark.parametrize("name", ["jpeg-grey", "jpeg-restart", "jpeg-progressive", "jpeg-444"])
def test_coefficients_give_the_pixels_of_an_independent_decoder(name: str) -> None:
    data = SAMPLES[name]()
    media = open_media(from_bytes(data))
    assert media.dct is not None
    blocks = idctn(
        media.dct.planes[0] * media.dct.tables[0].astype(float), axes=(2, 3), norm="ortho"
    )
    luma = blocks.swapaxes(1, 2).reshape(64, 96) + 128
    image = Image.open(io.BytesIO(data))
    image.draft("L", image.size)
    assert np.abs(np.clip(luma, 0, 255) - np.asarray(image)).max() <= 1


@pytest.mark.parametrize("name", [n for n in JPEGS if n != "jpeg-rich"])
@pytest.mark.parametrize("percent", range(5, 100, 5))
def test_truncated_anywhere(name: str, percent: int, capfd: pytest.CaptureFixture[str]) -> None:
    data = SAMPLES[name]()
    with pytest.raises(MalformedMedia, match=r"x\.jpg: the JPEG (is cut off|ends before)"):
        open_media(from_bytes(data[: len(data) * percent // 100], "x.jpg"))
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("missing", [1, 2, 3, 4, 10])
def test_only_the_last_bytes_are_missing(missing: int) -> None:
    with pytest.raises(MalformedMedia, match="cut off"):
        open_media(from_bytes(SAMPLES["jpeg"]()[:-missing]))


def test_the_message_tells_how_far_it_got() -> None:
    data = encode(scene(512, 512), "JPEG", quality=90)
    start = parse(data, "x").scans[0].data.offset
    cut = start + (len(data) - start) // 2
    with pytest.raises(MalformedMedia, match=r"row (\d+) of 512") as caught:
        open_media(from_bytes(data[:cut]))
    row = int(str(caught.value).split(" row ")[1].split()[0])
    assert 200 < row < 312


@pytest.mark.parametrize("name", ["jpeg", "jpeg-restart", "jpeg-grey", "jpeg-cmyk", "jpeg-444"])
@pytest.mark.parametrize(
    ("width", "height"), [(96, 128), (96, 80), (192, 64), (96, 32), (48, 64), (4000, 3000)]
)
def test_a_wrong_size_in_the_frame_header(
    name: str, width: int, height: int, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(MalformedMedia, match=f"{width} x {height}"):
        open_media(from_bytes(resized(SAMPLES[name](), width, height)))
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize(("width", "height"), [(96, 128), (192, 64), (96, 32), (48, 64)])
def test_a_wrong_size_of_a_progressive_picture(width: int, height: int) -> None:
    with pytest.raises(MalformedMedia):
        open_media(from_bytes(resized(SAMPLES["jpeg-progressive"](), width, height)))


def test_a_scan_full_of_noise_is_damaged(capfd: pytest.CaptureFixture[str]) -> None:
    data = bytearray(SAMPLES["jpeg-444"]())
    scan = parse(bytes(data), "x").scans[0].data
    noise = np.random.default_rng(3).integers(0, 255, scan.length, dtype=np.uint8)
    data[scan.offset : scan.offset + scan.length] = noise.tobytes()
    with pytest.raises(MalformedMedia):
        open_media(from_bytes(bytes(data)))
    assert capfd.readouterr().err == ""


def test_padding_after_the_last_block_is_forgiven() -> None:
    data = SAMPLES["jpeg"]()
    for padding in (b"\0" * 4000, b"\0\0", b"\xff" * 9, b"\x12\x34"):
        media = open_media(from_bytes(data[:-2] + padding + data[-2:]))
        assert np.array_equal(media.pixels, open_media(from_bytes(data)).pixels)


@pytest.mark.parametrize("name", ["jpeg", "jpeg-444", "jpeg-grey"])
def test_a_rest_filled_with_zeros_is_no_padding(name: str) -> None:
    data = SAMPLES[name]()
    for lost in (200, 600):
        with pytest.raises(MalformedMedia):
            open_media(from_bytes(data[: -lost - 2] + bytes(lost) + data[-2:]))


def test_a_rebuilt_stream_has_no_metadata_and_the_same_picture() -> None:
    data = rich_jpeg()
    found = parse(data, "x")
    bare = rebuild(data, found, colour=True)
    again = parse(bare, "x")
    assert {s.marker for s in again.segments} <= {0xD8, 0xE0, 0xDB, 0xC0, 0xC4, 0xDA, 0xD9}
    one, two = (read(d, s, "x") for d, s in ((data, found), (bare, again)))
    assert all(np.array_equal(a, b) for a, b in zip(one.planes, two.planes, strict=True))


def test_tables_redefined_between_scans_are_kept_apart() -> None:
    """A sequential picture in two scans: the second brings its own table under the same id."""
    grey = SAMPLES["jpeg-grey"]()
    found = parse(grey, "x")
    assert np.array_equal(found.component_tables[0], found.tables[0])
    quantiser = next(s for s in found.segments if s.marker == 0xDB)
    table = bytearray(grey[quantiser.offset : quantiser.offset + quantiser.length])
    table[5] = 99
    late = grey[:-2] + bytes(table) + grey[-2:]
    assert parse(late, "x").tables[0][0, 0] == found.tables[0][0, 0] != 99


def test_many_threads_read_the_same_coefficients(capfd: pytest.CaptureFixture[str]) -> None:
    pictures = [encode(scene(seed=i), "JPEG", quality=70 + i) for i in range(8)]
    alone = [open_media(from_bytes(p)).dct for p in pictures]
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(lambda p: open_media(from_bytes(p)).dct, pictures * 4))
    for i, dct in enumerate(together):
        expected = alone[i % 8]
        assert dct is not None
        assert expected is not None
        assert all(np.array_equal(a, b) for a, b in zip(dct.planes, expected.planes, strict=True))
    assert capfd.readouterr().err == ""


def test_a_scan_bomb_is_refused_before_decoding() -> None:
    data = encode(np.zeros((4000, 4000), np.uint8), "JPEG", progressive=True)
    last = data.rindex(b"\xff\xda")
    bomb = data[:-2] + data[last:-2] * 200 + data[-2:]
    with pytest.raises(LimitExceeded, match="scans"):
        check_work(parse(bomb, "x"), "x")
    check_work(parse(data, "x"), "x")


def test_more_coefficients_than_memory_holds() -> None:
    data = resized(SAMPLES["jpeg-444"](), 12_000, 8_000)
    with pytest.raises(LimitExceeded, match="coefficients"):
        open_media(from_bytes(data))
