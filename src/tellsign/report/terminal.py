"""A report for the terminal: readable at 80 columns, without colour, and in a pipe."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from itertools import groupby
from typing import TYPE_CHECKING, Final

from tellsign.report import file_rows, wording
from tellsign.report.report import SENTENCE
from tellsign.report.text import clean
from tellsign.types import CONCLUDED, Evidence, Report, Support

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.text import Text

_NOTHING: Final[Mapping[str, str]] = {}
_WIDEST: Final = 100  # columns; longer lines are hard to read
_HASH: Final = 64  # hexadecimal digits of a sha256
_QUOTE: Final = 200  # characters of a claim's text; the JSON and the page have all of it
_STYLES: Final = {
    "invalid": "bold red",
    "valid": "cyan",
    "trusted": "green",
    "absent": "default",
    "not read": "default",
}


def render(
    report: Report,
    console: Console,
    blind_spots: Mapping[str, str] = _NOTHING,
    *,
    titles: Mapping[str, str] = _NOTHING,
) -> None:
    """Print `report` to a rich console.

    Nothing from a file is taken as rich markup, and characters that the console's encoding lacks
    are replaced. `blind_spots` and `titles` are sections of the detectors' documentation, by name.
    """
    blocks: list[RenderableType] = [
        _headline(report),
        _file(report),
        _provenance(report),
        *_questions(report, blind_spots, titles),
        *_unsaid(report, titles),
        *_children(report),
        *_repeat(report),
    ]
    width = min(console.width, _WIDEST)
    with console.capture() as capture:
        for block in blocks:
            console.print(block, width=width, crop=False)
            console.print()
    console.file.write(_fit_for(console, capture.get()))


def _fit_for(console: Console, printed: str) -> str:
    """Without characters that the encoding lacks and, in a pipe, without blanks at line ends."""
    shown = printed.encode(console.encoding, "replace").decode(console.encoding)
    if console.is_terminal:
        return shown
    return "".join(f"{line.rstrip()}\n" for line in shown.splitlines())


def _text(*parts: str | tuple[str, str]) -> Text:
    """Literal text; a pair is (text, style)."""
    from rich.text import Text

    return Text.assemble(*parts)


def _headline(report: Report) -> RenderableType:
    from rich.panel import Panel

    return Panel(
        _text((clean(report.headline, SENTENCE), "bold")), title="tellsign", padding=(0, 1)
    )


def _short(value: str) -> str:
    """Hashes by their beginning, except a value that is nothing else; the JSON has all of them."""
    return (
        value if len(value) == _HASH else re.sub(r"\b([0-9a-f]{16})[0-9a-f]{48}\b", r"\1…", value)
    )


def _rows(rows: Iterator[tuple[str, str]], indent: int = 0) -> RenderableType:
    from rich.padding import Padding
    from rich.table import Table

    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    for label, value in rows:
        table.add_row(_text(label), _text(clean(_short(value), _QUOTE)))
    return Padding(table, (0, 0, 0, indent))


def _file(report: Report) -> RenderableType:
    return _rows(file_rows.media_rows(report))


def _provenance(report: Report) -> RenderableType:
    from rich.console import Group
    from rich.panel import Panel

    claims = report.provenance
    state = wording.provenance_state(report)
    parts: list[RenderableType] = [_text(wording.provenance_text(report))]
    rows = list(wording.provenance_rows(claims))
    if rows:
        parts.append(_rows(iter(rows)))
    for (kind, code), same in groupby(claims.status, lambda s: (s.kind, clean(s.code))):
        style = "red" if kind == "failure" else "default"
        times = len(list(same))
        parts.append(_text(f"{kind:<13} ", (code, style), f" ({times} times)" if times > 1 else ""))
    title = _text("Provenance: ", (state, _STYLES[state]))
    return Panel(Group(*parts), title=title, title_align="left", padding=(0, 1))


def _questions(
    report: Report, blind_spots: Mapping[str, str], titles: Mapping[str, str]
) -> Iterator[RenderableType]:
    from rich.console import Group

    yield _text(wording.counts_text(report))
    for section in wording.sections(report):
        parts: list[RenderableType] = [_text((section.title.upper(), "bold"))]
        for conclusion in section.conclusions:
            style = "default" if conclusion.support is Support.NONE else "bold yellow"
            parts.append(_text((clean(conclusion.text, SENTENCE), style)))
        if not section.conclusions:
            parts.append(_text((wording.HISTORY, "dim")))
        for evidence in section.evidence:
            parts.append(_evidence(report, evidence, blind_spots, titles))
        for name, why in wording.refusals(section, titles):
            parts.append(_item("-", _text((name, "bold"), f": {why}")))
        yield Group(*parts)


def _evidence(
    report: Report, evidence: Evidence, blind_spots: Mapping[str, str], titles: Mapping[str, str]
) -> RenderableType:
    from rich.console import Group

    calibrated = report.calibrated.get(evidence.origin.detector)
    name = wording.detector_name(evidence.origin.detector, titles)
    lines: list[RenderableType] = [_text((name, "bold")), _text(wording.score_text(evidence))]
    if calibrated or evidence.question in CONCLUDED:
        lines.append(_text(wording.llr_text(calibrated)))
    if evidence.origin.detector in wording.left_out(report):
        lines.append(_text(wording.LEFT_OUT))
    for finding in evidence.findings:
        details = wording.finding_details(finding)
        found = _text(wording.finding_text(finding), (f"\n{details}" if details else "", "dim"))
        lines.append(_item("-", found))
    limits = wording.limits_text(evidence, blind_spots)
    if limits:
        lines.append(_text(limits))
    return _item("*", Group(*lines))


def _item(mark: str, body: RenderableType) -> RenderableType:
    from rich.table import Table

    table = Table.grid(padding=(0, 1))
    table.add_column(width=2, justify="right")
    table.add_column(overflow="fold")
    table.add_row(_text(mark), body)
    return table


def _unsaid(report: Report, titles: Mapping[str, str]) -> Iterator[RenderableType]:
    from rich.console import Group

    lines = list(wording.open_questions(report))
    if lines:
        items = (_item("-", _text((subject, "bold"), f" {why}")) for subject, why in lines)
        yield Group(_text(("WHAT COULD NOT BE SAID", "bold")), *items)


def _children(report: Report) -> Iterator[RenderableType]:
    from rich.console import Group

    if report.children:
        items = (
            _item("-", _text((clean(c.source.name), "bold"), f": {clean(c.headline, SENTENCE)}"))
            for c in report.children
        )
        yield Group(_text(("PICTURES FOUND INSIDE THE FILE", "bold")), *items)


def _repeat(report: Report) -> Iterator[RenderableType]:
    rows = (
        r for r in file_rows.repeat_rows(report, None) if r[0] in ("Version", "Plan", "Examined")
    )
    yield _rows(rows)
