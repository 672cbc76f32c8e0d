"""What the file says, with its place; broken metadata never fail the picture."""

from __future__ import annotations

import struct
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from media_pictures import (
    XMP,
    chunk,
    encode,
    exif_block,
    exif_with_thumbnail,
    icc_profile,
    iptc_segment,
    rich_jpeg,
    rich_png,
    scene,
    segment,
    with_chunks,
    with_segments,
)
from PIL import Image

from tellsign.media import Limits, Media, Metadata, exif, from_bytes, icc, iptc, open_media, xmp
from tellsign.media.metadata import Builder, as_text

HOSTILE = "<script>alert(1)</script>\x1b[31m\x07\u202eevil\x00tail"


def opened(data: bytes) -> Media:
    return open_media(from_bytes(data))


def parsed(parser: object, *arguments: object) -> Metadata:
    into = Builder(1 << 20)
    parser(*arguments, into)  # type: ignore[operator]
    return into.build()


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"])
def test_exif_in_every_container(kind: str) -> None:
    media = opened(encode(scene(), kind, exif=exif_block("prompt: Ä cat")))
    found = media.metadata
    assert found.text("exif:Make") == "Testcam"
    assert found.text("exif:UserComment") == "prompt: Ä cat"
    assert found.text("gps:GPSLatitudeRef") == "N"
    assert found.get("exif:ExposureTime").value == pytest.approx(0.01)  # type: ignore[union-attr]
    entry = found.get("exif:Make")
    assert entry is not None
    assert entry.offset is not None
    assert media.data[entry.offset : entry.offset + 7] == b"Testcam"
    assert found.problems == ()
    if kind != "TIFF":
        assert found.raw("exif")[:2] in (b"II", b"MM")  # type: ignore[index]


def test_everything_of_a_jpeg() -> None:
    media = opened(rich_jpeg())
    found = media.metadata
    assert found.text("exif:Make") == "Abc"
    assert found.get("thumbnail:Compression").value == 6  # type: ignore[union-attr]
    assert found.text("xmp:Iptc4xmpExt:DigitalSourceType") == "trainedAlgorithmicMedia"
    assert found.text("iptc:Caption-Abstract") == "A caption"
    assert [e.value for e in found.all("iptc:Keywords")] == ["alpha", "beta"]
    assert found.text("icc:description") == "Test RGB"
    assert found.text("icc:colour_space") == "RGB"
    assert found.text("jpeg:comment") == "a comment"
    assert found.raw("xmp") == XMP
    assert found.raw("iptc")[:2] == b"\x1c\x02"  # type: ignore[index]
    assert found.raw("icc") == icc_profile()
    assert found.problems == ()
    for key in ("exif:Make", "iptc:Caption-Abstract", "jpeg:comment", "icc:description"):
        entry = found.get(key)
        assert entry is not None
        assert entry.offset is not None
        assert str(entry.value).encode() in media.data[entry.offset : entry.offset + entry.length]  # type: ignore[operator]
    (store,) = found.jumbf
    assert media.data[store.offset : store.offset + 2] == b"\xff\xeb"
    assert b"jumb" in media.data[store.offset : store.offset + store.length]


def test_everything_of_a_png() -> None:
    media = opened(rich_png())
    found = media.metadata
    assert found.text("png:parameters") == "a cat, Steps: 20"
    assert found.text("png:zipped") == "z" * 500
    assert found.text("png:Titel") == "Grüße"
    assert found.text("xmp:dc:creator") == "Ann"
    assert found.text("exif:Model") == "T 100"
    assert found.text("icc:description") == "Test RGB"
    parameters, zipped = found.get("png:parameters"), found.get("png:zipped")
    assert parameters is not None
    assert zipped is not None
    assert parameters.offset is not None
    assert media.data[parameters.offset :].startswith(b"a cat, Steps")
    assert zipped.offset is None
    (store,) = found.jumbf
    assert media.data[store.offset : store.offset + store.length] == b"\0\0\0\x08jumb"


def test_webp_chunks() -> None:
    webp = encode(scene(), "WEBP", exif=exif_block(), xmp=XMP, icc_profile=icc_profile())
    body = (
        webp[8:] + b"C2PA" + struct.pack("<I", 4) + b"jumb" + b"NOTE" + struct.pack("<I", 2) + b"hi"
    )
    media = opened(b"RIFF" + struct.pack("<I", len(body)) + body)
    assert media.metadata.text("exif:Make") == "Testcam"
    assert media.metadata.text("xmp:xmp:CreatorTool") == "Maker 1.0"
    assert media.metadata.text("webp:NOTE") == "hi"
    (store,) = media.metadata.jumbf
    assert media.data[store.offset : store.offset + store.length] == b"jumb"


def test_gif_comments() -> None:
    gif = encode(Image.fromarray(scene()).quantize(8), "GIF", comment=b"made by hand")
    assert opened(gif).metadata.text("gif:comment") == "made by hand"


def test_bmff_uuid_and_items() -> None:
    avif = encode(scene(), "AVIF", speed=10, exif=exif_block(), xmp=XMP)
    box = bytes.fromhex("d8fec3d61b0e483c92975828877ec481") + b"manifest"
    media = opened(avif + struct.pack(">I4s", 8 + len(box), b"uuid") + box)
    assert media.metadata.text("xmp:dc:creator") == "Ann"
    (store,) = media.metadata.jumbf
    assert media.data[store.offset : store.offset + store.length] == box


def test_xmp_is_flattened_under_known_prefixes() -> None:
    found = parsed(xmp.parse, XMP, 100)
    assert [e.value for e in found.all("xmp:dc:creator")] == ["Ann", "Ben"]
    assert found.text("xmp:xmp:CreatorTool") == "Maker 1.0"
    assert found.text("xmp:own:note") == "kept"
    entry = found.get("xmp:xmp:CreatorTool")
    assert entry is not None
    assert entry.offset == 100 + XMP.index(b"Maker 1.0")


def test_xmp_structures_and_lists_of_them() -> None:
    packet = (
        b'<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"'
        b' xmlns:mm="http://ns.adobe.com/xap/1.0/mm/"'
        b' xmlns:ev="http://ns.adobe.com/xap/1.0/sType/ResourceEvent#"><rdf:Description>'
        b'<mm:History><rdf:Seq><rdf:li ev:action="created"/><rdf:li rdf:parseType="Resource">'
        b"<ev:action>saved</ev:action></rdf:li></rdf:Seq></mm:History>"
        b"</rdf:Description></rdf:RDF>"
    )
    found = parsed(xmp.parse, packet, None)
    actions = [e.value for e in found.all("xmp:xmpMM:History/stEvt:action")]
    assert actions == ["created", "saved"]


@pytest.mark.parametrize(
    "packet",
    [
        b"<not closed",
        b'<!DOCTYPE a [<!ENTITY b "c"><!ENTITY d "&b;&b;">]><a>&d;</a>',
        b'<!DOCTYPE a SYSTEM "file:///etc/passwd"><a/>',
        b"<a>" * 200_000,
        b"<r>" + b"<a/>" * 100_000 + b"</r>",
        b"\xff\xfe\0\0",
        b"",
    ],
    ids=["open", "entities", "external", "deep", "wide", "noise", "empty"],
)
def test_hostile_xmp_becomes_a_problem(packet: bytes) -> None:
    found = parsed(xmp.parse, packet, None)
    assert found.entries == ()
    assert len(found.problems) == 1


def test_extended_xmp_is_put_together() -> None:
    head = b"http://ns.adobe.com/xmp/extension/\0" + b"A" * 32 + struct.pack(">I", len(XMP))
    parts = [XMP[:100], XMP[100:]]
    segments = [
        segment(0xE1, head + struct.pack(">I", 100 * i) + part) for i, part in enumerate(parts)
    ]
    jpeg = encode(scene(), "JPEG")
    assert opened(with_segments(jpeg, *segments[::-1])).metadata.text("xmp:dc:creator") == "Ann"
    gap = opened(with_segments(jpeg, segments[1]))
    assert gap.metadata.problems == ("an extended XMP packet has gaps",)


@pytest.mark.parametrize(
    ("raw", "order", "text"),
    [
        (b"ASCII\0\0\0plain\0", ">", "plain"),
        (b"UNICODE\0" + "big end".encode("utf-16-be"), "<", "big end"),
        (b"UNICODE\0" + "little".encode("utf-16-le"), ">", "little"),
        (b"UNICODE\0" + "漢字".encode("utf-16-be"), ">", "漢字"),
        (b"JIS\0\0\0\0\0" + "日本".encode("iso2022_jp"), ">", "日本"),
        (bytes(8) + "ü".encode(), ">", "ü"),
        (b"no header at all", ">", "no header at all"),
        (b"UNICODE\0\xd8", ">", "\ufffd"),
    ],
)
def test_user_comments(raw: bytes, order: str, text: str) -> None:
    value = struct.pack(order + "HHII", 0x9286, 7, len(raw), 26) + bytes(4)
    mark = b"MM\0*" if order == ">" else b"II*\0"
    block = mark + struct.pack(order + "IH", 8, 1) + value + raw
    assert parsed(exif.parse, block, 0).text("exif:UserComment") == text


def test_windows_texts_maker_notes_and_unknown_tags() -> None:
    title = "Tïtle".encode("utf-16-le") + b"\0\0"
    entries = (
        struct.pack("<HHII", 0x927C, 7, 3, 0x00434241),
        struct.pack("<HHII", 0x9C9B, 1, len(title), 50),
        struct.pack("<HHII", 0xFEDC, 3, 1, 77),
    )
    block = b"II*\0\x08\0\0\0\x03\0" + b"".join(entries) + bytes(4) + title
    found = parsed(exif.parse, block, None)
    assert found.get("exif:MakerNote").value == b"ABC"  # type: ignore[union-attr]
    assert found.text("exif:XPTitle") == "Tïtle"
    assert found.get("exif:0xFEDC").value == 77  # type: ignore[union-attr]
    assert found.get("exif:XPTitle").offset is None  # type: ignore[union-attr]


def test_directories_in_a_loop_and_false_lengths() -> None:
    loop = b"II*\0\x08\0\0\0\x01\0" + struct.pack("<HHII", 0x8769, 4, 1, 8) + struct.pack("<I", 8)
    assert any("loop" in p for p in parsed(exif.parse, loop, 0).problems)
    long = b"II*\0\x08\0\0\0\x01\0" + struct.pack("<HHII", 0x010F, 2, 0xFFFFFFFF, 8) + bytes(4)
    assert any("damaged" in p for p in parsed(exif.parse, long, 0).problems)
    zero = b"II*\0\x08\0\0\0\x01\0" + struct.pack("<HHII", 0x829A, 5, 1, 26) + bytes(4) + bytes(8)
    assert parsed(exif.parse, zero, 0).get("exif:ExposureTime").value == bytes(8)  # type: ignore[union-attr]


def test_values_of_many_entries_that_share_megabytes_stay_within_a_budget() -> None:
    size = 900_000
    entries = b"".join(struct.pack("<HHII", 0xC000 + i, 7, size, 100) for i in range(900))
    block = b"II*\0\x08\0\0\0" + struct.pack("<H", 900) + entries + bytes(size)
    found = parsed(exif.parse, block, 0)
    assert sum(len(e.value) for e in found.entries if isinstance(e.value, bytes)) < 17 << 20
    assert any("left out" in p for p in found.problems)


def test_long_values_are_cut_and_flagged() -> None:
    png = with_chunks(
        encode(scene(), "PNG"),
        chunk(b"tEXt", b"long\0" + b"a" * 3_000_000),
        chunk(b"zTXt", b"bomb\0\0" + zlib.compress(bytes(200_000_000))),
    )
    found = open_media(from_bytes(png), Limits(max_metadata_bytes=1000)).metadata
    for key in ("png:long", "png:bomb"):
        entry = found.get(key)
        assert entry is not None
        assert entry.truncated
        assert len(str(entry.value)) == 1000


def test_damaged_metadata_never_fail_the_picture() -> None:
    jpeg = with_segments(
        encode(scene(), "JPEG"),
        segment(0xE1, b"Exif\0\0nonsense"),
        segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0<<<"),
        segment(0xED, b"Photoshop 3.0\0" + b"x" * 40),
        segment(0xE2, b"ICC_PROFILE\0\x01\x01xx"),
        segment(0xEB, b"JP"),
        segment(0xE2, b"MPF\0junk"),
    )
    media = opened(jpeg)
    assert media.pixels.shape == (64, 96, 3)
    assert len(media.metadata.problems) == 4
    png = with_chunks(
        encode(scene(), "PNG"),
        chunk(b"zTXt", b"k\0\0not deflate"),
        chunk(b"iCCP", b"name\0\0junk"),
        chunk(b"eXIf", b"junk"),
        chunk(b"iTXt", b"cut"),
        chunk(b"tEXt", b"sound\0yes")[:-1] + b"!",
    )
    media = opened(png)
    assert len(media.metadata.problems) == 4
    assert media.metadata.text("png:sound") == "yes"


def test_hostile_strings_are_kept_as_they_are() -> None:
    jpeg = with_segments(
        encode(scene(), "JPEG", exif=exif_block(HOSTILE, make=HOSTILE)),
        segment(0xFE, HOSTILE.encode()),
        iptc_segment(HOSTILE.encode()),
    )
    found = opened(jpeg).metadata
    for key in ("exif:UserComment", "jpeg:comment", "iptc:Caption-Abstract"):
        assert "\x1b[31m" in (found.text(key) or "")
        assert "tail" in (found.text(key) or "")


def test_imagemagick_profiles_in_png_text() -> None:
    block = b"Exif\0\0" + exif_with_thumbnail(b"")
    text = b"\nexif\n%8d\n" % len(block) + block.hex().encode()
    png = with_chunks(encode(scene(), "PNG"), chunk(b"tEXt", b"Raw profile type exif\0" + text))
    assert opened(png).metadata.text("exif:Make") == "Abc"
    odd = with_chunks(encode(scene(), "PNG"), chunk(b"tEXt", b"Raw profile type exif\0 x 1 zz"))
    assert opened(odd).metadata.text("png:Raw profile type exif") == " x 1 zz"


def test_iptc_character_sets_and_extended_datasets() -> None:
    utf8 = b"\x1c\x01\x5a\0\x03\x1b%G" + b"\x1c\x02\x78\0\x02" + "ü".encode()
    assert parsed(iptc.parse_iim, utf8, None).text("iptc:Caption-Abstract") == "ü"
    latin = b"\x1c\x02\x78\0\x01\xfc"
    assert parsed(iptc.parse_iim, latin, None).text("iptc:Caption-Abstract") == "ü"
    extended = b"\x1c\x02\x78\x80\x04\0\0\0\x02ab\x1c\x02\xe7\0\x01z"
    found = parsed(iptc.parse_iim, extended, 10)
    assert found.text("iptc:Caption-Abstract") == "ab"
    assert found.text("iptc:2:231") == "z"
    assert found.get("iptc:Caption-Abstract").offset == 19  # type: ignore[union-attr]


@given(st.binary(max_size=300))
@settings(max_examples=200, deadline=None)
@pytest.mark.parametrize(
    ("parser", "head"),
    [
        (exif.parse, b"II*\0\x08\0\0\0"),
        (exif.parse, b"MM\0*\0\0\0\x08"),
        (exif.parse, b"II+\0\x08\0\0\0\x10\0\0\0\0\0\0\0"),
        (xmp.parse, b"<a "),
        (iptc.parse_iim, b"\x1c\x02"),
        (iptc.parse_resources, b"8BIM\x04\x04"),
        (icc.parse, bytes(36) + b"acsp" + bytes(88) + b"\0\0\0\x05desc"),
    ],
)
def test_random_blocks_never_raise(parser: object, head: bytes, content: bytes) -> None:
    found = parsed(parser, head + content, 0)
    size = len(head) + len(content)
    for entry in found.entries:
        assert entry.offset is None or 0 <= entry.offset <= size


def test_text_of_values() -> None:
    assert as_text((1, 2.5)) == "1 2.5"
    assert as_text(b"\xff") == "ÿ"
    assert as_text(3) == "3"
    assert Metadata().text("missing") is None
    assert Metadata().raw("exif") is None
