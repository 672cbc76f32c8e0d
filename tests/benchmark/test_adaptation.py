from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from tellsign.artifacts.store import Artifact
from tellsign.benchmark import adaptation, protocols
from tellsign.benchmark.datasets import Choice, Item, choose
from tellsign.cli.main import cli
from tellsign.errors import InputError, UsageError
from tellsign.plan import Plan
from tellsign.types import Question

sys.path.insert(0, str(Path(__file__).parent.parent / "training"))

from banded_pictures import pictures, read_bands  # noqa: E402
from labelled import World  # noqa: E402
from toy_probe import artifact  # noqa: E402

PROTOCOL = protocols.parse(
    'kind = "adaptation"\ndescription = "d"\nquestion = "synthetic"\nsplit = "train"\n'
    'conditions = ["norm"]\n',
    "toy",
)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    return artifact(tmp_path_factory.mktemp("base"), more={"model.onnx": b"stands for a network"})


@pytest.fixture(scope="module")
def items(tmp_path_factory: pytest.TempPathFactory) -> tuple[Item, ...]:
    made = World(tmp_path_factory.mktemp("data"))
    for group, seed, count in (("gan", 1, 24), ("rare", 2, 19), ("cam_a", 3, 12), ("cam_b", 4, 12)):
        generated = group in ("gan", "rare")
        for n, source in enumerate(pictures(seed, count, generated=generated)):
            label = "synthetic" if generated else "pristine"
            made.add(group, f"{n}.png", source.open().read(), label=label)
    return choose([made.write()], Choice(Question.SYNTHETIC, "train")).items


@pytest.fixture(scope="module")
def steps(base: Artifact, items: tuple[Item, ...]) -> list[adaptation.Step]:
    return adaptation.curves(base, items, PROTOCOL, embed=read_bands, sizes=(10, 20), rounds=1)


def test_a_curve_rises_from_what_is_installed(steps: list[adaptation.Step]) -> None:
    assert [(s.group, s.examples) for s in steps] == [("gan", 0), ("gan", 10)]
    assert steps[1].auc > steps[0].auc
    assert (steps[0].n_for, steps[0].n_against) == (12, 12)
    assert steps[0].condition == "norm"


def test_generators_with_too_few_pictures_give_no_curve(steps: list[adaptation.Step]) -> None:
    assert {s.group for s in steps} == {"gan"}


def test_sources_of_photographs_are_never_on_both_sides(items: tuple[Item, ...]) -> None:
    known, unknown = adaptation._split_sources([i for i in items if i.label == 0], 0)
    assert {i.group for i in known}.isdisjoint({i.group for i in unknown})
    with pytest.raises(UsageError, match="two sources"):
        adaptation._split_sources(known, 0)


def test_curves_are_written_and_read_back(steps: list[adaptation.Step], tmp_path: Path) -> None:
    path = tmp_path / adaptation.FILE
    adaptation.write(path, steps)
    assert adaptation.read(path) == steps
    page = adaptation.page("toy", steps, [("command", "x")])
    assert "| gan | 12 + 12 |" in page
    assert "10 examples" in page
    first = steps[0]
    assert first.tpr_low <= first.tpr <= first.tpr_high
    assert f"{first.auc:.3f} [{first.auc_low:.3f}, {first.auc_high:.3f}] / " in page
    path.write_text("detector\nx\n", "utf-8")
    with pytest.raises(InputError, match="not a file of learning curves"):
        adaptation.read(path)


def test_curves_are_drawn_with_their_intervals_and_render_gives_the_same_again(
    steps: list[adaptation.Step], tmp_path: Path
) -> None:
    pytest.importorskip("matplotlib")
    adaptation.write(tmp_path / adaptation.FILE, steps)
    meta = {"detector": "adaptation", "protocol": "toy", "settings": {"split": "train"}}
    (tmp_path / "adaptation.meta.json").write_text(json.dumps(meta), "utf-8")
    done = CliRunner().invoke(cli, ["bench", "render", str(tmp_path)], catch_exceptions=False)
    assert done.exit_code == 0
    plot = tmp_path / "plots" / "learning-embedding_probe-norm.svg"
    assert [str(tmp_path / "tables.md"), str(plot)] == done.output.split()
    drawn = plot.read_text("utf-8")
    assert ">gan</text>" in drawn.replace("\n", "")
    assert "LineCollection" in drawn  # the bars
    CliRunner().invoke(cli, ["bench", "render", str(tmp_path)], catch_exceptions=False)
    assert plot.read_text("utf-8") == drawn


def test_a_plan_without_a_head_cannot_be_adapted() -> None:
    with pytest.raises(UsageError, match="can be adapted"):
        adaptation.adaptable(Plan.select(detectors=["jpeg_grid_zero"]))
