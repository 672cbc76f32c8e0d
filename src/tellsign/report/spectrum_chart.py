"""A spectrum against that of pristine pictures, drawn from the values of a finding.

A finding with the values ``band_1`` to ``band_n`` states differences in decibels to photographs
compressed alike, over n equal parts of 0 to 0.5 cycles per pixel. Page and document draw them less
their median: contrast and exposure move all bands alike and say nothing of how a picture was made.
The numbers stand beside as they are.
"""

from __future__ import annotations

import itertools
import math
import statistics
from typing import TYPE_CHECKING, Final

from tellsign.report.markup import Html, tag
from tellsign.types import Finding

if TYPE_CHECKING:
    from reportlab.graphics.shapes import Drawing

FEWEST: Final = 3  # bands that make a spectrum
LEAST_SPAN: Final = 6.0  # dB up and down: smaller differences shall look small
MOST_SPAN: Final = 60.0  # dB; what is beyond is cut, and its number says so
_WIDTH, _HEIGHT, _LEFT, _TOP = 340, 138, 34, 16  # of the drawing; what labels take
_ROOM: Final = _WIDTH - _LEFT - 14
_MIDDLE: Final = 62
_REACH: Final = _MIDDLE - _TOP
_TITLE: Final = "Spectrum against photographs compressed alike"
_UNIT: Final = "dB, less the median band"
_AXIS: Final = "cycles per pixel"


def bands(finding: Finding) -> tuple[float, ...]:
    """Differences in dB, low frequencies first; empty where the finding states none."""
    found = []
    for number in itertools.count(1):
        value = finding.values.get(f"band_{number}")
        if not isinstance(value, int | float) or not math.isfinite(value):
            break
        found.append(float(value))
    return tuple(found) if len(found) >= FEWEST else ()


def shape(levels: tuple[float, ...]) -> tuple[float, ...]:
    """The levels less their median."""
    middle = statistics.median(levels)
    return tuple(level - middle for level in levels)


def span(levels: tuple[float, ...]) -> float:
    """Decibels at the upper end of the axis: the next even number above all levels."""
    most = max(map(abs, levels))
    return min(MOST_SPAN, max(LEAST_SPAN, 2.0 * math.ceil(most / 2)))


def bars(levels: tuple[float, ...]) -> list[tuple[float, float, float, float]]:
    """Left edge, upper edge, width and height of each bar; y grows downwards."""
    step, limit = _ROOM / len(levels), span(levels)
    found = []
    for i, level in enumerate(levels):
        tall = min(abs(level), limit) / limit * _REACH
        top = _MIDDLE - tall if level > 0 else float(_MIDDLE)
        found.append((_LEFT + i * step + 2, top, step - 4, tall))
    return found


def svg(finding: Finding) -> Html | None:
    """For the page; None where the finding has no spectrum."""
    stated = bands(finding)
    if not stated:
        return None
    levels = shape(stated)
    limit = span(levels)
    drawn = [
        tag(
            "rect",
            class_="bar",
            x=round(x, 1),
            y=round(y, 1),
            width=round(width, 1),
            height=round(height, 1),
        )
        for x, y, width, height in bars(levels)
    ]
    told = ", ".join(f"{level:+.1f}" for level in levels)
    return tag(
        "svg",
        tag("text", _TITLE, x=_LEFT, y=9),
        *drawn,
        tag("line", class_="axis", x1=_LEFT, x2=_LEFT + _ROOM, y1=_MIDDLE, y2=_MIDDLE),
        *(tag("text", text, x=_LEFT - 4, y=y + 3, text_anchor="end") for text, y in _levels(limit)),
        *(
            tag("text", f"{f:g}", x=round(_at(f), 1), y=_MIDDLE + _REACH + 12, text_anchor="middle")
            for f in _FREQUENCIES
        ),
        tag("text", _UNIT, x=_LEFT, y=_HEIGHT - 2),
        tag("text", _AXIS, x=_LEFT + _ROOM, y=_HEIGHT - 2, text_anchor="end"),
        class_="spectrum",
        viewBox=f"0 0 {_WIDTH} {_HEIGHT}",
        role="img",
        aria_label=f"{_TITLE}, {_UNIT}, from 0 to 0.5 {_AXIS}: {told}",
    )


def drawing(finding: Finding) -> Drawing | None:
    """For the document; None where the finding has no spectrum."""
    from reportlab.graphics.shapes import Drawing, Line, Rect, String

    stated = bands(finding)
    if not stated:
        return None
    levels = shape(stated)
    found = Drawing(_WIDTH, _HEIGHT)

    def write(text: str, x: float, y: float, anchor: str = "start") -> None:
        found.add(String(x, _HEIGHT - y, text, fontSize=7, textAnchor=anchor))

    write(_TITLE, _LEFT, 9)
    for x, y, width, height in bars(levels):
        found.add(Rect(x, _HEIGHT - y - height, width, height, fillColor=_fill(), strokeColor=None))
    found.add(Line(_LEFT, _HEIGHT - _MIDDLE, _LEFT + _ROOM, _HEIGHT - _MIDDLE, strokeWidth=0.7))
    for text, y in _levels(span(levels)):
        write(text, _LEFT - 4, y + 3, "end")
    for f in _FREQUENCIES:
        write(f"{f:g}", _at(f), _MIDDLE + _REACH + 12, "middle")
    write(_UNIT, _LEFT, _HEIGHT - 2)
    write(_AXIS, _LEFT + _ROOM, _HEIGHT - 2, "end")
    return found


_FREQUENCIES: Final = (0.0, 0.125, 0.25, 0.375, 0.5)


def _levels(limit: float) -> tuple[tuple[str, float], ...]:
    """Labels of the upright axis and where they stand."""
    ends = (f"+{limit:g}", _MIDDLE - _REACH), ("0", _MIDDLE), (f"-{limit:g}", _MIDDLE + _REACH)
    return tuple((text, float(y)) for text, y in ends)


def _at(frequency: float) -> float:
    return _LEFT + _ROOM * frequency / 0.5


def _fill() -> object:
    from reportlab.lib.colors import HexColor

    return HexColor("#2f5d8a")
