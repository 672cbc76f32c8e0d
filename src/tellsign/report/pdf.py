"""A report as a document for a file: numbered sections, hashes on every page, no interaction.

Needs the extra ``pdf`` (reportlab). The standard fonts of PDF know Western European letters only;
any other character is written as its code point, \\u{5199}, rather than as an empty box.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from PIL import Image as pillow

from tellsign import __version__
from tellsign.errors import MissingExtra
from tellsign.fusion import policy as policies
from tellsign.fusion.policy import Policy
from tellsign.report import file_rows, overlay, spectrum_chart, wording
from tellsign.report.overlay import Pixels
from tellsign.report.report import SENTENCE
from tellsign.report.text import clean
from tellsign.report.viewer import Exhibit, Layer
from tellsign.report.wording import Section
from tellsign.types import CONCLUDED, Evidence, MapKind, Report

if TYPE_CHECKING:
    from reportlab.platypus import Flowable

_NOTHING: Final[Mapping[str, str]] = {}
_MM: Final = 72 / 25.4
_WIDTH: Final = 170 * _MM  # of the text on A4 with margins of 20 mm
_PICTURE: Final = (150 * _MM, 105 * _MM)
_MAP: Final = (70 * _MM, 60 * _MM)
_MARK: Final = "#c2185b"
_PLATE: Final = 11.0  # points; side of a number plate


def render(
    report: Report,
    picture: Pixels | None = None,
    blind_spots: Mapping[str, str] = _NOTHING,
    *,
    titles: Mapping[str, str] = _NOTHING,
    policy: Policy | None = None,
    command: str | None = None,
    upright: bool = False,
) -> bytes:
    """Return the document; parameters as for `html.render`. Raises MissingExtra."""
    try:
        from reportlab.platypus import SimpleDocTemplate
    except ImportError:
        raise MissingExtra("PDF reports", "pdf") from None
    exhibit = Exhibit(report, picture, titles, upright)
    parts = _Parts(exhibit, blind_spots, policy or policies.load(), command)
    buffer = io.BytesIO()
    document = SimpleDocTemplate(
        buffer,
        pagesize=(210 * _MM, 297 * _MM),
        leftMargin=20 * _MM,
        rightMargin=20 * _MM,
        topMargin=20 * _MM,
        bottomMargin=20 * _MM,
        title=f"tellsign: {latin(clean(report.source.name))}",
        author="tellsign",
        invariant=1,  # no clock, no random identifier: the same report gives the same bytes
    )
    document.build(list(parts.story()), canvasmaker=_numbered(report))
    return buffer.getvalue()


def latin(text: str) -> str:
    """`text` with every character outside Windows-1252 as its code point."""
    return "".join(c if _encodable(c) else f"\\u{{{ord(c):X}}}" for c in text)


def _encodable(c: str) -> bool:
    try:
        c.encode("cp1252")
    except UnicodeEncodeError:
        return False
    return True


def _escaped(text: str) -> str:
    return escape(latin(text), quote=True)


class _Parts:
    """Builds the flowables of one document, section by section."""

    def __init__(
        self, exhibit: Exhibit, blind_spots: Mapping[str, str], policy: Policy, command: str | None
    ) -> None:
        from reportlab.lib.styles import ParagraphStyle

        self.exhibit = exhibit
        self.report = exhibit.report
        self.blind_spots = blind_spots
        self.policy = policy
        self.command = command
        self.sections = 0
        body = ParagraphStyle("body", fontName="Helvetica", fontSize=9.5, leading=13, spaceAfter=4)
        self.styles = {
            "body": body,
            "soft": ParagraphStyle("soft", body, fontSize=8.5, leading=11.5, textColor="#4a525a"),
            "detector": ParagraphStyle("detector", body, spaceBefore=8, keepWithNext=1),
            "title": ParagraphStyle(
                "title", body, fontName="Helvetica-Bold", fontSize=16, leading=20, spaceAfter=2
            ),
            "lead": ParagraphStyle(
                "lead",
                body,
                fontName="Helvetica-Bold",
                fontSize=12,
                leading=16,
                borderPadding=8,
                borderWidth=1,
                borderColor="#1b1f24",
                spaceBefore=14,
                spaceAfter=16,
                leftIndent=9,
                rightIndent=9,
            ),
            "h1": ParagraphStyle(
                "h1",
                body,
                fontName="Helvetica-Bold",
                fontSize=12.5,
                leading=16,
                spaceBefore=12,
                spaceAfter=5,
                keepWithNext=1,
            ),
            "h2": ParagraphStyle(
                "h2",
                body,
                fontName="Helvetica-Bold",
                fontSize=10.5,
                leading=14,
                spaceBefore=8,
                spaceAfter=3,
                keepWithNext=1,
            ),
        }

    def story(self) -> Iterator[Flowable]:
        yield self.text("Examination report", "title")
        yield self.text(f"{clean(self.report.created)}, tellsign {__version__}", "soft")
        yield self.text(clean(self.report.headline, SENTENCE), "lead")
        yield from self.subject()
        yield from self.conclusions()
        yield from self.provenance()
        yield from self.picture()
        yield from self.evidence()
        yield from self.unsaid()
        yield from self.children()
        yield from self.reading()
        yield from self.repeat()

    # --- sections --------------------------------------------------------------------------------

    def subject(self) -> Iterator[Flowable]:
        yield self.heading("Subject of the examination")
        yield self.rows(file_rows.media_rows(self.report))

    def conclusions(self) -> Iterator[Flowable]:
        yield self.heading("Conclusions")
        rows = [
            (
                wording.TITLES[c.question],
                f"{clean(c.text, SENTENCE)} {wording.used_text(c, self.exhibit.titles)}",
            )
            for s in wording.sections(self.report)
            for c in s.conclusions
        ]
        yield self.rows(rows, 55) if rows else self.text("None was asked for.")

    def provenance(self) -> Iterator[Flowable]:
        claims = self.report.provenance
        yield self.heading("Provenance")
        state = wording.provenance_state(self.report)
        yield self.text(f"C2PA manifest: {state}. {wording.provenance_text(self.report)}")
        rows = list(wording.provenance_rows(claims))
        rows += [("Status code", f"{clean(s.code)}: {s.kind}") for s in claims.status]
        if rows:
            yield self.rows(rows)
            yield self.text(wording.CLAIMS, "soft")

    def picture(self) -> Iterator[Flowable]:
        if self.exhibit.pixels is None:
            return
        from reportlab.platypus import KeepTogether

        yield KeepTogether(
            [
                self.heading("Picture"),
                _picture(self.exhibit),
                self.text(
                    "Reduced for printing. Frames are the findings in section "
                    f"{self.sections + 1}, by number.",
                    "soft",
                ),
            ]
        )

    def evidence(self) -> Iterator[Flowable]:
        yield self.heading("What was tested, and what it showed")
        yield self.text(wording.counts_text(self.report))
        for section in wording.sections(self.report):
            yield from self.question(section)

    def question(self, section: Section) -> Iterator[Flowable]:
        yield self.text(section.title, "h2")
        for conclusion in section.conclusions:
            yield self.text(clean(conclusion.text, SENTENCE))
        if not section.conclusions:
            yield self.text(wording.HISTORY, "soft")
        for evidence in section.evidence:
            yield from self.detector(evidence)
        for name, why in wording.refusals(section, self.exhibit.titles):
            yield self.text(f"{name}: {why}", lead=name)

    def detector(self, evidence: Evidence) -> Iterator[Flowable]:
        from reportlab.platypus import KeepTogether

        origin = evidence.origin
        name = wording.detector_name(origin.detector, self.exhibit.titles)
        calibrated = self.report.calibrated.get(origin.detector)
        numbers = wording.score_text(evidence)
        if calibrated or evidence.question in CONCLUDED:
            numbers += f"; {wording.llr_text(calibrated)}"
        lines = [self.text(f"{name}: {numbers}.", "detector", lead=name)]
        for finding in evidence.findings:
            place = self.exhibit.place_of(finding)
            label = f"[{place.number}] " if place and self.exhibit.pixels is not None else ""
            details = wording.finding_details(finding)
            lines.append(self.text(f"{label}{wording.finding_text(finding)}"))
            if details:
                lines.append(self.text(details, "soft"))
            if (chart := spectrum_chart.drawing(finding)) is not None:
                lines.append(chart)
        limits = wording.limits_text(evidence, self.blind_spots)
        if limits:
            lines.append(self.text(limits))
        maps = [self.map(x) for x in self.exhibit.layers if x.evidence is evidence]
        yield KeepTogether([*lines, *maps[:1]])
        yield from maps[1:]

    def map(self, layer: Layer) -> Flowable:
        from reportlab.platypus import Table

        index = self.exhibit.index(layer.shown, overlay.SIDE // 2)
        base = _base(self.exhibit, (index.shape[0], index.shape[1]), overlay.SIDE // 2)
        image = _image(overlay.flattened(base, index, layer.shown.kind), _MAP)
        words = [
            self.text(f"{wording.map_text(layer.shown)} {wording.NOT_TAMPERING}", "soft"),
            self.text(_legend(layer), "soft"),
        ]
        if layer.shown.kind is MapKind.SCORE:
            strip = overlay.palette(MapKind.SCORE)[np.arange(2, 256)][None]
            words.insert(1, _image(np.repeat(strip, 14, axis=0), (60 * _MM, 4 * _MM)))
        return Table(
            [[image, words]],
            colWidths=[_MAP[0] + 4 * _MM, _WIDTH - _MAP[0] - 4 * _MM],
            style=[("VALIGN", (0, 0), (-1, -1), "TOP"), ("LEFTPADDING", (0, 0), (0, -1), 0)],
            hAlign="LEFT",
        )

    def unsaid(self) -> Iterator[Flowable]:
        yield self.heading("What could not be said, and why")
        for subject, why in wording.unsaid(self.report, self.exhibit.titles):
            yield self.text(f"{subject} {why}", lead=subject)

    def children(self) -> Iterator[Flowable]:
        if self.report.children:
            yield self.heading("Pictures found inside the file")
        for child in self.report.children:
            yield self.text(clean(child.source.name), "h2")
            yield self.text(clean(child.headline, SENTENCE))
            yield self.rows(r for r in file_rows.media_rows(child) if r[0] != "File")
            for name, what in wording.outcome_lines(child, self.exhibit.titles):
                yield self.text(f"{name}: {what}", "soft")

    def reading(self) -> Iterator[Flowable]:
        yield self.heading("How to read this")
        yield self.text(wording.RATIO)
        head = [("|log10 LR|", "Likelihood ratio", "Words used")]
        yield self.table([*head, *wording.scale_rows(self.policy)], [40, 60, 70], head=True)
        yield self.text(wording.clip_text(self.policy))
        yield self.text(wording.TEXTURE)

    def repeat(self) -> Iterator[Flowable]:
        yield self.heading("How to repeat it")
        yield self.text(wording.REPEAT)
        yield self.rows(file_rows.repeat_rows(self.report, self.command))
        yield self.text("Detectors, their versions and hashes", "h2")
        yield self.rows(file_rows.method_rows(self.report), 42)

    # --- pieces ----------------------------------------------------------------------------------

    def text(self, text: str, style: str = "body", lead: str = "") -> Flowable:
        """A paragraph; its beginning `lead` in bold."""
        from reportlab.platypus import Paragraph

        rest = text.removeprefix(lead)
        bold = f"<b>{_escaped(lead)}</b>" if lead else ""
        return Paragraph(bold + _escaped(rest), self.styles[style])

    def heading(self, title: str) -> Flowable:
        self.sections += 1
        return self.text(f"{self.sections}. {title}", "h1")

    def rows(self, rows: Iterable[tuple[str, str]], label: float = 38) -> Flowable:
        listed = list(rows) or [("None", "")]
        return self.table(listed, [label, 170 - label])

    def table(
        self, rows: Sequence[Sequence[str]], widths: Sequence[float], *, head: bool = False
    ) -> Flowable:
        from reportlab.platypus import Table

        cells = [
            [self.text(cell, "soft" if i == 0 or (head and r == 0) else "body") for i, cell in row]
            for r, row in enumerate(map(enumerate, rows))
        ]
        return Table(
            cells,
            colWidths=[w * _MM for w in widths],
            style=[
                ("VALIGN", (0, 0), (-1, -1), "TOP"),
                ("LINEBELOW", (0, 0), (-1, -1), 0.4, "#c4c9ce"),
                ("LEFTPADDING", (0, 0), (-1, -1), 0),
                ("TOPPADDING", (0, 0), (-1, -1), 2),
                ("BOTTOMPADDING", (0, 0), (-1, -1), 1),
            ],
            hAlign="LEFT",
            spaceAfter=6,
        )


def _legend(layer: Layer) -> str:
    shown = layer.shown
    hatched = " Hatched: the method cannot speak here." if shown.coverage < 1 else ""
    if shown.kind is MapKind.SCORE:
        ends = overlay.scale(shown)
        dark, pale, reach = wording.ramp_words(ends.low, ends.high, layer.unit, fixed=ends.fixed)
        return f"Scale: dark {dark} to pale {pale}, {reach}.{hatched}"
    if shown.kind is MapKind.MASK:
        found = bool((shown.values[shown.valid] > 0.5).any())
        return f"{'Coloured: region found' if found else 'No region found'}.{hatched}"
    return f"Each colour is one label.{hatched}"


def _base(exhibit: Exhibit, shape: tuple[int, int], side: int) -> Pixels:
    if exhibit.pixels is None:
        return np.full((*shape, 3), 255, np.uint8)
    return exhibit.turned(overlay.reduced(exhibit.pixels, side))


def _image(pixels: Pixels, room: tuple[float, float]) -> Flowable:
    from reportlab.platypus import Image

    height, width = pixels.shape[:2]
    factor = min(room[0] / width, room[1] / height)
    data = io.BytesIO(overlay.jpeg(pixels))
    return Image(data, width * factor, height * factor, hAlign="LEFT")


def _picture(exhibit: Exhibit) -> Flowable:
    """The picture with frames and numbers drawn over it."""
    from reportlab.graphics.shapes import Drawing, Image, Polygon, Rect, String
    from reportlab.lib.colors import HexColor, white

    assert exhibit.pixels is not None
    base = exhibit.turned(overlay.reduced(exhibit.pixels))
    height, width = base.shape[:2]
    factor = min(_PICTURE[0] / width, _PICTURE[1] / height)
    w, h = width * factor, height * factor
    drawing = Drawing(w, h, hAlign="LEFT")
    drawing.add(Image(0, 0, w, h, pillow.open(io.BytesIO(overlay.jpeg(base)))))
    tall = exhibit.shape[1] if (exhibit.orientation or 1) >= 5 else exhibit.shape[0]
    unit = h / tall
    taken: list[tuple[float, float]] = []
    for number, outline in exhibit.outlines():
        corners = [v for x, y in outline for v in (x * unit, h - y * unit)]
        for colour, stroke in ((white, 2.4), (HexColor(_MARK), 1.2)):
            drawing.add(Polygon(corners, strokeColor=colour, strokeWidth=stroke, fillColor=None))
        x, y = min(outline, key=lambda p: (p[1], p[0]))
        while any(abs(x * unit - u) < _PLATE and abs(y * unit - v) < _PLATE for u, v in taken):
            x += _PLATE / unit
        taken.append((x * unit, y * unit))
        left, top = x * unit - _PLATE / 2, min(h - y * unit + _PLATE / 2, h)
        plate = Rect(
            left, top - _PLATE, _PLATE, _PLATE, fillColor=HexColor(_MARK), strokeColor=None
        )
        drawing.add(plate)
        digit = String(left + _PLATE / 2, top - 8.5, str(number), fontSize=8, fillColor=white)
        digit.fontName, digit.textAnchor = "Helvetica-Bold", "middle"
        drawing.add(digit)
    return drawing


def _numbered(report: Report) -> Any:
    """A canvas class that writes name, hash and "page n of m" at the foot of each page."""
    from reportlab.pdfgen.canvas import Canvas

    name = latin(clean(report.source.name, 60))
    digest = clean(report.source.sha256)

    class Numbered(Canvas):  # type: ignore[misc]
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            self._pages: list[dict[str, Any]] = []

        def showPage(self) -> None:  # noqa: N802 (reportlab's name)
            self._pages.append(dict(self.__dict__))
            self._startPage()

        def save(self) -> None:
            for number, page in enumerate(self._pages, 1):
                self.__dict__.update(page)
                self.setFont("Helvetica", 7.5)
                self.setFillGray(0.35)
                self.drawString(22 * _MM, 12 * _MM, f"{name}   sha256 {digest}")
                self.drawRightString(188 * _MM, 8 * _MM, f"page {number} of {len(self._pages)}")
                super().showPage()
            super().save()

    return Numbered
