"""The signer's certificates in a C2PA manifest store, which the C2PA library does not hand over.

Two small bounded decoders: JUMBF boxes (ISO/IEC 19566-5: length, type, content; a superbox begins
with a description box that holds its label) and CBOR (RFC 8949), in which the COSE signature
(RFC 9052) carries its certificate chain as `x5chain` (label 33, RFC 9360).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

_DEEPEST: Final = 16
_MOST_ITEMS: Final = 10_000
_X5CHAIN: Final = (33, "x5chain")  # the text form is that of claims of version 1


def certificates(store: bytes, manifest: str) -> tuple[bytes, ...]:
    """DER certificates of one manifest's signer, his own first; empty when they cannot be found.

    Parameters
    ----------
    store
        The whole manifest store (JUMBF superbox `c2pa`).
    manifest
        Label of the manifest.
    """
    for label, content in superboxes(store):
        if label != "c2pa":
            continue
        for inner, body in superboxes(content):
            if inner != manifest:
                continue
            for name, signature in superboxes(body):
                if name == "c2pa.signature":
                    return _chain(signature)
    return ()


def superboxes(data: bytes) -> Iterator[tuple[str, bytes]]:
    """Yield (label, content after the description box) of each superbox at the top of `data`."""
    for kind, body in boxes(data):
        if kind != b"jumb":
            continue
        inner = next(boxes(body), None)
        if inner is None or inner[0] != b"jumd":
            continue
        # Description box: type UUID (16), toggles (1), label up to NUL when toggle bit 1 is set.
        description = inner[1]
        label = description[17:].split(b"\0")[0] if description[16:17] else b""
        yield label.decode("utf-8", "replace"), body[8 + len(description) :]


def boxes(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield (type, content) of the boxes of `data`; stop at the first that does not fit."""
    at = 0
    while at + 8 <= len(data):
        length = int.from_bytes(data[at : at + 4], "big")
        end = at + length if length else len(data)
        if length and length < 8 or end > len(data):
            return
        yield data[at + 4 : at + 8], data[at + 8 : end]
        at = end


def _chain(signature: bytes) -> tuple[bytes, ...]:
    for kind, body in boxes(signature):
        if kind != b"cbor":
            continue
        try:
            sign1 = Cbor(body).item()
            headers = [Cbor(sign1[0]).item(), sign1[1]]
        except (ValueError, TypeError, IndexError, KeyError):
            return ()
        for header in headers:
            for key in _X5CHAIN if isinstance(header, dict) else ():
                found = header.get(key)
                chain = found if isinstance(found, list) else [found]
                if all(isinstance(c, bytes) for c in chain):
                    return tuple(chain)
    return ()


class Cbor:
    """Reader of one CBOR item: maps, lists, text, bytes, integers; other simple values are None.

    Bounded in depth and in number of items. Raises ValueError on anything malformed.
    """

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.at = 0
        self.items = 0

    def item(self, depth: int = 0) -> Any:  # noqa: ANN401 - any CBOR value
        self.items += 1
        if depth > _DEEPEST or self.items > _MOST_ITEMS:
            raise ValueError("CBOR too deep or too long")
        first = self._take(1)[0]
        major, info = first >> 5, first & 31
        if info == 31:
            return self._indefinite(major, depth)
        value = info if info < 24 else int.from_bytes(self._take(_width(info)), "big")
        if major == 0:
            return value
        if major == 1:
            return -1 - value
        if major == 2:
            return self._take(value)
        if major == 3:
            return self._take(value).decode("utf-8", "replace")
        if major == 4:
            return [self.item(depth + 1) for _ in range(self._count(value))]
        if major == 5:
            return dict(self._pair(depth) for _ in range(self._count(value)))
        return self.item(depth + 1) if major == 6 else None

    def _indefinite(self, major: int, depth: int) -> Any:  # noqa: ANN401
        parts: list[Any] = []
        while self.data[self.at : self.at + 1] != b"\xff":
            parts.append(self._pair(depth) if major == 5 else self.item(depth + 1))
        self.at += 1
        if major == 5:
            return dict(parts)
        if major == 4:
            return parts
        if major == 2:
            return b"".join(p for p in parts if isinstance(p, bytes))
        if major == 3:
            return "".join(p for p in parts if isinstance(p, str))
        raise ValueError("malformed CBOR of indefinite length")

    def _pair(self, depth: int) -> tuple[Any, Any]:
        key = self.item(depth + 1)
        if not isinstance(key, int | str | bytes):
            raise ValueError("CBOR map key of another type")
        return key, self.item(depth + 1)

    def _count(self, value: int) -> int:
        if value > len(self.data):
            raise ValueError("CBOR longer than its data")
        return value

    def _take(self, n: int) -> bytes:
        part = self.data[self.at : self.at + n]
        if len(part) < n:
            raise ValueError("CBOR ends early")
        self.at += n
        return part


def _width(info: int) -> int:
    if info > 27:
        raise ValueError("reserved CBOR length")
    return 1 << (info - 24)
