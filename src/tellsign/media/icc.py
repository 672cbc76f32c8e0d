"""ICC profiles: description and colour space, nothing that needs a colour engine."""

from __future__ import annotations

import struct

from tellsign.media.metadata import Builder, decode

_HEADER = 128
_MAX_TAGS = 200


def parse(profile: bytes, offset: int | None, into: Builder) -> None:
    """Add "icc:description", "icc:colour_space", "icc:class", "icc:copyright"."""
    if not into.begin("ICC"):
        return
    into.block("icc", profile)
    if len(profile) < _HEADER + 4 or profile[36:40] != b"acsp":
        into.problem("the ICC profile is broken")
        return

    def place(at: int) -> int | None:
        return None if offset is None else offset + at

    into.add("icc:colour_space", decode(profile[16:20]).strip(), place(16), 4)
    into.add("icc:class", decode(profile[12:16]).strip(), place(12), 4)
    (count,) = struct.unpack_from(">I", profile, _HEADER)
    for i in range(min(count, _MAX_TAGS)):
        at = _HEADER + 4 + 12 * i
        if at + 12 > len(profile):
            into.problem("the ICC profile is cut off")
            return
        signature, start, size = struct.unpack_from(">4sII", profile, at)
        key = {b"desc": "icc:description", b"cprt": "icc:copyright"}.get(signature)
        if key:
            raw = profile[start : start + size]
            text = _text(raw)
            if text:
                into.add(key, text, place(start), len(raw))


def _text(raw: bytes) -> str:
    """Text of a textType, textDescriptionType or multiLocalizedUnicodeType element."""
    if raw[:4] == b"desc" and len(raw) > 12:
        (length,) = struct.unpack_from(">I", raw, 8)
        return decode(raw[12 : 12 + length].split(b"\0")[0])
    if raw[:4] == b"text":
        return decode(raw[8:].split(b"\0")[0])
    if raw[:4] == b"mluc" and len(raw) >= 28:
        length, start = struct.unpack_from(">II", raw, 20)
        return raw[start : start + length].decode("utf-16-be", "replace").rstrip("\0")
    return ""
