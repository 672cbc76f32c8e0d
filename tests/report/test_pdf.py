from __future__ import annotations

import sys
from dataclasses import replace

import numpy as np
import pytest
from report_examples import BLIND_SPOTS, TITLES, picture, score_map, spliced

from tellsign.errors import MissingExtra
from tellsign.report import pdf
from tellsign.types import Evidence, Finding, MapKind, Report

pytest.importorskip("reportlab")


def rendered(report: Report, **options: object) -> bytes:
    pixels = picture() if report.media else None
    return pdf.render(report, pixels, BLIND_SPOTS, titles=TITLES, **options)  # type: ignore[arg-type]


def words(report: Report, monkeypatch: pytest.MonkeyPatch, **options: object) -> str:
    """All text set in the document, in order, as it is handed to the paragraphs."""
    said: list[str] = []
    build = pdf._Parts.text

    def listen(self: pdf._Parts, text: str, style: str = "body", lead: str = "") -> object:
        said.append(text)
        return build(self, text, style, lead)

    monkeypatch.setattr(pdf._Parts, "text", listen)
    rendered(report, **options)
    return "\n".join(said)


def test_a_document(example: Report) -> None:
    document = rendered(example)
    assert document.startswith(b"%PDF-")
    assert document.rstrip().endswith(b"%%EOF")


def test_the_same_report_gives_the_same_bytes() -> None:
    assert rendered(spliced()) == rendered(spliced())


def test_the_sections_of_a_court_file(monkeypatch: pytest.MonkeyPatch) -> None:
    said = words(spliced(), monkeypatch, command="tellsign examine --pdf r.pdf press-photo.jpg")
    places = [
        said.index(expected)
        for expected in (
            spliced().headline,
            "1. Subject of the examination",
            "9b1d" * 16,
            "2. Conclusions",
            "Moderate support for alteration of part of the picture after capture",
            "3. Provenance",
            "signingCredential.untrusted: failure",
            "4. Picture",
            "5. What was tested, and what it showed",
            "[1] A region of 96 x 72 pixels carries another JPEG grid than the rest",
            "Texture in a map is not tampering.",
            "No finding. It cannot see: Copies smaller",
            "cfa: failed: LinAlgError",
            "6. What could not be said, and why",
            "7. Pictures found inside the file",
            "8. How to read this",
            "2 or more",
            "9. How to repeat it",
            "tellsign examine --pdf r.pdf press-photo.jpg",
            "sha256:" + "5f1c" * 16,
            "code sha256",
        )
    ]
    assert places == sorted(places)


def test_maps_state_scale_and_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    said = words(spliced(), monkeypatch)
    assert "nats, scale of this map alone. Hatched: the method cannot speak here." in said
    assert "Coloured: region found. Hatched" in said
    assert "Each colour is one label." in said


def test_a_fixed_scale_is_told_by_its_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    report = spliced()
    changed = replace(
        report.outcomes[0], maps=(replace(score_map(), span=(-1.0, 1.0)),), unit="log odds"
    )
    said = words(replace(report, outcomes=(changed,)), monkeypatch)
    assert "Scale: dark -1 or less to pale 1 or more (log odds), same scale in every" in said


@pytest.mark.parametrize("orientation", [1, 6])
def test_turned_and_without_a_picture(orientation: int) -> None:
    report = spliced()
    assert report.media
    turned = replace(report, media=replace(report.media, orientation=orientation))
    assert rendered(turned, upright=True).startswith(b"%PDF-")
    assert len(pdf.render(turned, None, {})) < len(rendered(turned))


def test_more_maps_than_one(monkeypatch: pytest.MonkeyPatch) -> None:
    report = spliced()
    outcome = report.outcomes[0]
    assert isinstance(outcome, Evidence)
    empty = replace(score_map(), kind=MapKind.MASK, values=np.zeros((30, 40), np.float32))
    changed = replace(outcome, maps=(score_map(), empty))
    said = words(replace(report, outcomes=(changed,)), monkeypatch)
    assert "No region found." in said


def test_a_finding_without_details(monkeypatch: pytest.MonkeyPatch) -> None:
    report = spliced()
    outcome = report.outcomes[0]
    assert isinstance(outcome, Evidence)
    bare = replace(outcome, findings=(Finding("a.b", "Something is so."),))
    said = words(replace(report, outcomes=(bare,)), monkeypatch)
    assert "Something is so (a.b).\nBlocks whose JPEG grid differs" in said


def test_letters_beyond_the_fonts_are_code_points() -> None:
    assert pdf.latin("Müller – 写真 ☂ €") == "Müller – \\u{5199}\\u{771F} \\u{2602} €"


def test_a_very_long_value_is_split_over_pages() -> None:
    report = spliced()
    long = replace(report, headline="word " * 190)
    assert rendered(long).startswith(b"%PDF-")


def test_without_reportlab_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "reportlab.platypus", None)
    with pytest.raises(MissingExtra, match=r"tellsign\[pdf\]"):
        rendered(spliced())
