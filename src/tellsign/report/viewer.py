"""The parts of the page that show something: picture with overlays, legends, scales, figures."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np

from tellsign.fusion.policy import Policy
from tellsign.report import overlay, spectrum_chart
from tellsign.report.markup import Child, Html, tag
from tellsign.report.overlay import Pixels
from tellsign.report.report import NAME
from tellsign.report.stored import StoredMap
from tellsign.report.text import clean
from tellsign.report.wording import (
    NOT_TAMPERING,
    TEXTURE,
    detector_name,
    finding_details,
    finding_text,
    map_text,
    ramp_words,
    region_text,
)
from tellsign.types import Box, Evidence, Finding, Map, MapKind, Polygon, Report

FIGURE_SIDE: Final = 640  # pixels; a map beside its evidence
_PLATES: Final = 44  # half number plates along the picture's mean side


@dataclass(frozen=True)
class Layer:
    """One map of one detector."""

    id: str
    evidence: Evidence
    shown: Map
    title: str

    @property
    def unit(self) -> str:
        return clean(self.evidence.unit, NAME)


@dataclass(frozen=True)
class Place:
    """A finding that has a place in the picture."""

    id: str
    number: int
    finding: Finding
    evidence: Evidence


@dataclass(frozen=True)
class Exhibit:
    """The picture of a report with all that can be shown on it.

    `pixels` is (H, W, 3) uint8 in stored axes, or None; `upright` turns picture, overlays and
    marks as the Exif orientation says. Coordinates in words stay those of stored pixels.
    """

    report: Report
    pixels: Pixels | None
    titles: Mapping[str, str]
    upright: bool

    @property
    def orientation(self) -> int | None:
        return self.report.media.orientation if self.upright and self.report.media else None

    @property
    def shape(self) -> tuple[int, int]:
        """(H, W) of the stored picture."""
        if self.pixels is not None:
            return self.pixels.shape[0], self.pixels.shape[1]
        media = self.report.media
        return (media.height, media.width) if media else (1, 1)

    @cached_property
    def layers(self) -> tuple[Layer, ...]:
        found: list[Layer] = []
        for evidence in self._evidence():
            name = detector_name(evidence.origin.detector, self.titles)
            drawn = [m for m in evidence.maps if not isinstance(m, StoredMap)]
            for i, shown in enumerate(drawn, 1):
                title = f"{name} ({i})" if len(drawn) > 1 else name
                found.append(Layer(f"l{len(found) + 1}", evidence, shown, title))
        return tuple(found)

    @cached_property
    def places(self) -> tuple[Place, ...]:
        found: list[Place] = []
        for evidence in self._evidence():
            for finding in evidence.findings:
                if isinstance(finding.where, Box | Polygon):
                    number = len(found) + 1
                    found.append(Place(f"f{number}", number, finding, evidence))
        return tuple(found)

    def place_of(self, finding: Finding) -> Place | None:
        return next((p for p in self.places if p.finding is finding), None)

    def _evidence(self) -> Iterator[Evidence]:
        yield from (o for o in self.report.outcomes if isinstance(o, Evidence))

    def outlines(self) -> Iterator[tuple[int, list[tuple[float, float]]]]:
        """(number, corners) of each place, turned like the picture, in pixels of its full size."""
        a, b, c, d, e, f = overlay.upright_matrix(self.shape, self.orientation)
        for place in self.places:
            corners = _outline(place.finding)
            yield place.number, [(a * x + c * y + e, b * x + d * y + f) for x, y in corners]

    def turned(self, pixels: Pixels) -> Pixels:
        return overlay.upright(pixels, self.orientation)

    def index(self, shown: Map, side: int) -> Pixels:
        return self.turned(overlay.indices(shown, self.shape, side, hatch=True))


def desk(exhibit: Exhibit) -> Html | None:
    """The picture to work with: overlays, marks, zoom, and the list of places. None without one."""
    if exhibit.pixels is None:
        return None
    base = exhibit.turned(overlay.reduced(exhibit.pixels))
    height, width = base.shape[:2]
    layers = [
        tag(
            "img",
            class_="layer",
            src=overlay.data_uri(overlay.png(exhibit.index(x.shown, overlay.SIDE), x.shown.kind)),
            alt="",
            hidden=True,
            data_layer=x.id,
        )
        for x in exhibit.layers
    ]
    picture = tag(
        "img",
        class_="base",
        src=overlay.data_uri(overlay.jpeg(base)),
        width=width,
        height=height,
        alt="The picture examined",
        draggable="false",
    )
    stage = tag(
        "div",
        tag("div", picture, *layers, _marks(exhibit), class_="sheet"),
        class_="stage",
        tabindex=0,
        role="group",
        aria_label="Picture. Plus and minus zoom, arrow keys move, 0 shows all of it.",
    )
    viewer = tag(
        "div",
        _choices(exhibit),
        stage,
        _controls(exhibit),
        _about(exhibit, (height, width)),
        class_="viewer card",
    )
    return tag("div", viewer, _list(exhibit), class_="desk")


def _choices(exhibit: Exhibit) -> Html | None:
    if not exhibit.layers:
        return None
    options = [("", "Picture only"), *((x.id, x.title) for x in exhibit.layers)]
    return tag(
        "fieldset",
        tag("legend", "Lay a map over the picture"),
        *(
            tag(
                "label",
                tag("input", type="radio", name="layer", value=id_, checked=not id_),
                tag("span", title),
            )
            for id_, title in options
        ),
        class_="choices",
    )


def _controls(exhibit: Exhibit) -> Html:
    parts: list[Child] = [
        tag(
            "span",
            tag("button", "−", type="button", data_zoom="out", aria_label="Zoom out"),
            tag("button", "+", type="button", data_zoom="in", aria_label="Zoom in"),
            tag("button", "Fit", type="button", data_zoom="fit"),
            class_="zoom",
        )
    ]
    if exhibit.layers:
        slider = tag("input", type="range", name="opacity", min=0, max=100, value=65)
        parts.append(tag("label", "Map opacity", slider))
    if exhibit.places:
        box = tag("input", type="checkbox", name="marks", checked=True)
        parts.append(tag("label", box, "Mark findings"))
    return tag("div", *parts, class_="controls")


def _about(exhibit: Exhibit, size: tuple[int, int]) -> Html:
    notes = []
    if size != exhibit.shape and size != exhibit.shape[::-1]:
        notes.append(
            f"Shown reduced to {size[1]} x {size[0]} pixels; the file itself was examined."
        )
    orientation = exhibit.report.media.orientation if exhibit.report.media else None
    if orientation not in (None, 1):
        how = "upright" if exhibit.upright else "as stored"
        notes.append(f"Shown {how} (Exif orientation {orientation}).")
        if exhibit.upright:
            notes.append("Coordinates in the text are of stored pixels.")
    parts: list[Child] = [
        tag(
            "div",
            legend(x.shown, x.unit),
            tag("p", map_text(x.shown)),
            tag("p", TEXTURE),
            data_layer=x.id,
            hidden=True,
        )
        for x in exhibit.layers
    ]
    if notes:
        parts.append(tag("p", " ".join(notes), class_="soft"))
    hint = "Drag, pinch or use the arrow keys to move when zoomed in."
    return tag("div", *parts, tag("p", hint, class_="soft hint"), class_="about")


def _list(exhibit: Exhibit) -> Html:
    if not exhibit.places:
        body = tag("p", "No finding has a place in the picture.", class_="soft")
    else:
        body = tag("ol", *(_list_item(exhibit, p) for p in exhibit.places))
    return tag("div", tag("h3", "Findings in the picture"), body, class_="list card")


def _list_item(exhibit: Exhibit, place: Place) -> Html:
    return tag(
        "li",
        tag("p", number(place), finding_text(place.finding)),
        tag("p", region_text(place.finding.where), class_="soft"),
        tag("p", detector_name(place.evidence.origin.detector, exhibit.titles), class_="soft"),
        tag("button", "Show", type="button", data_locate=place.id),
        class_="finding",
        data_finding=place.id,
    )


def number(place: Place) -> Html:
    return tag("span", str(place.number), class_="number")


def finding_item(exhibit: Exhibit, finding: Finding) -> Html:
    """One finding below its detector."""
    place = exhibit.place_of(finding) if exhibit.pixels is not None else None
    details = finding_details(finding)
    return tag(
        "li",
        tag("p", number(place) if place else None, finding_text(finding)),
        tag("p", details, class_="soft") if details else None,
        spectrum_chart.svg(finding),
        class_="finding",
        data_finding=place.id if place else None,
    )


def _marks(exhibit: Exhibit) -> Html | None:
    if not exhibit.places:
        return None
    h, w = exhibit.shape
    tall, wide = (w, h) if (exhibit.orientation or 1) >= 5 else (h, w)
    r = (h * w) ** 0.5 / _PLATES
    taken: list[tuple[float, float]] = []
    marks = []
    for place, (_, corners) in zip(exhibit.places, exhibit.outlines(), strict=True):
        first = min(corners, key=lambda p: (p[1], p[0]))
        cx, cy = max(first[0], r), max(first[1], r)
        while any(abs(cx - x) < 2 * r and abs(cy - y) < 2 * r for x, y in taken) and cx < wide:
            cx += 2.2 * r
        taken.append((cx, cy))
        marks.append(_mark(place, corners, (cx, cy), r))
    return tag(
        "svg",
        *marks,
        class_="marks",
        viewBox=f"0 0 {wide} {tall}",
        preserveAspectRatio="none",
        aria_hidden="true",
    )


def _mark(
    place: Place, corners: Sequence[tuple[float, float]], centre: tuple[float, float], r: float
) -> Html:
    points = " ".join(f"{x:g},{y:g}" for x, y in corners)
    x, y = (round(v, 1) for v in centre)
    size = round(2 * r, 1)
    return tag(
        "g",
        *(tag("polygon", points=points, class_=name) for name in ("hit", "halo", "edge")),
        tag("rect", class_="plate", x=x - r, y=y - r, width=size, height=size, rx=round(r / 4, 1)),
        tag("text", str(place.number), class_="digit", x=x, y=y, font_size=round(1.35 * r, 1)),
        class_="mark",
        data_finding=place.id,
    )


def _outline(finding: Finding) -> list[tuple[float, float]]:
    if isinstance(finding.where, Polygon):
        return list(finding.where.points)
    assert isinstance(finding.where, Box)
    b = finding.where
    right, bottom = b.x + b.width, b.y + b.height
    return [(b.x, b.y), (right, b.y), (right, bottom), (b.x, bottom)]


# --- maps and scales -----------------------------------------------------------------------------


def legend(shown: Map, unit: str) -> Html:
    """What the colours mean, with numbers and the unit."""
    parts: list[Html] = []
    if shown.kind is MapKind.SCORE:
        ends = overlay.scale(shown)
        dark, pale, reach = ramp_words(ends.low, ends.high, unit, fixed=ends.fixed)
        strip = np.arange(256, dtype=np.uint8)[None, 2:]
        image = overlay.data_uri(overlay.png(strip, MapKind.SCORE))
        parts.append(
            tag(
                "span",
                dark,
                tag("img", class_="ramp", src=image, alt="from dark violet to pale yellow"),
                pale,
            )
        )
        parts.append(tag("span", reach))
    elif shown.kind is MapKind.MASK:
        empty = not bool((shown.values[shown.valid] > 0.5).any())
        text = "region found (none in this picture)" if empty else "region found"
        parts.append(tag("span", _swatch(overlay.MASK_COLOUR), text))
    else:
        labels = np.unique(np.rint(shown.values[shown.valid])).astype(int)
        table = overlay.palette(MapKind.LABEL)[2:9]
        for label in labels[labels > 0][: len(table)]:
            colour = table[(label - 1) % len(table)]
            parts.append(tag("span", _swatch(tuple(int(v) for v in colour)), f"{label}"))
        if not parts:
            parts.append(tag("span", "no region labelled in this picture"))
    if shown.coverage < 1:
        parts.append(tag("span", _hatched_swatch(), "method cannot speak here"))
    return tag("div", *parts, class_="legend")


def _swatch(colour: tuple[int, ...]) -> Html:
    rect = tag("rect", width=16, height=12, rx=2, fill="#" + bytes(colour).hex())
    return tag("svg", rect, width=16, height=12, aria_hidden="true")


def _hatched_swatch() -> Html:
    lines = (
        tag("path", d=f"M{x} 12L{x + 12} 0", stroke="#808080", stroke_width=2)
        for x in (-10, -4, 2, 8, 14)
    )
    return tag("svg", *lines, width=16, height=12, aria_hidden="true")


def figure(exhibit: Exhibit, layer: Layer) -> Html:
    """A small flattened picture of a map, which needs no script and prints."""
    index = exhibit.index(layer.shown, FIGURE_SIDE)
    if exhibit.pixels is None:
        base = np.full((*index.shape, 3), 255, np.uint8)
    else:
        base = exhibit.turned(overlay.reduced(exhibit.pixels, FIGURE_SIDE))
    image = overlay.jpeg(overlay.flattened(base, index, layer.shown.kind), 80)
    button = tag("button", "Lay over the picture", type="button", data_show=layer.id)
    return tag(
        "figure",
        tag(
            "img",
            src=overlay.data_uri(image),
            alt=f"Map of {layer.title}",
            width=index.shape[1],
            height=index.shape[0],
        ),
        tag(
            "figcaption",
            legend(layer.shown, layer.unit),
            tag("p", f"{map_text(layer.shown)} {NOT_TAMPERING}"),
            button if exhibit.pixels is not None else None,
        ),
    )


def view_figure(exhibit: Exhibit, name: str, shown: Map) -> Html:
    """A view that is no evidence: its values alone, as an image."""
    index = exhibit.index(shown, FIGURE_SIDE)
    colours = overlay.palette(shown.kind)[index]
    return tag(
        "figure",
        tag(
            "img",
            src=overlay.data_uri(overlay.jpeg(colours, 80)),
            alt=f"View: {clean(name)}",
            width=index.shape[1],
            height=index.shape[0],
        ),
        legend(shown, ""),
        tag("figcaption", tag("b", clean(name)), ". ", clean(shown.caption, 400)),
    )


def gauge(llr: float, interval: tuple[float, float] | None, policy: Policy) -> Html:
    """The log10 likelihood ratio on the verbal scale, with its interval."""
    limit = policy.clip

    def at(value: float) -> float:
        return round(170 + 155 * max(-limit, min(limit, value)) / limit, 1)

    steps = (0.0, policy.weak, policy.moderate, policy.strong, limit)
    names = ("band", "weak", "moderate", "strong")
    bands = [
        tag("rect", class_=f"band {name}", x=at(x), y=12, width=round(at(y) - at(x), 1), height=12)
        for side in (1, -1)
        for name, a, b in zip(names, steps, steps[1:], strict=False)
        for x, y in [sorted((side * a, side * b))]
    ]
    right = (policy.moderate, policy.strong, limit)
    values = (*(-v for v in right), 0.0, *right)
    ticks = [
        tag("text", f"{v:+g}" if v else "0", x=at(v), y=36, text_anchor="middle") for v in values
    ]
    ends = [
        tag("text", "against", x=at(-limit), y=7, text_anchor="start"),
        tag("text", "for", x=at(limit), y=7, text_anchor="end"),
    ]
    span = None
    if interval is not None:
        low, high = interval
        span = tag("line", class_="span", x1=at(low), x2=at(high), y1=18, y2=18)
    return tag(
        "svg",
        *bands,
        tag("line", class_="axis", x1=at(0), x2=at(0), y1=9, y2=27),
        *ends,
        *ticks,
        span,
        tag("circle", class_="point", cx=at(llr), cy=18, r=5.5),
        class_="gauge",
        viewBox="0 -4 340 44",
        role="img",
        aria_label=f"log10 likelihood ratio {llr:.2f} on a scale from -{limit:g} to {limit:g}",
    )
