"""Broken and hostile containers other than JPEG: one named error each, before decoding."""

from __future__ import annotations

import struct
import zlib

import pytest
from media_pictures import SAMPLES, chunk, encode, scene
from PIL import Image

from tellsign.errors import InputError, LimitExceeded, MalformedMedia, UnsupportedFormat
from tellsign.media import from_bytes, open_media

NAMES = [n for n in SAMPLES if not n.startswith("jpeg")]


def refused(data: bytes, words: str, kind: type[InputError] = MalformedMedia) -> None:
    with pytest.raises(kind, match=words) as caught:
        open_media(from_bytes(data, "input"))
    assert str(caught.value).startswith("input")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("percent", range(10, 100, 10))
def test_truncated_at_every_tenth(
    name: str, percent: int, capfd: pytest.CaptureFixture[str]
) -> None:
    data = SAMPLES[name]()
    refused(data[: len(data) * percent // 100], "input")
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("name", [n for n in NAMES if not n.startswith(("tiff", "avif", "heif"))])
def test_truncated_by_a_few_bytes(name: str) -> None:
    refused(SAMPLES[name]()[:-3], "cut off")


def png_of(width: int, height: int, rows: bytes, colour: int = 2, depth: int = 8) -> bytes:
    head = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    parts = chunk(b"IHDR", head) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + parts


def test_png_structure() -> None:
    good = SAMPLES["png"]()
    refused(good[:12] + b"tEXt" + good[16:], "begin with its header")
    refused(good.replace(b"IDAT", b"IDAX"), "no picture data|cut off")
    refused(png_of(64, 64, zlib.compress(bytes(100))), "data end about row 0")
    refused(png_of(64, 64, b"noise"), "damaged")
    refused(png_of(64, 64, b"", depth=3), "impossible")
    refused(png_of(64, 64, b"", colour=3), "no palette")
    damaged = bytearray(good)
    damaged[len(good) // 2] ^= 1
    refused(bytes(damaged), "checksum")


def test_png_bombs() -> None:
    refused(png_of(60_000, 60_000, zlib.compress(bytes(1 << 20))), "60000", LimitExceeded)
    flood = zlib.compress(bytes(300 << 20))  # far more rows than the header calls for
    assert open_media(from_bytes(png_of(64, 64, flood))).shape == (64, 64)
    many = SAMPLES["png"]()[:33] + chunk(b"tEXt", b"a\0") * 200_001 + SAMPLES["png"]()[33:]
    refused(many, "chunks", LimitExceeded)


def test_png_interlaced_and_its_truncation() -> None:
    # Adam7 passes of an 8 x 8 grey picture: 1, 1, 1, 2, 2, 4 and 4 rows.
    widths = ((1, 1), (1, 1), (2, 1), (2, 2), (4, 2), (4, 4), (8, 4))
    rows = b"".join((b"\0" + bytes(w)) * h for w, h in widths)
    head = struct.pack(">IIBBBBB", 8, 8, 8, 0, 0, 0, 1)

    def made(content: bytes) -> bytes:
        parts = chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(content)) + chunk(b"IEND", b"")
        return b"\x89PNG\r\n\x1a\n" + parts

    assert not open_media(from_bytes(made(rows))).pixels.any()
    refused(made(rows[:-1]), "data end")


def test_webp_structure() -> None:
    good = SAMPLES["webp"]()
    refused(good[:4] + struct.pack("<I", len(good) + 100) + good[8:], "cut off")
    refused(good[:12] + b"JUNK" + good[16:], "begin with a picture")
    refused(good[:23] + b"\0\0\0" + good[26:], "broken header")
    rich = bytearray(SAMPLES["webp-rich"]())
    rich[24:27] = b"\xff\xff\0"
    refused(bytes(rich), "65536", LimitExceeded)
    rich[24:27] = b"\x7f\0\0"
    refused(bytes(rich), "differ in size")


def test_webp_bomb() -> None:
    body = b"\x2f" + struct.pack("<I", 0x0FFFFFFF) + bytes(32)
    payload = b"WEBPVP8L" + struct.pack("<I", len(body)) + body + b"\0"
    refused(b"RIFF" + struct.pack("<I", len(payload)) + payload, "16384", LimitExceeded)
    side = (8191 << 14) | 8191
    body = b"\x2f" + struct.pack("<I", side) + bytes(32)
    payload = b"WEBPVP8L" + struct.pack("<I", len(body)) + body + b"\0"
    refused(b"RIFF" + struct.pack("<I", len(payload)) + payload, "for WebP", LimitExceeded)


def test_gif_structure() -> None:
    good = SAMPLES["gif"]()
    refused(good[:6] + b"\0\0\0\0" + good[10:], "nothing can be examined", LimitExceeded)
    refused(good[:6] + struct.pack("<HH", 60_000, 60_000) + good[10:], "60000", LimitExceeded)
    refused(good[:6] + struct.pack("<HH", 32, 32) + good[10:], "outside")
    refused(good[:-1] + b"\x99" + b";", "no block")
    refused(good[:-1] + b"!\xfe\0" * 30_000 + b";", "GIF blocks", LimitExceeded)
    pieces = b"!\xfe" + b"\x01a" * 1_300_000 + b"\0"
    refused(good[:-1] + pieces + b";", "sub-blocks", LimitExceeded)
    zeros = good[:-1] + bytes(1 << 20) + b";"
    assert open_media(from_bytes(zeros)).shape == (64, 96)


def test_bmp_structure() -> None:
    good = SAMPLES["bmp"]()
    refused(good[:18] + struct.pack("<ii", 50_000, 50_000) + good[26:], "50000", LimitExceeded)
    refused(good[:18] + struct.pack("<ii", 96, 640) + good[26:], "row")
    refused(good[:18] + struct.pack("<ii", -5, 64) + good[26:], "impossible")
    refused(good[:28] + b"\x07" + good[29:], "BMP of 7 bits", UnsupportedFormat)
    upside_down = good[:18] + struct.pack("<ii", 96, -64) + good[26:]
    assert (open_media(from_bytes(upside_down)).pixels == scene()[::-1]).all()


def tiff_of(*entries: tuple[int, int, int, int], tail: bytes = b"", following: int = 0) -> bytes:
    body = b"".join(struct.pack("<HHII", *e) for e in entries)
    head = b"II*\0" + struct.pack("<IH", 8, len(entries))
    return head + body + struct.pack("<I", following) + tail


PLAIN = ((256, 4, 1, 16), (257, 4, 1, 16), (258, 3, 1, 8), (259, 3, 1, 1), (262, 3, 1, 1))
STRIP = ((273, 4, 1, 110), (277, 3, 1, 1), (278, 4, 1, 16), (279, 4, 1, 256))


def test_tiff_structure() -> None:
    good = tiff_of(*PLAIN, *STRIP, tail=bytes(400))
    assert open_media(from_bytes(good)).shape == (16, 16)
    refused(tiff_of(*PLAIN, tail=bytes(400)), "no picture data")
    refused(tiff_of(*PLAIN, *STRIP), "beyond byte")
    refused(tiff_of(*PLAIN, *STRIP[:3], (279, 4, 1, 99), tail=bytes(400)), "fewer")
    refused(tiff_of(*PLAIN[1:], *STRIP, tail=bytes(400)), "no size")
    refused(b"II*\0\xff\xff\xff\x7f" + bytes(50), "no readable directory")
    refused(b"II*\0", "header is broken")


def test_tiff_bombs() -> None:
    huge = ((256, 4, 1, 50_000), (257, 4, 1, 50_000), *PLAIN[2:3], (259, 3, 1, 8), *PLAIN[4:])
    refused(tiff_of(*huge, *STRIP, tail=zlib.compress(bytes(1 << 20))), "50000", LimitExceeded)
    tiles = ((322, 4, 1, 1 << 20), (323, 4, 1, 1 << 20), (324, 4, 1, 8), (325, 4, 1, 8))
    refused(tiff_of(*PLAIN, *tiles, tail=bytes(400)), "tiles", LimitExceeded)
    pages = b""
    for i in range(300):
        place = 8 + 30 * i
        pages += struct.pack("<H", 2)
        pages += struct.pack("<HHII", 256, 4, 1, 16) + struct.pack("<HHII", 257, 4, 1, 16)
        pages += struct.pack("<I", place + 30)
    refused(b"II*\0\x08\0\0\0" + pages, "frames", LimitExceeded)


def test_tiff_directories_in_a_loop_are_one_page() -> None:
    data = tiff_of(*PLAIN, *STRIP, tail=bytes(400), following=8)
    media = open_media(from_bytes(data))
    assert media.facts.frames == 1
    assert media.frames == ()


@pytest.mark.parametrize(
    "extra",
    [(50706, 1, 4, 0x00000401), (254, 4, 1, 1)],
    ids=["DNG", "reduced preview"],
)
def test_camera_raw_files_are_not_taken_for_their_preview(extra: tuple[int, int, int, int]) -> None:
    data = tiff_of(extra, *PLAIN, *STRIP, (330, 4, 1, 8), tail=bytes(400))
    refused(data, "camera raw", UnsupportedFormat)


def test_tiff_of_floats() -> None:
    data = encode(Image.fromarray(scene()[..., 0]).convert("F"), "TIFF")
    refused(data, "32-bit samples of type 3", UnsupportedFormat)


def test_bmff_structure() -> None:
    good = SAMPLES["avif"]()
    at = good.index(b"ispe") + 8
    refused(good[:at] + struct.pack(">II", 60_000, 60_000) + good[at + 8 :], "60000", LimitExceeded)
    refused(good[:4] + b"ftypavif" + bytes(20), "no picture size")
    brand = struct.pack(">I", 24) + b"ftypheic" + bytes(4) + b"heicmif1"
    refused(brand, "no picture size")
    refused(brand + struct.pack(">I4s", 5000, b"meta"), "cut off")
    flood = brand + struct.pack(">I4s", 8, b"free") * 30_000
    refused(flood, "boxes", LimitExceeded)


def test_damaged_tiff_data_are_told_and_nothing_is_printed(
    capfd: pytest.CaptureFixture[str],
) -> None:
    for name in ("tiff-deflate", "tiff-pages"):
        data = bytearray(SAMPLES[name]())
        data[10:60] = b"\xf7" * 50
        refused(bytes(data), "TIFF cannot be decoded")
    data = bytearray(SAMPLES["tiff-jpeg"]())
    scan = data.index(b"\xff\xda")
    data[scan + 500 : scan + 502] = b"\xff\xa4"
    refused(bytes(data), "TIFF data are damaged")
    assert capfd.readouterr().err == ""
