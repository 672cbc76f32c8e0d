from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tellsign.report.text import CUT, clean


@pytest.mark.parametrize(
    ("hostile", "shown"),
    [
        ("plain name.jpg", "plain name.jpg"),
        ("Zürich 写真 ☂.jpg", "Zürich 写真 ☂.jpg"),
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x9b31mred", "red"),
        ("\x1b\x1b[31mtwice", "twice"),
        ("\x1b]0;title\x07after", "after"),
        ("\x1b]8;;http://x.example\x1b\\link\x1b]8;;\x1b\\", "link"),
        ("\x1bPq#0\x1b\\sixel gone", "sixel gone"),
        ("\x1b]0;never ended", "0;never ended"),
        ("cut\x1b[", "cut"),
        ("nul\x00 bell\x07 del\x7f", "nul bell del"),
        ("line\r\nbreak\u2028and\ttab", "line break and tab"),
        ("  many   blanks \u00a0 ", "many blanks"),
        ("invoice\u202egpj.exe", "invoicegpj.exe"),
        ("\u2066isolate\u2069\u200f\u200e\u061c", "isolate"),
        ("ze\u200bro\ufeff\u2060\u00adwidth", "zerowidth"),
        ("tag\U000e0041\U000e0042s", "tags"),
        ("var\ufe0f\U000e0100iation", "variation"),
        ("fill\u3164er", "filler"),
        ("lone\udcff surrogate", "lone\ufffd surrogate"),
        ("non\uffffcharacter", "non\ufffdcharacter"),
        ("<script>alert(1)</script>", "<script>alert(1)</script>"),
        ("", ""),
    ],
)
def test_clean(hostile: str, shown: str) -> None:
    assert clean(hostile) == shown


def test_stacked_marks_are_limited() -> None:
    assert clean("a" + "\u0301" * 40 + "b") == "a\u0301\u0301\u0301b"


def test_cut_is_marked_and_within_the_limit() -> None:
    shown = clean("x" * 500, limit=100)
    assert len(shown) == 100
    assert shown.endswith(CUT)
    assert clean("x" * 100, limit=100) == "x" * 100


def test_tiny_limit() -> None:
    assert clean("abcdef", limit=3) == "abc"


def test_a_string_that_is_all_noise_is_still_marked_as_cut() -> None:
    assert clean("\x00" * 5000, limit=100).endswith(CUT.strip())


def test_ten_megabytes_become_a_line() -> None:
    shown = clean("<b>\x1b[31m" * 1_250_000)
    assert len(shown) == 200
    assert shown.endswith(CUT)


@given(st.text(st.characters(codec=None)), st.integers(10, 300))
def test_nothing_unsafe_is_left(s: str, limit: int) -> None:
    shown = clean(s, limit)
    assert len(shown) <= limit
    assert not [c for c in shown if unicodedata.category(c) in ("Cc", "Cf", "Cs", "Zl", "Zp")]
    assert clean(shown, limit) == shown
    shown.encode()
