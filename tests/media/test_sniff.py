"""The name of a file never matters; its content does."""

from __future__ import annotations

import struct

import pytest
from media_pictures import SAMPLES, encode, scene

from tellsign.errors import InputError, UnsupportedFormat
from tellsign.media import from_bytes, open_media
from tellsign.media.sniff import extension_matches, sniff


@pytest.mark.parametrize("name", SAMPLES)
def test_every_sample_is_known(name: str) -> None:
    data = SAMPLES[name]()
    assert sniff(data) == name.split("-")[0]
    assert open_media(from_bytes(data, "misleading.txt")).facts.format == name.split("-")[0]


@pytest.mark.parametrize(
    "content",
    [
        b"This is a text.\n" * 20,
        b"%PDF-1.7\n",
        b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        b"\0" * 64,
        b"BMW is a maker of cars, and this is a text about it.",
        b"RIFF\x24\0\0\0WAVEfmt ",
        struct.pack(">I4s4sI", 24, b"ftyp", b"isom", 0) + b"isommp42",
        b"\xff\xd8",
        b"x",
    ],
)
def test_other_content_is_refused_whatever_its_name(content: bytes) -> None:
    with pytest.raises(UnsupportedFormat, match=r"photo\.jpg"):
        open_media(from_bytes(content, "photo.jpg"))


@pytest.mark.parametrize(
    ("brands", "kind"),
    [
        ([b"avif"], "avif"),
        ([b"mif1", b"avif"], "avif"),
        ([b"heic", b"mif1"], "heif"),
        ([b"mif1", b"heic"], "heif"),
        ([b"isom", b"mp42"], None),
    ],
)
def test_brands(brands: list[bytes], kind: str | None) -> None:
    body = brands[0] + bytes(4) + b"".join(brands[1:])
    assert sniff(struct.pack(">I", 8 + len(body)) + b"ftyp" + body) == kind


@pytest.mark.parametrize("name", sorted(SAMPLES))
def test_a_bare_signature_is_malformed_not_a_crash(name: str) -> None:
    with pytest.raises(InputError):
        open_media(from_bytes(SAMPLES[name]()[:12]))


def test_extensions() -> None:
    assert extension_matches("a.JPG", "jpeg") is True
    assert extension_matches("a.png", "jpeg") is False
    assert extension_matches("archive", "jpeg") is None
    assert extension_matches(".jpg", "jpeg") is None
    assert open_media(from_bytes(encode(scene(), "PNG"), "a.jpg")).facts.format == "png"
