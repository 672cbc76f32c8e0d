from __future__ import annotations

import io
from dataclasses import replace

import pytest
from report_examples import BLIND_SPOTS, EXAMPLES, TITLES, hostile, pristine, spliced
from rich.console import Console

from tellsign.report import terminal
from tellsign.types import CONCLUDED, Provenance, ProvenanceState, Report, StatusCode


def shown(report: Report, **options: object) -> str:
    out = io.StringIO()
    console = Console(file=out, **{"width": 80, **options})  # type: ignore[arg-type]
    terminal.render(report, console, BLIND_SPOTS, titles=TITLES)
    return out.getvalue()


def flat(text: str) -> str:
    return " ".join(text.replace("│", " ").split())


@pytest.mark.parametrize("width", [40, 80, 100, 200])
@pytest.mark.parametrize("name", sorted(EXAMPLES))
def test_no_line_is_wider_than_the_terminal(name: str, width: int) -> None:
    lines = shown(EXAMPLES[name](), width=width).splitlines()
    assert max(map(len, lines)) <= min(width, 100)


def test_the_headline_comes_first() -> None:
    report = spliced()
    assert flat(shown(report)[: shown(report).index("╰")]).endswith(report.headline)


def test_a_pipe_gets_no_colours_and_no_blanks_at_line_ends() -> None:
    text = shown(spliced())
    assert "\x1b" not in text
    assert not [line for line in text.splitlines() if line != line.rstrip()]
    assert "\x1b[" in shown(spliced(), force_terminal=True, color_system="standard")


def test_everything_is_said() -> None:
    report = spliced()
    said = flat(shown(report))
    for expected in (
        *(c.text for c in report.conclusions),
        "9 detectors were run: 5 gave evidence, 3 did not apply, 1 failed.",
        "JPEG grid origin from DCT zeros (ZERO) score 39.2412 decades log10 LR = 2.10 [1.60",
        "carries another JPEG grid than the rest (jpeg.grid.foreign). x 400, y 300, 96 x 72 pixels",
        "uncalibrated, not used in the conclusion",
        "No finding. It cannot see: Copies smaller than 32 pixels",
        "resampling: does not apply: Under 1 megapixel (too_small).",
        "cfa: failed: LinAlgError: singular matrix (internal).",
        "failure signingCredential.untrusted",
        "Was a face swapped or re-enacted? No conclusion: no detector could speak.",
        "press-photo.jpg: thumbnail: No conclusion on alteration",
        "9b1d" * 16,
        "Plan sha256:5f1c5f1c5f1c5f1c…",
    ):
        assert expected in said, expected


def test_a_detector_without_documentation_still_names_its_limits() -> None:
    out = io.StringIO()
    terminal.render(pristine(), Console(file=out, width=80))
    assert "No finding. What it cannot see is in its documentation." in flat(out.getvalue())
    assert "jpeg grid zero" in out.getvalue()


def test_history_is_not_called_uncalibrated() -> None:
    text = shown(spliced())
    history = text[text.index("HOW WAS THE FILE PROCESSED?") : text.index("WHAT COULD NOT")]
    assert "uncalibrated" not in history


def test_repeated_status_codes_are_counted_in_order() -> None:
    codes = ("a.match", "a.match", "b.mismatch", "a.match")
    status = tuple(StatusCode(c, "success", None) for c in codes)
    claims = Provenance(ProvenanceState.INVALID, status)
    said = flat(shown(replace(pristine(), provenance=claims)))
    assert "success a.match (2 times) success b.mismatch success a.match" in said


def test_an_encoding_without_the_characters_gets_replacements() -> None:
    raw = io.BytesIO()
    out = io.TextIOWrapper(raw, encoding="ascii", newline="")
    terminal.render(hostile("Zürich 写真"), Console(file=out, width=80))
    out.flush()
    text = raw.getvalue().decode("ascii")
    assert "Z?rich ??" in text
    assert "Provenance: valid" in text


def test_nothing_is_left_open_when_every_question_has_a_conclusion() -> None:
    report = spliced()
    answered = [replace(report.conclusions[1], question=q) for q in CONCLUDED]
    assert "WHAT COULD NOT BE SAID" not in shown(replace(report, conclusions=tuple(answered)))


def test_markup_is_text() -> None:
    text = shown(hostile("[bold]x[/bold] [link=https://evil.example]y[/link] :warning:"), width=200)
    assert "[bold]x[/bold] [link=https://evil.example]y[/link] :warning:" in text
