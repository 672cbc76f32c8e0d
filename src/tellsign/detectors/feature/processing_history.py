"""Processing history: earlier JPEG compressions, resizing, screenshots.

Question     What happened to the file since the picture was taken? Descriptive: saving again,
             resizing and screenshots are everyday steps and no alteration of what is shown.
How          Earlier JPEG compressions: the coefficients of a JPEG keep a periodic trace of the
             former table, on the same or on a shifted grid [1]_; those of a lossless picture lie
             near multiples of it [2]_. The former quality is that of the nearest table of the
             Independent JPEG Group. Resizing: periodic correlation between neighbours [3]_.
             Screenshot: screen size, lossless format, no camera stated, one-coloured bars, exactly
             equal neighbours, colour fringes of text drawn for a striped panel.
Score        Number of processing steps established. Steps; 0 to 5.
Blind spots  Steps before a strong last compression or resizing; earlier compressions of quality
             above 98 or below 20, or with the table and grid of the last one; tables far from the
             Independent JPEG Group's; resizing to half or by other factors that leave no line of
             their own. A picture drawn on a computer resembles a screenshot.
References   .. [1] Bianchi & Piva, IEEE TIFS 7 (2012). :DOI:`10.1109/TIFS.2012.2187516`
             .. [2] Fan & de Queiroz, IEEE TIP 12 (2003). :DOI:`10.1109/TIP.2002.807361`
             .. [3] Popescu & Farid, IEEE TSP 53 (2005). :DOI:`10.1109/TSP.2004.839932`
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tellsign.detectors.base import Abstain, Detector, detector
from tellsign.media.media import Media
from tellsign.types import Evidence, Family, Finding, Question, View

if TYPE_CHECKING:
    from tellsign.signal.dq import Trace

LEAST_SIDE = 64  # pixels; every cue needs some hundreds of samples
# Decades from which a former compression counts as established. Pictures without one reached 65
# (aligned), 10 (shifted) and 40 (lossless); at quality 60 with one, thousands.
ESTABLISHED_ALIGNED = 100.0
ESTABLISHED_SHIFTED = 20.0
ESTABLISHED_LOSSLESS = 100.0
CARRIED = 20.0  # ... and decades of the region that carries it best: without one, at most 10
RESIZE_WINDOWS = 16  # bounds the cost; 3 ms each
LOSSLESS = frozenset({"png", "bmp", "gif", "tiff"})
CUES = 4  # of six, for a likeness to be stated; a lossless file without metadata has two for free


@detector(
    name="processing_history",
    version="1",
    family=Family.FEATURE,
    question=Question.PROCESSED,
    needs=(View.PIXELS, View.LUMA, View.DCT, View.METADATA),
    unit="steps",
    abstentions={"too_small": "The picture has fewer than 64 x 64 pixels."},
    findings={
        "history.jpeg.aligned": "The file was compressed as JPEG before, on the same grid.",
        "history.jpeg.shifted": "It was compressed as JPEG before, on a shifted grid (cropped).",
        "history.jpeg.former": "The lossless file holds a picture that was a JPEG before.",
        "history.resized": "The whole picture was probably resized.",
        "history.screenshot": "The file resembles a screenshot.",
    },
)
class ProcessingHistory(Detector):
    def applicable(self, media: Media) -> str | None:
        return "too_small" if min(media.shape) < LEAST_SIDE else None

    def examine(self, media: Media) -> Evidence:
        code = self.applicable(media)
        if code is not None:
            raise Abstain(code)
        found = [*earlier_compressions(media), *resizing(media), *screenshot_likeness(media)]
        return self.evidence(float(len(found)), findings=found)


def earlier_compressions(media: Media) -> list[Finding]:
    """Former JPEG compressions of a JPEG, or of a lossless picture."""
    if media.dct is None:
        return lossless_history(media) if media.facts.format in LOSSLESS else []
    from tellsign.signal.block_scan import carrier
    from tellsign.signal.jpeg_traces import Untraceable, traces

    try:
        aligned, shifted = traces(media)
    except Untraceable:
        return []
    return [
        former_compression(trace)
        for trace, least in ((aligned, ESTABLISHED_ALIGNED), (shifted, ESTABLISHED_SHIFTED))
        if trace.existence >= least and carrier(trace.loglik).decades >= CARRIED
    ]


def former_compression(trace: Trace) -> Finding:
    dy, dx = trace.shift
    part = f"in {trace.share:.0%} of what can tell"
    if trace.share > 0.9:
        part = "the whole picture"
    values = {
        "former_quality": trace.quality,
        "share": round(trace.share, 3),
        "decades": round(trace.existence, 1),
        "shift_x": dx,
        "shift_y": dy,
    }
    if trace.kind == "aligned":
        text = f"Compressed as JPEG before, at a quality of about {trace.quality}: {part}."
        return Finding("history.jpeg.aligned", text, None, values)
    text = (
        f"Compressed as JPEG before, at a quality of about {trace.quality}, on a grid shifted by "
        f"({dx}, {dy}) pixels, as after cropping: {part}."
    )
    return Finding("history.jpeg.shifted", text, None, values)


def lossless_history(media: Media) -> list[Finding]:
    from tellsign.signal.former_jpeg import former_jpeg

    former = former_jpeg(media.luma, media.pixels)
    if former is None or former.decades < ESTABLISHED_LOSSLESS:
        return []
    x, y = former.grid_x, former.grid_y
    since = "not cropped since" if (x, y) == (0, 0) else f"cropped since (grid at {x}, {y})"
    text = f"The picture was a JPEG before, of a quality of about {former.quality}; {since}."
    values = {
        "former_quality": former.quality,
        "grid_x": x,
        "grid_y": y,
        "decades": round(former.decades, 1),
    }
    return [Finding("history.jpeg.former", text, None, values)]


def resizing(media: Media) -> list[Finding]:
    from tellsign.signal.resampling_spectrum import whole_picture_factor

    factors = whole_picture_factor(media.luma, RESIZE_WINDOWS)
    if not factors:
        return []
    named = " or ".join(f"{f.factor:g}" for f in factors)
    text = f"The whole picture was probably resized; factors that fit, best first: {named}."
    values = {"factor": factors[0].factor, "log10_nfa": round(factors[0].log10_nfa, 2)}
    return [Finding("history.resized", text, None, values)]


def screenshot_likeness(media: Media) -> list[Finding]:
    from tellsign.signal.screenshot import screenshot

    camera = media.facts.camera
    stated = camera is not None and bool(camera.make or camera.model)
    seen = screenshot(media.pixels, media.facts.format in LOSSLESS, stated)
    if seen.cues < CUES:
        return []
    values = {
        "cues": seen.cues,
        "screen_size": int(seen.screen_size),
        "lossless": int(seen.lossless),
        "no_camera": int(seen.no_camera),
        "bar_rows": seen.bar_rows,
        "identical_neighbours": round(seen.identical, 3),
        "subpixel_shift": round(seen.subpixel, 2),
    }
    text = f"The file resembles a screenshot: {seen.cues} of 6 cues ({described(values)})."
    return [Finding("history.screenshot", text, None, values)]


def described(values: dict[str, int | float]) -> str:
    said = [
        text
        for key, text in (
            ("screen_size", "the size of a common screen"),
            ("lossless", "a lossless format"),
            ("no_camera", "no camera stated"),
        )
        if values[key]
    ]
    said.append(f"{values['bar_rows']} one-coloured rows at the edges")
    said.append(f"{values['identical_neighbours']:.0%} of pixels exactly like their neighbours")
    return ", ".join(said)
