from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from importlib import import_module
from pathlib import Path

import pytest
from click.testing import CliRunner

from tellsign import __version__, registry
from tellsign.cli.detectors import listing
from tellsign.cli.main import VERBS, cli

TOY = str(Path(__file__).parent.parent / "toys" / "toy_brightness.py")


def tellsign(*arguments: str, **options: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tellsign", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, **options)  # type: ignore[call-overload,no-any-return]


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_help_and_version(verb: str) -> None:
    shown = CliRunner().invoke(cli, [verb, "--help"])
    assert shown.exit_code == 0
    assert import_module(f"tellsign.cli.{verb}").command.get_short_help_str(200) == VERBS[verb]
    version = CliRunner().invoke(cli, [verb, "--version"])
    assert version.exit_code == 0
    assert __version__ in version.output


def test_help_lists_the_verbs() -> None:
    shown = CliRunner().invoke(cli, ["--help"])
    assert all(f"  {verb}" in shown.output for verb in VERBS)


def test_an_unknown_verb_is_a_usage_error() -> None:
    assert CliRunner().invoke(cli, ["divine"]).exit_code == 2


def test_an_error_is_one_line_without_traceback() -> None:
    done = tellsign("detectors", "no\x1b[31mbody")
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith("tellsign: unknown detector")
    assert "\x1b" not in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("arguments", [["--help"], ["detectors"]])
def test_help_and_the_list_of_detectors_answer_at_once(
    arguments: list[str], tmp_path: Path
) -> None:
    """Far above the aim of 0.3 s; which modules are loaded is a test of the registry."""
    best = min(_seconds("-m", "tellsign", *arguments, compiled=tmp_path) for _ in range(3))
    numpy = min(_seconds("-c", "import numpy", compiled=tmp_path) for _ in range(3))
    assert best < 6 * numpy + 0.2


def _seconds(*arguments: str, compiled: Path) -> float:
    """Of a Python process that finds its modules compiled, but for the first."""
    kept = {"PYTHONDONTWRITEBYTECODE": "", "PYTHONPYCACHEPREFIX": str(compiled)}
    started = time.perf_counter()
    subprocess.run(
        [sys.executable, *arguments], check=True, capture_output=True, env={**os.environ, **kept}
    )
    return time.perf_counter() - started


def test_detectors_as_json_and_as_a_page() -> None:
    shown = CliRunner().invoke(cli, ["detectors", "--json", "--load-detector", TOY])
    found = {entry["name"]: entry for entry in json.loads(shown.stdout)}
    assert found["toy_brightness"]["unit"] == "grey levels"
    assert found["toy_brightness"]["default"] is True
    page = CliRunner().invoke(cli, ["detectors", "toy_brightness", "--load-detector", TOY])
    assert "## Blind spots" in page.output
    assert "`too_small`: The picture is smaller" in page.output


def test_the_list_marks_what_runs_only_when_asked_for() -> None:
    infos = registry.load([TOY]).infos()
    lines = listing(infos, [i.name for i in infos if i.name != "toy_brightness"]).splitlines()
    assert [line.split()[1] for line in lines[:-2] if line.startswith("*")] == ["toy_brightness"]
    assert lines[-1].startswith("* Adds nothing")
    assert "*" not in listing(infos, [i.name for i in infos])


def test_doctor_names_parts_and_hashes() -> None:
    shown = CliRunner().invoke(cli, ["doctor", "--json"])
    state = json.loads(shown.stdout)
    assert shown.exit_code == 0
    assert state["tellsign"] == __version__
    assert all(state["packages"].values())
    assert set(state["extras"]) == {"batch", "bench", "ray", "heif", "pdf", "train"}


def test_models_verify_notices_a_change(tmp_path: Path) -> None:
    good = CliRunner().invoke(cli, ["models", "verify"])
    assert good.exit_code == 0
    folder = tmp_path / "bad-1"
    folder.mkdir()
    (folder / "card.toml").write_text("name = 'bad'", "utf-8")
    done = tellsign("models", "verify", env={**os.environ, "TELLSIGN_ARTIFACTS": str(tmp_path)})
    assert done.returncode == 3
    assert "BAD" in done.stdout
