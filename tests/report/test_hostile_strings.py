"""Nothing that somebody wrote into a file gets through as anything but text, in any rendering."""

from __future__ import annotations

import io
import json
import re
import unicodedata
from html.parser import HTMLParser
from typing import Any

import pytest
from report_examples import ATTACKS, hostile, picture
from rich.console import Console

from tellsign.report import html, terminal
from tellsign.report.report import to_dict, to_json

# All elements a page may hold; a new one is added here on purpose or not at all.
ELEMENTS = {
    *("html", "head", "meta", "title", "style", "body", "script"),
    *("header", "main", "nav", "section", "article", "footer", "div", "span", "p", "b", "a"),
    *("h1", "h2", "h3", "h4", "ul", "ol", "li", "dl", "dt", "dd", "code", "details", "summary"),
    *("table", "thead", "tbody", "tr", "th", "td", "figure", "figcaption", "img"),
    *("fieldset", "legend", "label", "input", "button"),
    *("svg", "g", "rect", "text", "line", "circle", "polygon", "path"),
}
UNSAFE = ("Cc", "Cf", "Cs", "Zl", "Zp")


class Page(HTMLParser):
    """What a browser would see: elements, their attributes, text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text.append(data)


@pytest.fixture(params=sorted(ATTACKS))
def attack(request: pytest.FixtureRequest) -> str:
    return ATTACKS[request.param]


def unsafe(text: str, allowed: str = "") -> set[str]:
    return {c for c in text if unicodedata.category(c) in UNSAFE} - set(allowed)


def strings(node: Any) -> list[str]:
    if isinstance(node, str):
        return [node]
    if isinstance(node, dict):
        return [s for k, v in node.items() for s in (k, *strings(v))]
    return [s for item in node for s in strings(item)] if isinstance(node, list) else []


def test_json(attack: str) -> None:
    report = hostile(attack)
    line = to_json(report)
    assert line.isascii()
    assert not unsafe(line)
    assert len(line) < 200_000
    for text in strings(json.loads(line)):
        assert not unsafe(text)
    assert json.loads(line) == to_dict(report)


def test_terminal(attack: str) -> None:
    out = io.StringIO()
    terminal.render(hostile(attack), Console(file=out, width=80))
    assert not unsafe(out.getvalue(), "\n")
    assert len(out.getvalue()) < 100_000
    assert max(map(len, out.getvalue().splitlines())) <= 80


def test_terminal_with_colours(attack: str) -> None:
    """The only sequences are rich's own colours: no cursor, no title, no link."""
    out = io.StringIO()
    console = Console(file=out, width=80, force_terminal=True, color_system="standard")
    terminal.render(hostile(attack), console)
    plain = re.sub(r"\x1b\[[0-9;]*m", "", out.getvalue())
    assert plain != out.getvalue()
    assert not unsafe(plain, "\n")


def test_html(attack: str) -> None:
    page = html.render(hostile(attack), picture(), None, {})
    assert not unsafe(page, "\n")
    assert len(page) < 2_000_000
    seen = Page(page)
    assert {tag for tag, _ in seen.elements} <= ELEMENTS
    assert [tag for tag, _ in seen.elements].count("script") == 1
    assert [tag for tag, _ in seen.elements].count("style") == 1
    for _, attributes in seen.elements:
        assert not [name for name in attributes if name.startswith("on") or name == "style"]


def test_the_attack_is_still_there_as_text() -> None:
    """Escaped, not silently dropped: what the file says is itself of interest."""
    page = html.render(hostile(ATTACKS["markup"]), None, None, {})
    assert ATTACKS["markup"] in "".join(Page(page).text)
    out = io.StringIO()
    terminal.render(hostile(ATTACKS["rich"]), Console(file=out, width=200))
    assert "[bold red]not markup[/bold red] :warning:" in out.getvalue()


def test_pdf(attack: str) -> None:
    pytest.importorskip("reportlab")
    from tellsign.report import pdf

    document = pdf.render(hostile(attack), None, {})
    assert document.startswith(b"%PDF-")
    assert len(document) < 1_000_000
    for active in (b"/URI", b"/JavaScript", b"/JS", b"/Launch", b"/OpenAction", b"/EmbeddedFile"):
        assert active not in document


def test_documentation_and_views_are_escaped_too() -> None:
    attack = ATTACKS["markup"]
    from report_examples import mask, pristine

    page = html.render(
        pristine(),
        picture(),
        {attack: mask()},
        {"copy_move": attack},
        titles={"jpeg_grid_zero": attack},
        command=attack,
    )
    assert {tag for tag, _ in Page(page).elements} <= ELEMENTS
    assert [tag for tag, _ in Page(page).elements].count("script") == 1
