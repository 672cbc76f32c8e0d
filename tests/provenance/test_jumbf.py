from __future__ import annotations

import pytest

from tellsign.provenance import jumbf
from tellsign.provenance.jumbf import Cbor

CERTIFICATE = b"der of the signer"


def box(kind: bytes, content: bytes) -> bytes:
    return (8 + len(content)).to_bytes(4, "big") + kind + content


def superbox(label: str, *inner: bytes) -> bytes:
    description = box(b"jumd", bytes(16) + b"\x03" + label.encode() + b"\0")
    return box(b"jumb", description + b"".join(inner))


def store(signature: bytes) -> bytes:
    """A manifest store whose active manifest has this CBOR as its signature."""
    claim = superbox("c2pa.claim", box(b"cbor", b"\xa0"))
    signed = superbox("c2pa.signature", box(b"cbor", signature))
    return superbox("c2pa", superbox("other", claim), superbox("active", claim, signed))


def text(data: bytes) -> bytes:
    return bytes([0x40 + len(data)]) + data


def test_the_chain_in_the_protected_header() -> None:
    header = b"\xa2\x01\x26\x18\x21\x82" + text(CERTIFICATE) + text(b"root")
    sign1 = b"\xd2\x84" + text(header[:0]) + b"\xa0\xf6" + text(b"s")
    assert jumbf.certificates(store(sign1), "active") == ()
    protected = bytes([0x58, len(header)]) + header
    sign1 = b"\xd2\x84" + protected + b"\xa0\xf6" + text(b"signature")
    assert jumbf.certificates(store(sign1), "active") == (CERTIFICATE, b"root")
    assert jumbf.certificates(store(sign1), "other") == ()


def test_a_single_certificate_in_the_unprotected_header_by_name() -> None:
    unprotected = b"\xa1\x67x5chain" + text(CERTIFICATE)
    sign1 = b"\x84" + text(b"\xa0") + unprotected + b"\xf6" + text(b"s")
    assert jumbf.certificates(store(sign1), "active") == (CERTIFICATE,)


@pytest.mark.parametrize(
    ("encoded", "value"),
    [
        (b"\x17", 23),
        (b"\x18\xff", 255),
        (b"\x1b\x00\x00\x00\x01\x00\x00\x00\x00", 1 << 32),
        (b"\x20", -1),
        (b"\x62hi", "hi"),
        (b"\x83\x01\x02\x03", [1, 2, 3]),
        (b"\xa1\x01\x61a", {1: "a"}),
        (b"\x9f\x01\xff", [1]),
        (b"\xbf\x61a\x01\xff", {"a": 1}),
        (b"\x5f\x41a\x41b\xff", b"ab"),
        (b"\x7f\x61a\x61b\xff", "ab"),
        (b"\xc1\x05", 5),
        (b"\xf6", None),
        (b"\xfb" + bytes(8), None),
    ],
)
def test_cbor(encoded: bytes, value: object) -> None:
    assert Cbor(encoded).item() == value


@pytest.mark.parametrize(
    "malformed",
    [
        b"",
        b"\x18",
        b"\x1c",
        b"\x5b\xff\xff\xff\xff\xff\xff\xff\xff",
        b"\x9b\xff\xff\xff\xff\xff\xff\xff\xff",
        b"\xbb\x00\x00\x00\xff\xff\xff\xff\xff",
        b"\x9f\x01",
        b"\x81" * 4000,
        b"\xa1\x80\x01",
        b"\x1f",
        b"\x98\xff" + b"\x98\xff" * 300,
    ],
)
def test_malformed_cbor_is_a_value_error(malformed: bytes) -> None:
    with pytest.raises(ValueError, match="CBOR|Cbor"):
        Cbor(malformed).item()


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"jumb",
        box(b"jumb", b""),
        box(b"jumb", box(b"free", b"x")),
        superbox("c2pa"),
        b"\xff\xff\xff\xffjumb",
        b"\x00\x00\x00\x04jumb" * 9,
        store(b"\x81"),
        store(b"\x05"),
        store(b"\xff"),
        store(b"\x84\x05\x05\x05\x05"),
    ],
)
def test_hostile_boxes_give_no_certificates(data: bytes) -> None:
    assert jumbf.certificates(data, "active") == ()


def test_boxes_end_where_the_data_end() -> None:
    whole = box(b"free", b"a") + box(b"skip", b"bb")
    assert list(jumbf.boxes(whole)) == [(b"free", b"a"), (b"skip", b"bb")]
    assert list(jumbf.boxes(whole[:-1])) == [(b"free", b"a")]
    assert list(jumbf.boxes(b"\0\0\0\0last" + b"rest")) == [(b"last", b"rest")]
