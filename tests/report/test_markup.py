from __future__ import annotations

from html.parser import HTMLParser

from hypothesis import given
from hypothesis import strategies as st

from tellsign.report.markup import Html, join, tag


class One(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[str] = []
        self.attributes: dict[str, str | None] = {}
        self.text = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes.update(attrs)

    def handle_data(self, data: str) -> None:
        self.text += data


def test_elements_nest_and_text_is_escaped() -> None:
    shown = tag("p", "a < b & c", tag("b", "<i>"), None)
    assert shown == "<p>a &lt; b &amp; c<b>&lt;i&gt;</b></p>"
    assert isinstance(shown, Html)


def test_attributes() -> None:
    shown = tag(
        "input", class_="x", data_map="y", checked=True, disabled=False, title=None, value=3
    )
    assert shown == '<input class="x" data-map="y" checked value="3">'


def test_strings_joined_with_markup_are_escaped() -> None:
    assert join(["<", tag("br"), ">"]) == "&lt;<br>&gt;"


@given(st.text(st.characters(exclude_categories=("Cs", "Cc"))))
def test_any_text_stays_text(text: str) -> None:
    seen = One(tag("p", text, title=text))
    assert seen.tags == ["p"]
    assert seen.text == text
    assert seen.attributes == {"title": text}
