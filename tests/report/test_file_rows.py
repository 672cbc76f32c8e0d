from __future__ import annotations

import inspect
import re
from dataclasses import replace

from report_examples import EXAMPLES, media, spliced

from tellsign.report import file_rows
from tellsign.types import CameraFacts, JpegFacts


def test_facts_of_the_file() -> None:
    report = spliced()
    jpeg = JpegFacts(None, "grey", True, "")
    facts = media(orientation=6, frames=4, duration=2.5, codec="av1", jpeg=jpeg, format=None)
    rows = dict(file_rows.media_rows(replace(report, media=facts)))
    assert rows["Picture"] == "UNKNOWN FORMAT, 640 x 480 pixels, RGB, 8 bits, 4 frames"
    assert rows["Duration"] == "2.5 s, codec av1"
    assert rows["JPEG"] == "quality no standard table, grey, progressive"
    assert rows["Orientation"] == "Exif 6; coordinates are of stored pixels"
    bare = dict(file_rows.media_rows(replace(report, media=media(camera=None, duration=1.0))))
    assert "Stated camera" not in bare
    assert bare["Duration"] == "1 s"
    silent = CameraFacts(None, None, None, None)
    unnamed = dict(file_rows.media_rows(replace(report, media=media(camera=silent))))
    assert "Stated camera" not in unnamed


def test_an_unhashed_source_has_no_hash_to_show() -> None:
    report = EXAMPLES["unopened"]()
    nameless = replace(report, source=replace(report.source, sha256=""))
    assert [k for k, _ in file_rows.media_rows(nameless)] == ["File", "Size"]
    assert "Input SHA-256" not in dict(file_rows.repeat_rows(nameless, None))


def test_a_name_is_quoted_for_a_shell() -> None:
    report = spliced()
    spaced = replace(report, source=replace(report.source, name="a b'c.jpg"))
    assert file_rows.command_text(spaced, None) == "tellsign examine 'a b'\"'\"'c.jpg'"
    assert file_rows.command_text(spaced, "tellsign examine x") == "tellsign examine x"


def test_what_ran_is_named_with_its_hashes() -> None:
    report = spliced()
    rows = dict(file_rows.method_rows(report))
    assert set(rows) == {o.origin.detector for o in report.outcomes}
    assert all(row.startswith("version ") for row in rows.values())
    calibrated = [rows[name] for name in report.calibrated]
    assert calibrated
    assert all("calibration " in row for row in calibrated)


def test_the_rows_call_nothing_real_or_fake() -> None:
    said = re.findall(r'"([^"\n]*)"', inspect.getsource(file_rows))
    assert len(said) > 20
    assert not [s for s in said if re.search(r"\b(authentic|real|genuine|original|fake)", s, re.I)]
