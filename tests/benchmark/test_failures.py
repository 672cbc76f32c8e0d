from __future__ import annotations

import base64
import importlib.machinery
import importlib.util
import io
import re
from pathlib import Path

import click.testing
import pytest
import score_files
from labelled import World, picture
from PIL import Image

import tellsign.benchmark.failures as module
from tellsign.benchmark import protocols, tables
from tellsign.benchmark.failures import (
    LISTED,
    PER_GROUP,
    SIDE,
    contact_sheet,
    failures,
    thumbnails,
)
from tellsign.benchmark.kept import Kept
from tellsign.benchmark.run import CONCLUSION, Order, lay_out
from tellsign.benchmark.scores import ScoreRow, Status
from tellsign.benchmark.tables import Run
from tellsign.types import Source

SCRIPT = Path(__file__).resolve().parents[2] / "scripts/can_and_cannot"


def row(key: str, label: int, ratio: float | None, **given: str) -> ScoreRow:
    group, condition = given.get("group", "g"), given.get("condition", "norm")
    status: Status = "abstained" if ratio is None else "ok"
    return ScoreRow("toy/photo", key, group, condition, label, ratio, ratio, status, "")


def run_of(*rows: ScoreRow) -> Run:
    meta = {"moderate": 1.0, "settings": score_files.SETTINGS, "protocol": "toy"}
    return Run(CONCLUSION, meta, rows, ())


def test_a_picture_stands_once_in_its_worst_condition() -> None:
    found = failures(
        run_of(
            row("a", 0, 0.4), row("a", 0, 1.4, condition="web"),
            row("a", 0, None, condition="hard"),
            row("b", 0, 2.0), row("c", 0, -1.0),
            row("d", 1, -0.2), row("e", 1, -1.0), row("f", 1, 2.0), row("h", 1, 0.0),
        )
    )  # fmt: skip
    assert [(f.key, f.condition, f.ratio) for f in found.accused] == [
        ("b", "norm", 2.0),
        ("a", "web", 1.4),
    ]
    assert [(f.key, f.ratio) for f in found.cleared] == [("e", -1.0), ("d", -0.2)]
    assert (found.accused_pictures, found.pristine) == (2, 3)
    assert (found.cleared_pictures, found.generated) == (1, 4)


def test_one_group_cannot_fill_the_list() -> None:
    bad = [row(f"{n:03}", 0, 3.0, group="bad") for n in range(50)]
    others = [row("x", 0, 0.5, group=f"g{n}") for n in range(50)]
    found = failures(run_of(*bad, *others))
    assert len(found.accused) == LISTED
    assert sum(f.group == "bad" for f in found.accused) == PER_GROUP
    assert found.accused_pictures == 50


# --- the contact sheet ---


@pytest.fixture
def world(tmp_path: Path) -> World:
    """One picture of each label is wrong; its name is markup."""
    made = World(tmp_path / "data")
    for n in range(2):
        made.add("gan", f"{n}.png", picture(n, 25.0, (400, 400)), label="synthetic")
        data = picture(10 + n, 0.0, (300, 400), "JPEG")
        made.add("cam", f"{n}<b>.jpg", data, label="pristine", question="CAMERA")
    made.write()
    return made


def of_world(folder: Path, condition: str, *extra: ScoreRow, sizes: str = "own") -> Run:
    wrong = {"gan": -2.0, "cam": 2.0}
    names = (
        ("gan", "0.png", 1),
        ("gan", "1.png", 1),
        ("cam", "0<b>.jpg", 0),
        ("cam", "1<b>.jpg", 0),
    )
    rows = [
        row(key, label, wrong[group] * (1 if key[0] == "0" else -1), group=group,
            condition=condition)
        for group, key, label in names
    ]  # fmt: skip
    settings = {"conditions": [condition], "sizes": sizes}
    (run,) = tables.load(score_files.write(folder, {CONCLUSION: [*rows, *extra]}, **settings))
    return run


def opened(url: str | None) -> Image.Image:
    assert url is not None
    head, data = url.split(",")
    assert head == "data:image/jpeg;base64"
    return Image.open(io.BytesIO(base64.b64decode(data)))


def test_pictures_are_shown_as_they_were_examined(world: World, tmp_path: Path) -> None:
    run = of_world(tmp_path / "run", "crop-0.5")
    found = failures(run)
    wanted = (*found.accused, *found.cleared)
    assert [f.key for f in wanted] == ["0<b>.jpg", "0.png"]
    shown = thumbnails(run, wanted, [world.folder])
    sizes = {i[2]: opened(url).size for i, (url, _) in shown.items()}
    assert sizes == {"0<b>.jpg": (200, 150), "0.png": (200, 200)}
    assert {note for _, note in shown.values()} == {"as it was examined"}


def test_matched_sizes_are_those_of_the_run(world: World, tmp_path: Path) -> None:
    run = of_world(tmp_path / "run", "web", sizes="matched")
    shown = thumbnails(run, failures(run).cleared, [world.folder])
    ((url, note),) = shown.values()
    assert note == "as it was examined"
    assert opened(url).size == (SIDE, 180)  # a 300 x 400 window of the square, shrunk


def test_they_are_laundered_as_a_run_launders_them(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = of_world(tmp_path / "run", "norm", sizes="matched")
    protocol = protocols.from_mapping(run.meta["settings"], "toy")
    order = Order(protocol, (world.folder,), tmp_path / "out", tmp_path / "runs", 1, "")
    kept = Kept(order.runs)
    try:
        pictures = lay_out(order, kept, lambda _: None)
    finally:
        kept.close()
    examined = {
        pictures.items[n].key: prepared["sha256"] for (n, _), prepared in pictures.prepared.items()
    }
    shown: list[Source] = []

    def note(source: Source) -> str:
        shown.append(source)
        return "data:"

    monkeypatch.setattr(module, "_thumbnail", note)
    found = failures(run)
    wanted = (*found.accused, *found.cleared)
    thumbnails(run, wanted, [world.folder])
    assert [s.sha256 for s in shown] == [examined[f.key] for f in wanted]


def test_without_all_pictures_of_the_run_files_are_shown_as_they_are(
    world: World, tmp_path: Path
) -> None:
    gone = row("gone.png", 1, -3.0, group="gan", condition="crop-0.5")
    run = of_world(tmp_path / "run", "crop-0.5", gone)
    shown = thumbnails(run, failures(run).cleared, [world.folder])
    told = {identity[2]: (url, note) for identity, (url, note) in shown.items()}
    assert told["gone.png"] == (None, "not in the data given")
    assert told["0.png"][1] == "as it lies in the data"
    assert opened(told["0.png"][0]).size == (SIDE, SIDE)


def test_the_sheet_escapes_names_and_loads_nothing(world: World, tmp_path: Path) -> None:
    html = contact_sheet([of_world(tmp_path / "run", "raw")], [world.folder])
    assert "<b>" not in html
    assert "0&lt;b&gt;.jpg" in html
    assert html.count("<img ") == 2
    assert not re.search(r"https?://|<script|<link", html)
    assert "default-src &#x27;none&#x27;" in html


def test_a_file_that_cannot_be_read_leaves_a_gap(world: World, tmp_path: Path) -> None:
    run = of_world(tmp_path / "run", "crop-0.5")
    (world.folder / "gan/0.png").write_bytes(b"no picture")
    html = contact_sheet([run], [world.folder])
    assert html.count("<img ") == 1
    assert "no picture" in html


# --- the command ---


@pytest.fixture(scope="module")
def script() -> click.Command:
    loader = importlib.machinery.SourceFileLoader("can_and_cannot", str(SCRIPT))
    spec = importlib.util.spec_from_loader("can_and_cannot", loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    command: click.Command = module.main
    return command


def test_the_command_writes_the_page_and_the_sheet(
    script: click.Command, world: World, tmp_path: Path
) -> None:
    of_world(tmp_path / "run", "raw")
    out, sheets = tmp_path / "page.md", tmp_path / "sheets"
    arguments = [tmp_path / "run", "--out", out, "--failures", sheets, "--data", world.folder]
    result = click.testing.CliRunner().invoke(script, [str(a) for a in arguments])
    assert result.exit_code == 0, result.output
    page = out.read_text("utf-8")
    assert page.endswith("    tellsign bench run toy\n    scripts/can_and_cannot run\n")
    assert str(tmp_path) not in page
    assert "<img " in (sheets / "failures.html").read_text("utf-8")


def test_the_command_says_what_is_wrong(script: click.Command, tmp_path: Path) -> None:
    runner = click.testing.CliRunner()
    out = ["--out", str(tmp_path / "page.md")]
    result = runner.invoke(script, [str(tmp_path), *out, "--data", str(tmp_path)])
    assert result.exit_code == 2
    assert "--data needs --failures" in result.output
    result = runner.invoke(script, [str(tmp_path), *out])
    assert result.exit_code == 1
    assert "no score files" in result.output
    assert not (tmp_path / "page.md").exists()
