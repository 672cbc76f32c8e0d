from __future__ import annotations

import re

import numpy as np
import pytest
from numpy.typing import NDArray

from tellsign.examiner import Examiner
from tellsign.forge.codec import encode_png
from tellsign.media import from_bytes
from tellsign.plan import Plan
from tellsign.report import html, pdf, spectrum_chart
from tellsign.types import Finding, Scalar


def finding(*levels: Scalar, **more: Scalar) -> Finding:
    values = {f"band_{i}": level for i, level in enumerate(levels, 1)}
    return Finding("spectrum.usual", "What was found.", None, {**values, **more})


def test_bands_are_read_in_order_and_end_at_the_first_that_is_missing() -> None:
    assert spectrum_chart.bands(finding(1.0, -2, 3.5, decibels=9)) == (1.0, -2.0, 3.5)
    assert spectrum_chart.bands(finding(1.0, 2.0, 3.0, band_5=4.0)) == (1.0, 2.0, 3.0)
    assert spectrum_chart.bands(finding(1.0, 2.0)) == ()  # no spectrum
    assert spectrum_chart.bands(finding(1.0, 2.0, "high")) == ()
    assert spectrum_chart.bands(Finding("a.b", "Something else.")) == ()


def test_contrast_is_taken_off() -> None:
    """A picture of half the contrast has all its bands 6 dB lower, and the same shape."""
    levels = (1.0, -2.0, 4.0, 0.5)
    lower = tuple(level - 6.0 for level in levels)
    assert spectrum_chart.shape(lower) == pytest.approx(spectrum_chart.shape(levels))
    assert np.median(spectrum_chart.shape(levels)) == pytest.approx(0)


@pytest.mark.parametrize(
    ("levels", "limit"),
    [((0.1, -0.2, 0.0), 6), ((6.0, 0.0, -6.0), 6), ((0.0, -6.1, 3.0), 8), ((500.0, 0.0, 0.0), 60)],
)
def test_small_differences_look_small_and_none_leaves_the_drawing(
    levels: tuple[float, ...], limit: float
) -> None:
    assert spectrum_chart.span(levels) == limit
    middle, reach = spectrum_chart._MIDDLE, spectrum_chart._REACH
    bars = spectrum_chart.bars(levels)
    for (_, top, _, tall), level in zip(bars, levels, strict=True):
        assert tall == pytest.approx(min(abs(level), limit) / limit * reach)
        assert top + (tall if level > 0 else 0) == pytest.approx(middle)
    edges = [(x, x + width) for x, _, width, _ in bars]
    assert all(a[1] < b[0] for a, b in zip(edges, edges[1:], strict=False))
    assert edges[0][0] > spectrum_chart._LEFT
    assert edges[-1][1] < spectrum_chart._WIDTH


def test_the_drawing_can_be_read_without_being_seen() -> None:
    drawn = spectrum_chart.svg(finding(-10.0, -12.0, -8.0))
    assert drawn is not None
    assert drawn.count("<rect") == 3
    label = re.search(r'aria-label="([^"]*)"', drawn)
    assert label is not None
    assert label[1].endswith("0 to 0.5 cycles per pixel: +0.0, -2.0, +2.0")
    assert spectrum_chart.svg(Finding("a.b", "Something else.")) is None


def test_the_document_has_the_same_bars() -> None:
    shapes = pytest.importorskip("reportlab.graphics.shapes")
    drawn = spectrum_chart.drawing(finding(-10.0, -12.0, -8.0))
    assert drawn is not None
    bars = [s for s in drawn.contents if isinstance(s, shapes.Rect)]
    expected = spectrum_chart.bars((0.0, -2.0, 2.0))
    assert [(b.x, b.width, b.height) for b in bars] == [(x, w, h) for x, _, w, h in expected]
    assert bars[2].y == spectrum_chart._HEIGHT - spectrum_chart._MIDDLE  # y grows upwards here
    assert spectrum_chart.drawing(Finding("a.b", "Something else.")) is None


def test_a_report_shows_the_spectrum_beside_that_of_photographs(photo: NDArray[np.uint8]) -> None:
    plan = Plan.select(detectors=["spectrum_probe"])
    report = Examiner(plan).examine(from_bytes(encode_png(photo)))
    page = html.render(report)
    assert page.count('class="spectrum"') == 1
    assert "Spectrum against photographs compressed alike" in page
    pytest.importorskip("reportlab")
    assert pdf.render(report).startswith(b"%PDF")
