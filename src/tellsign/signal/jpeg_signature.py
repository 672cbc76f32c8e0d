"""JPEG encoder signatures: what tables, codes and segments say about who wrote a file.

The facts are in ``jpeg_signature.toml``, each with its source. Everything here is a description
of the last encoder, never evidence of alteration by itself: a phone, a messenger and an editor
may share libjpeg's tables (Farid, "Digital Image Ballistics from JPEG Quantization", TR2006-583).
"""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from tellsign.media.jpeg import ijg_table

TableFamily = Literal["ijg", "photoshop", "other"]
HuffmanKind = Literal["standard", "optimised"]
SoftwareKind = Literal["editor", "processor"]


@dataclass(frozen=True, slots=True)
class TableMatch:
    """Who uses this luma table; `quality` only for the IJG family (1..100), exact match only."""

    family: TableFamily
    quality: int | None = None
    name: str | None = None


@dataclass(frozen=True, slots=True)
class Mark:
    """A trace that names a program: where it was, and the program."""

    where: str
    program: str


def match_table(luma: NDArray[np.uint16]) -> TableMatch:
    """Look up an (8, 8) luma quantisation table, natural order."""
    key = table_sha256(luma)
    if key in _ijg_index():
        return TableMatch("ijg", quality=_ijg_index()[key])
    if key in _photoshop_index():
        return TableMatch("photoshop", name=_photoshop_index()[key])
    return TableMatch("other")


def table_sha256(table: NDArray[np.uint16]) -> str:
    """sha256 of 64 values in natural order; values above 255 (16-bit tables) as two bytes each."""
    flat = np.asarray(table, np.uint16).ravel()
    raw = flat.astype(np.uint8).tobytes() if flat.max() <= 255 else flat.astype(">u2").tobytes()
    return hashlib.sha256(raw).hexdigest()


def huffman_kind(tables: Iterable[tuple[Sequence[int], Sequence[int]]]) -> HuffmanKind | None:
    """Say whether all (counts, symbols) tables are those of Annex K. None without tables."""
    hashes = [hashlib.sha256(bytes(c) + bytes(s)).hexdigest() for c, s in tables]
    if not hashes:
        return None
    return "standard" if set(hashes) <= set(_facts()["huffman"]["standard"]) else "optimised"


def segment_marks(segments: Iterable[tuple[str, str]]) -> list[Mark]:
    """Programs named by (marker, identifier) pairs such as ``("APP12", "Ducky")``."""
    known = {(s["marker"], s["identifier"]): s["program"] for s in _facts()["segment"]}
    pairs = dict.fromkeys(segments)
    return [Mark(f"{m} {i}", known[m, i]) for m, i in pairs if (m, i) in known]


def comment_mark(comment: str) -> Mark | None:
    """Program that begins its comment segment like this one, or None."""
    for entry in _facts()["comment"]:
        if comment.lstrip().startswith(entry["prefix"]):
            return Mark("comment", entry["program"])
    return None


def software_kind(name: str) -> SoftwareKind | None:
    """Kind of program a Software or CreatorTool string names; None for firmware and the unknown.

    Entries are tried in order, so "Photoshop Lightroom" is not taken for Photoshop.
    """
    low = name.lower()
    for entry in _facts()["software"]:
        if entry["match"] in low:
            kind: SoftwareKind = "editor" if entry["kind"] == "editor" else "processor"
            return kind
    return None


@cache
def _facts() -> Mapping[str, Any]:
    return tomllib.loads(
        files("tellsign.signal").joinpath("jpeg_signature.toml").read_text("utf-8")
    )


@cache
def _ijg_index() -> Mapping[str, int]:
    # Lowest qualities share a table clipped at 255; the lowest is given, as media.jpeg does.
    return {table_sha256(ijg_table(q).astype(np.uint16)): q for q in range(100, 0, -1)}


@cache
def _photoshop_index() -> Mapping[str, str]:
    return {entry["sha256"]: entry["name"] for entry in _facts()["photoshop"]}
