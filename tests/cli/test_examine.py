from __future__ import annotations

import io
import json
import subprocess
import sys
from pathlib import Path

import jsonschema
import numpy as np
import pytest

from tellsign.report.report import schema


def examine(*arguments: str, data: bytes | None = None) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-m", "tellsign", "examine", *arguments]
    return subprocess.run(command, input=data, capture_output=True, check=False, timeout=120)


@pytest.fixture
def picture(tmp_path: Path, photo_jpeg: bytes) -> Path:
    path = tmp_path / "photo.jpg"
    path.write_bytes(photo_jpeg)
    return path


def without_times(text: bytes) -> dict[str, object]:
    report: dict[str, object] = json.loads(text)
    for key in ("created", "timings"):
        del report[key]
    del report["source"]["name"]  # type: ignore[attr-defined]
    return report


def test_json_follows_the_schema(picture: Path) -> None:
    done = examine(str(picture), "--json")
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    jsonschema.validate(report, schema())
    assert report["source"]["name"] == str(picture)
    assert {c["question"] for c in report["conclusions"]} == {"synthetic", "manipulated", "face"}


def test_standard_input_gives_the_same_report(picture: Path, photo_jpeg: bytes) -> None:
    by_path = examine(str(picture), "--json")
    by_stream = examine("-", "--json", data=photo_jpeg)
    assert without_times(by_path.stdout) == without_times(by_stream.stdout)


def test_several_sources_give_one_line_each(picture: Path) -> None:
    done = examine(str(picture), str(picture), "--json")
    lines = done.stdout.splitlines()
    assert len(lines) == 2
    assert without_times(lines[0]) == without_times(lines[1])


def test_the_terminal_report_opens_with_the_headline(picture: Path) -> None:
    done = examine(str(picture))
    as_json = json.loads(examine(str(picture), "--json").stdout)
    shown = " ".join(done.stdout.decode().split())
    assert as_json["headline"].split(".")[0][:40] in shown
    assert done.stderr == b""


def test_a_selection_is_what_runs(picture: Path) -> None:
    done = examine(str(picture), "--json", "--detector", "jpeg_grid_zero")
    assert [o["detector"] for o in json.loads(done.stdout)["outcomes"]] == ["jpeg_grid_zero"]
    done = examine(str(picture), "--json", "--question", "processed")
    report = json.loads(done.stdout)
    assert {o["question"] for o in report["outcomes"]} == {"processed"}
    assert report["conclusions"] == []


def test_renderings_are_written(picture: Path, tmp_path: Path) -> None:
    page, maps = tmp_path / "report.html", tmp_path / "out"
    done = examine(str(picture), "--json", "--html", str(page), "--maps", str(maps))
    assert done.returncode == 0, done.stderr
    text = page.read_text("utf-8")
    assert text.lower().startswith("<!doctype html>")
    assert "http-equiv" in text
    report = json.loads(done.stdout)
    named = [m["file"] for o in report["outcomes"] for m in o["maps"]]
    assert named
    for file in named:
        with np.load(io.BytesIO((maps / file).read_bytes()), allow_pickle=False) as arrays:
            assert arrays["values"].shape == arrays["valid"].shape


def test_the_document_is_a_pdf(picture: Path, tmp_path: Path) -> None:
    pytest.importorskip("reportlab", reason="the extra tellsign[pdf] is not installed")
    target = tmp_path / "report.pdf"
    done = examine(str(picture), "--pdf", str(target))
    assert done.returncode == 0, done.stderr
    assert target.read_bytes().startswith(b"%PDF")


def test_several_sources_need_a_folder(picture: Path, tmp_path: Path) -> None:
    folder = tmp_path / "pages"
    done = examine(str(picture), str(picture), "--html", str(folder))
    assert done.returncode == 0, done.stderr
    assert len(list(folder.glob("*.html"))) == 2


def test_one_bad_source_does_not_stop_the_others(picture: Path, tmp_path: Path) -> None:
    done = examine(str(tmp_path / "nowhere.jpg"), str(picture), "--json")
    assert done.returncode == 3
    first, second = (json.loads(line) for line in done.stdout.splitlines())
    assert first["media"] is None
    assert first["outcomes"]
    assert {o["kind"] for o in first["outcomes"]} == {"failure"}
    assert second["media"]["format"] == "jpeg"
    assert done.stderr.count(b"\n") == 1
    jsonschema.validate(first, schema())


@pytest.mark.parametrize(
    "options",
    [
        ["--detector", "nobody"],
        ["--question", "guilt"],
        ["--policy", "nowhere.toml"],
        ["--load-detector", "nowhere.py"],
        ["--divine"],
    ],
)
def test_wrong_usage_examines_nothing(picture: Path, options: list[str]) -> None:
    done = examine(str(picture), "--json", *options)
    assert done.returncode == 2
    assert done.stdout == b""
    assert b"Traceback" not in done.stderr
