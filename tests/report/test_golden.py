"""Whole reports as users get them. `scripts/test --regenerate` rewrites them; read the diff."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from report_examples import BLIND_SPOTS, TITLES, picture
from rich.console import Console

from tellsign import __version__
from tellsign.report import html, terminal
from tellsign.report.report import to_dict
from tellsign.types import Report

GOLDEN = Path(__file__).parent / "golden"
Named = tuple[str, Callable[[], Report]]


def compare(file: str, shown: str, regenerate: bool) -> None:
    """Equal to the golden file, versions and encoded pictures aside."""
    shown = shown.replace(f"tellsign {__version__}", "tellsign VERSION")
    shown = shown.replace(f"version {__version__}", "version VERSION")
    shown = re.sub(r"data:image/(\w+);base64,[A-Za-z0-9+/=]+", r"data:image/\1;base64,...", shown)
    path = GOLDEN / file
    if regenerate:
        path.parent.mkdir(exist_ok=True)
        path.write_text(shown, "utf-8")
    if not path.is_file():
        pytest.fail(f"no golden file {file}: make it with TELLSIGN_REGENERATE=1, then read it")
    assert shown == path.read_text("utf-8")


def test_json(named_example: Named, regenerate: bool) -> None:
    name, make = named_example
    d = to_dict(make())
    for part in (d, *d["children"]):
        part["tool"]["version"] = "VERSION"
    compare(f"{name}.json", json.dumps(d, indent=1) + "\n", regenerate)


def test_text(named_example: Named, regenerate: bool) -> None:
    name, make = named_example
    out = io.StringIO()
    terminal.render(make(), Console(file=out, width=80), BLIND_SPOTS, titles=TITLES)
    compare(f"{name}.txt", out.getvalue(), regenerate)


def test_html(named_example: Named, regenerate: bool) -> None:
    name, make = named_example
    report = make()
    pixels = picture() if report.media else None
    page = html.render(report, pixels, None, BLIND_SPOTS, titles=TITLES)
    body = page[page.index("<body>") : page.index("<script>")]
    compare(f"{name}.html", re.sub(r"(?=<(?:div|p|dl|dt|li|tr|h\d)\b)", "\n", body), regenerate)
