"""Strings from files, made safe to show.

A file name, a camera model or a manifest's title is written by whoever made the file. Shown as it
is, it can recolour a terminal, reverse the reading order or hide half a sentence. `clean` leaves
only characters that stand for themselves. It does not escape markup: HTML and PDF do that on top.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Final

CUT: Final = " […]"

# Only so much of a string is looked at, so that a 10 MB comment costs as little as a short one.
_LOOK_AT: Final = 16
_LOOK_AT_LEAST: Final = 4096

# ECMA-48: a control string (OSC, DCS, SOS, PM, APC) ends with ST or, for terminals, BEL; a control
# sequence (CSI) with a byte from @ to ~; each introducer also exists as one C1 character.
_SEQUENCES: Final = re.compile(
    r"(?:\x1b[\]PX^_]|[\x90\x98\x9d-\x9f])[^\x07\x1b\x9c]*(?:\x07|\x1b\\|\x9c)"
    r"|(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]"
    r"|\x1b[ -/]*[0-~]?"
)

# Invisible though not of a control category: fillers, joiners, variation selectors (which can
# smuggle whole texts), blanks.
_INVISIBLE: Final = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]"
)

# More marks on one letter than any orthography stacks; beyond it they cover the lines around.
_MARKS: Final = 3


def clean(s: str, limit: int = 200) -> str:
    """Return `s` as one line of at most `limit` visible characters.

    Terminal sequences, control characters, bidirectional overrides, zero-width and other invisible
    characters go; line breaks and runs of blanks become one space; lone surrogates and
    noncharacters become U+FFFD. A cut string ends with ``CUT``. Idempotent for any `limit` that is
    not smaller than the one used before.
    """
    head = s[: max(_LOOK_AT * limit, _LOOK_AT_LEAST)]
    visible = "".join(_plain(c) for c in _INVISIBLE.sub("", _SEQUENCES.sub("", head)))
    line = _limit_marks(" ".join(visible.split()))
    if len(line) <= limit and len(head) == len(s):
        return line
    return line[: max(limit - len(CUT), 0)].rstrip() + CUT if limit > len(CUT) else line[:limit]


def _plain(c: str) -> str:
    if " " <= c <= "~":
        return c
    category = unicodedata.category(c)
    if c in "\t\n\v\f\r\x85" or category in ("Zs", "Zl", "Zp"):
        return " "
    if category in ("Cc", "Cf"):
        return ""
    if category == "Cs" or ord(c) & 0xFFFE == 0xFFFE or 0xFDD0 <= ord(c) <= 0xFDEF:
        return "\ufffd"
    return c


def _limit_marks(s: str) -> str:
    if s.isascii():
        return s
    out: list[str] = []
    marks = 0
    for c in s:
        marks = marks + 1 if unicodedata.category(c) in ("Mn", "Me") else 0
        if marks <= _MARKS:
            out.append(c)
    return "".join(out)
