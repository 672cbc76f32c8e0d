"""BMP: header only; the format has no metadata worth reading."""

from __future__ import annotations

import struct

from tellsign.errors import MalformedMedia, UnsupportedFormat
from tellsign.media.header import Header
from tellsign.media.limits import Limits


def header(data: bytes, name: str, limits: Limits) -> Header:
    """Check the header. Raises MalformedMedia, UnsupportedFormat and LimitExceeded."""
    start, size = struct.unpack_from("<II", data, 10) if len(data) >= 18 else (0, 0)
    if size == 12 and len(data) >= 26:
        width, height, planes, bits = struct.unpack_from("<HHHH", data, 18)
        compression = 0
    elif size in (40, 52, 56, 64, 108, 124) and len(data) >= 14 + size:
        width, height, planes, bits, compression = struct.unpack_from("<iiHHI", data, 18)
    else:
        raise MalformedMedia(f"{name}: the BMP header is broken or cut off")
    height = abs(height)
    if width <= 0 or not height or planes != 1:
        raise MalformedMedia(f"{name}: the BMP header is impossible")
    if bits not in (1, 4, 8, 16, 24, 32) or compression not in (0, 1, 2, 3):
        raise UnsupportedFormat(f"{name}: BMP of {bits} bits, compression {compression}")
    limits.check_size(width, height, name)
    needed = (width * bits + 31) // 32 * 4 * height
    if compression in (0, 3) and start + needed > len(data):
        row = max(len(data) - start, 0) * height // needed
        raise MalformedMedia(
            f"{name}: the BMP is cut off at byte {len(data)}, row {row} of {height}"
        )
    mode = "P" if bits <= 8 else "RGB" if bits < 32 else "RGBA"
    return Header(width, height, mode, bits if bits <= 8 else 8, picture=data)
