from __future__ import annotations

import csv
import json
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from tellsign.benchmark import protocols
from tellsign.cli.main import cli

TESTS = Path(__file__).parent.parent
TOY = str(TESTS / "toys" / "toy_generated.py")
sys.path.insert(0, str(TESTS / "benchmark"))

from labelled import world  # noqa: E402

PROTOCOL = """
kind = "{kind}"
description = "a toy | with a pipe"
question = "synthetic"
split = "train"
conditions = [{conditions}]
least_side = 32
"""


def bench(*arguments: str | Path) -> Result:
    return CliRunner().invoke(cli, ["bench", *map(str, arguments)], catch_exceptions=False)


def carry_out(folder: Path, kind: str, *conditions: str) -> Path:
    data, out = folder / "data", folder / "out"
    world(data).write()
    own = folder / "toy.toml"
    quoted = ", ".join(f'"{c}"' for c in conditions)
    own.write_text(PROTOCOL.format(kind=kind, conditions=quoted), "utf-8")
    done = bench(
        *("run", own, "--data", data, "--out", out, "--runs", folder / "kept", "--workers", 1),
        *("--load-detector", TOY, "--detector", "toy_generated"),
    )
    assert done.exit_code == 0, done.output
    return out


def test_list_names_every_protocol() -> None:
    shown = bench("list")
    assert all(name in shown.output for name in protocols.names())


@pytest.mark.parametrize(
    ("given", "told"),
    [("", "tellsign"), ("fits/0", "TELLSIGN_ARTIFACTS=fits/0 tellsign"), ("/deep/0", None)],
)
def test_the_command_tells_whose_artifacts_were_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: str, told: str | None
) -> None:
    world(tmp_path / "data", each=2).write()
    own = tmp_path / "toy.toml"
    own.write_text(PROTOCOL.format(kind="conditions", conditions='"raw"'), "utf-8")
    monkeypatch.setenv("TELLSIGN_ARTIFACTS", given)
    folders = ("--data", tmp_path / "data", "--out", tmp_path / "out", "--runs", tmp_path / "kept")
    assert bench("audit", own, *folders, "--workers", 1).exit_code == 0
    meta = json.loads((tmp_path / "out" / "zero_pixel.meta.json").read_text("utf-8"))
    assert meta["command"].startswith(told or "TELLSIGN_ARTIFACTS=0 tellsign")


def test_a_run_ends_in_tables_and_render_draws_the_same_again(tmp_path: Path) -> None:
    out = carry_out(tmp_path, "conditions", "raw", "norm")
    page = (out / "tables.md").read_text("utf-8")
    assert "## Audit" in page
    assert "these leak: zero_pixel on toy/photo in raw" in page
    assert "## toy/photo, `norm`" in page
    assert "## Cost and coverage" in page
    assert "a toy \\| with a pipe" in page
    first = {p.name: p.read_bytes() for p in out.glob("*.scores.csv")}
    done = bench("render", out)
    assert done.exit_code == 0
    assert (out / "tables.md").read_text("utf-8") == page
    drawn = sorted(p.name for p in (out / "plots").iterdir())
    assert drawn == ["roc-norm.svg", "roc-raw.svg"]  # nothing is calibrated
    before = (out / "plots" / "roc-raw.svg").read_bytes()
    bench("render", out)
    assert (out / "plots" / "roc-raw.svg").read_bytes() == before
    assert {p.name: p.read_bytes() for p in out.glob("*.scores.csv")} == first


def test_metrics_are_one_a_row_with_intervals(tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    out = carry_out(tmp_path, "matrix", "raw")
    rows = parquet.read_table(out / "metrics.parquet").to_pylist()
    (area,) = [
        r for r in rows if (r["detector"], r["metric"], r["group"]) == ("toy_generated", "auc", "")
    ]
    assert 0.5 < area["ci_low"] <= area["value"] <= area["ci_high"] <= 1
    assert area["n"] == 3


def test_without_pyarrow_the_metrics_are_csv(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    out = carry_out(tmp_path, "conditions", "raw")
    with (out / "metrics.csv").open(encoding="utf-8", newline="") as stream:
        assert {"detector", "metric", "ci_low", "commit"} <= set(next(csv.DictReader(stream)))


def test_a_sweep_is_drawn_as_curves(tmp_path: Path) -> None:
    out = carry_out(tmp_path, "sweep", "jpeg-40", "jpeg-80", "blur-1")
    page = (out / "tables.md").read_text("utf-8")
    assert "mean AUC by treatment" in page
    assert bench("render", out).exit_code == 0
    drawn = sorted(p.name for p in (out / "plots").iterdir())
    assert drawn == ["sweep-blur.svg", "sweep-jpeg.svg"]


def test_plots_need_matplotlib_and_say_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from tellsign.errors import MissingExtra

    out = carry_out(tmp_path, "conditions", "raw")
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(MissingExtra, match=r"tellsign\[bench\]"):
        bench("render", out)
    assert bench("render", out, "--no-plots").exit_code == 0


def test_an_audit_alone_asks_no_detector(tmp_path: Path) -> None:
    data = tmp_path / "data"
    world(data).write()
    own = tmp_path / "toy.toml"
    own.write_text(PROTOCOL.format(kind="conditions", conditions='"web"'), "utf-8")
    done = bench(
        *("audit", own, "--data", data, "--out", tmp_path / "out", "--runs", tmp_path / "kept"),
        *("--workers", 1, "--per-group", 3),
    )
    assert done.exit_code == 0
    page = (tmp_path / "out" / "tables.md").read_text("utf-8")
    assert "| zero_pixel | toy/photo |" in page
    assert "9 pictures of 3 groups" in page
    assert "Cost" not in page


def test_a_run_that_is_not_there(tmp_path: Path) -> None:
    from tellsign.errors import InputError

    with pytest.raises(InputError, match="no score files"):
        bench("render", tmp_path)


def test_the_core_pack_runs(core: Path, tmp_path: Path) -> None:
    done = bench(
        *("run", "manipulated_samples", "--data", core, "--out", tmp_path / "out", "--workers", 1),
        *("--runs", tmp_path / "kept", "--per-group", 1, "--detector", "jpeg_grid_zero"),
    )
    assert done.exit_code == 0, done.output
    assert (tmp_path / "out" / "jpeg_grid_zero.scores.csv").is_file()
