"""XMP packets, flattened: one entry per simple value, lists as repeated keys."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import TYPE_CHECKING

from tellsign.media.metadata import Builder

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

_RDF = "{http://www.w3.org/1999/02/22-rdf-syntax-ns#}"
_XML = "{http://www.w3.org/XML/1998/namespace}"
_LISTS = (_RDF + "Seq", _RDF + "Bag", _RDF + "Alt")
# A packet in a JPEG segment is below 64 kB; extended ones carry depth maps of some MB.
_MAX_BYTES = 16 * 1024 * 1024
_MAX_DEPTH = 24
_MAX_ELEMENTS = 50_000
# Values are looked up in packets up to this size only: the search is quadratic.
_PLACED = 256 * 1024

# Keys use these whatever prefix the packet declares; other namespaces keep its own.
_PREFIXES = {
    "http://purl.org/dc/elements/1.1/": "dc",
    "http://ns.adobe.com/xap/1.0/": "xmp",
    "http://ns.adobe.com/xap/1.0/mm/": "xmpMM",
    "http://ns.adobe.com/xap/1.0/rights/": "xmpRights",
    "http://ns.adobe.com/xap/1.0/sType/ResourceEvent#": "stEvt",
    "http://ns.adobe.com/xap/1.0/sType/ResourceRef#": "stRef",
    "http://ns.adobe.com/photoshop/1.0/": "photoshop",
    "http://ns.adobe.com/camera-raw-settings/1.0/": "crs",
    "http://ns.adobe.com/tiff/1.0/": "tiff",
    "http://ns.adobe.com/exif/1.0/": "exif",
    "http://ns.adobe.com/exif/1.0/aux/": "aux",
    "http://ns.adobe.com/xmp/note/": "xmpNote",
    "http://cipa.jp/exif/1.0/": "exifEX",
    "http://iptc.org/std/Iptc4xmpCore/1.0/xmlns/": "Iptc4xmpCore",
    "http://iptc.org/std/Iptc4xmpExt/2008-02-29/": "Iptc4xmpExt",
    "http://ns.useplus.org/ldf/xmp/1.0/": "plus",
    "http://ns.google.com/photos/1.0/camera/": "GCamera",
    "http://ns.google.com/photos/1.0/creations/": "GCreations",
    "http://purl.org/dc/terms/": "dcterms",
    _RDF[1:-1]: "rdf",
    _XML[1:-1]: "xml",
}


def parse(packet: bytes, offset: int | None, into: Builder) -> None:
    """Collect a packet: "xmp:dc:creator", "xmp:xmpMM:History/stEvt:action", ..."""
    from xml.etree.ElementTree import ParseError

    if not into.begin("XMP"):
        return
    into.block("xmp", packet)
    if len(packet) > _MAX_BYTES:
        into.problem(f"an XMP packet of {len(packet)} bytes was not read")
        return
    body = packet.strip(b"\0 \t\r\n")
    names = dict(_PREFIXES)
    try:
        root = _read(body, names)
    except (ParseError, ValueError, LookupError) as error:  # what defusedxml raises is a ValueError
        into.problem(f"an XMP packet could not be read ({type(error).__name__})")
        return
    for top in _descriptions(root):
        for key, text in _flatten(top, names, "", 0):
            into.add(f"xmp:{key}", text, *_place(packet, text, offset))


def _read(body: bytes, names: dict[str, str]) -> Element:
    import defusedxml.ElementTree

    root: Element | None = None
    elements = 0
    events = defusedxml.ElementTree.iterparse(
        io.BytesIO(body), events=("start", "start-ns"), forbid_dtd=True
    )
    for event, item in events:
        if event == "start-ns":
            prefix, uri = item
            names.setdefault(uri, prefix)
            continue
        elements += 1
        if elements > _MAX_ELEMENTS:
            raise ValueError("too many elements")
        root = item if root is None else root
    if root is None:
        raise ValueError("no element")
    return root


def _descriptions(root: Element) -> Iterator[Element]:
    """Top-level rdf:Description elements."""
    for rdf in root.iter(_RDF + "RDF"):
        yield from (child for child in rdf if child.tag == _RDF + "Description")
        return


def _name(tag: str, names: dict[str, str]) -> str:
    uri, _, local = tag[1:].rpartition("}")
    if not tag.startswith("{"):
        return tag
    return f"{names.get(uri) or uri}:{local}"


def _flatten(
    element: Element, names: dict[str, str], path: str, depth: int
) -> Iterator[tuple[str, str]]:
    if depth > _MAX_DEPTH:
        return
    for attribute, value in element.attrib.items():
        if attribute.startswith((_RDF, _XML)):
            if attribute == _RDF + "resource" and path:
                yield path, value
            continue
        yield _join(path, _name(attribute, names)), value
    for child in element:
        if child.tag in _LISTS:
            for item in child:
                yield from _value(item, names, path, depth + 1)
        elif child.tag == _RDF + "Description":
            yield from _flatten(child, names, path, depth + 1)
        else:
            yield from _value(child, names, _join(path, _name(child.tag, names)), depth + 1)


def _value(
    element: Element, names: dict[str, str], path: str, depth: int
) -> Iterator[tuple[str, str]]:
    text = (element.text or "").strip()
    if text and not len(element):
        yield path, text
    yield from _flatten(element, names, path, depth)


def _join(path: str, name: str) -> str:
    return f"{path}/{name}" if path else name


def _place(packet: bytes, text: str, offset: int | None) -> tuple[int | None, int | None]:
    """Where the text stands in the file, when it stands there just once and unescaped."""
    raw = text.encode("utf-8", "replace")
    if offset is None or len(packet) > _PLACED or len(raw) < 4 or packet.count(raw) != 1:
        return None, None
    return offset + packet.index(raw), len(raw)
