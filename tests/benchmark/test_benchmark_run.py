from __future__ import annotations

import io
import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from labelled import World, picture, world
from PIL import Image

from tellsign.artifacts.store import ENVIRONMENT
from tellsign.benchmark import run as running
from tellsign.benchmark import scores, scoring
from tellsign.benchmark.calibrate import MARK, fusion_card, write_artifact
from tellsign.benchmark.protocols import Protocol
from tellsign.benchmark.run import Order, run, run_audit
from tellsign.errors import InputError, UsageError
from tellsign.plan import Plan
from tellsign.types import Question

TOY = str(Path(__file__).parent.parent / "toys" / "toy_generated.py")
PROTOCOL = Protocol(
    "tiny", "conditions", "d", Question.SYNTHETIC, "train", ("raw", "web"), least_side=32
)


@pytest.fixture(scope="module")
def plan() -> Plan:
    return Plan.select(detectors=["toy_generated"], loaded=[TOY])


@pytest.fixture
def order(tmp_path: Path) -> Order:
    folder = tmp_path / "data"
    return Order(PROTOCOL, (folder,), tmp_path / "out", tmp_path / "kept", 1, "tellsign bench")


def silent(_: str) -> None:
    pass


def rows(order: Order, name: str) -> list[scores.ScoreRow]:
    return scores.read(order.out / f"{name}.scores.csv")


def meta(order: Order, name: str) -> dict[str, object]:
    found: dict[str, object] = json.loads((order.out / f"{name}.meta.json").read_text("utf-8"))
    return found


@pytest.mark.parametrize(("file", "expected"), [("m.onnx", ["gan_a"]), ("table.json", [])])
def test_groups_that_a_network_was_trained_on_are_told(
    order: Order,
    plan: Plan,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    file: str,
    expected: list[str],
) -> None:
    world(order.data[0]).write()
    card = fusion_card("2026-01-01", f"Generated pictures: gan_a 3.{MARK}pictures of gan_b", "-")
    own = replace(card, name="toy_generated", detector="toy_generated")
    write_artifact(tmp_path / "artifacts", own, {}, file)
    monkeypatch.setenv(ENVIRONMENT, str(tmp_path / "artifacts"))
    run(order, plan, silent)
    assert meta(order, "toy_generated")["learned_from"] == expected
    assert "learned_from" not in meta(order, "conclusion")


def test_a_run_writes_scores_and_meta_of_detectors_conclusion_and_baselines(
    order: Order, plan: Plan
) -> None:
    made = world(order.data[0])
    made.add("gan_a", "bad.png", b"\x89PNG\r\n\x1a\nbroken", label="synthetic")
    made.add("gan_a", "blue.png", blue(), label="synthetic")
    made.write()
    said: list[str] = []
    run(order, plan, said.append)
    assert {p.name.split(".")[0] for p in order.out.iterdir()} == {
        *("zero_pixel", "zero_pixel_no_bytes", "content_16x16", "toy_generated", "conclusion")
    }
    found = rows(order, "toy_generated")
    assert len(found) == 2 * 38
    assert {r.dataset for r in found} == {"tiny/photo"}
    bad = [r for r in found if r.key == "bad.png"]
    assert [(r.status, r.code) for r in bad] == [("failed", "MalformedMedia")] * 2
    mute = [r for r in found if r.key == "blue.png"]
    assert [(r.status, r.code) for r in mute] == [("abstained", "blue")] * 2
    assert all(r.status == "ok" for r in found if r.key not in ("bad.png", "blue.png"))
    told = meta(order, "toy_generated")
    assert told["coverage"] == {
        "raw": pytest.approx(36 / 38, abs=1e-4),
        "web": pytest.approx(36 / 38, abs=1e-4),
    }
    assert told["plan"] == plan.digest
    assert {"version", "artifact", "protocol", "seed", "tool", "command", "seconds"} <= set(told)
    assert {r.status for r in rows(order, "conclusion")} == {"abstained", "failed"}
    audited = [n for n, line in enumerate(said) if line.startswith("audit")]
    examined = [n for n, line in enumerate(said) if line.startswith("examined")]
    assert max(audited) < min(examined)  # the audit comes first


def blue() -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (96, 96), (20, 30, 220)).save(buffer, "PNG")
    return buffer.getvalue()


def test_format_and_shape_leak_raw_but_not_once_matched(order: Order) -> None:
    from tellsign.benchmark.summary import summarise

    world(order.data[0], each=12).write()
    run_audit(order, silent)
    assert not (order.out / "toy_generated.scores.csv").exists()
    found = summarise(rows(order, "zero_pixel_no_bytes"))
    area = {f.condition: f.interval.value for f in found if (f.metric, f.group) == ("auc", "")}
    assert area["raw"] > 0.95
    assert 0.25 < area["web"] < 0.75


def test_a_second_run_does_nothing_again_and_gives_the_same_scores(
    order: Order, plan: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    world(order.data[0], each=2).write()
    run(order, plan, silent)
    first = rows(order, "toy_generated")

    def never(_: object) -> None:
        raise AssertionError("done twice")

    monkeypatch.setattr(scoring, "score", never)
    monkeypatch.setattr(running.prepare, "prepare", never)
    monkeypatch.setattr(running.prepare, "fingerprint", never)
    run(order, plan, silent)
    assert rows(order, "toy_generated") == first


def test_an_interrupted_run_goes_on_where_it_stopped(
    order: Order, plan: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    world(order.data[0], each=2).write()
    done: list[str] = []
    whole: Callable[[scoring.Task], scoring.Scored] = scoring.score

    def stops(task: scoring.Task) -> scoring.Scored:
        if len(done) == 5:
            raise KeyboardInterrupt
        done.append(task.sha256)
        return whole(task)

    monkeypatch.setattr(scoring, "score", stops)
    with pytest.raises(KeyboardInterrupt):
        run(order, plan, silent)
    assert not (order.out / "toy_generated.scores.csv").exists()
    done.clear()
    monkeypatch.setattr(scoring, "score", lambda t: done.append(t.sha256) or whole(t))
    run(order, plan, silent)
    assert len(done) == 24 - 5


def test_what_was_missing_for_a_moment_is_tried_again(order: Order, plan: Plan) -> None:
    world(order.data[0], each=1).write()
    path = next(order.data[0].rglob("*.png"))
    aside = path.with_suffix(".aside")
    path.rename(aside)
    run(order, plan, silent)
    assert "UnreadableSource" in {r.code for r in rows(order, "toy_generated")}
    aside.rename(path)
    run(order, plan, silent)
    assert {r.status for r in rows(order, "toy_generated")} == {"ok"}


def test_near_duplicates_of_two_groups_are_counted_once(order: Order) -> None:
    made = World(order.data[0])
    for group, kind in (("gan_a", "PNG"), ("gan_b", "BMP")):
        made.add(group, "same", picture(1, 0, (80, 80), kind), label="synthetic")
    made.add("cam_a", "other", picture(2, 0), label="pristine")
    made.write()
    run_audit(order, silent)
    assert meta(order, "zero_pixel")["left_out"] == {"near duplicate": 1}


def test_a_laundered_file_that_changed_is_a_failure(order: Order, plan: Plan) -> None:
    world(order.data[0], each=1).write()
    run_audit(order, silent)
    for path in (order.runs / "laundered").rglob("*"):
        if path.is_file():
            path.write_bytes(picture(77, 0))
    run(order, plan, silent)
    status = {r.condition: r.status for r in rows(order, "toy_generated")}
    assert status == {"raw": "ok", "web": "failed"}
    shutil.rmtree(order.runs / "laundered")
    run(order, plan, silent)
    assert {r.status for r in rows(order, "toy_generated")} == {"ok"}


def test_thresholds_come_from_a_run_on_train(order: Order, plan: Plan) -> None:
    made = world(order.data[0])
    for n in range(3):
        made.add("gan_t", f"{n}.png", picture(300 + n, 60), label="synthetic", split="devtest")
        made.add("cam_t", f"{n}.png", picture(400 + n, 0), label="pristine", split="devtest")
    made.write()
    run(order, plan, silent)
    chosen = meta(order, "toy_generated")["thresholds"]
    assert isinstance(chosen, dict)
    assert 110 < chosen["raw"] < 170
    test = replace(
        order,
        protocol=replace(PROTOCOL, split="devtest"),
        out=order.out.parent / "test",
        thresholds=order.out,
    )
    run(test, plan, silent)
    told = meta(test, "toy_generated")
    assert told["thresholds_used"] == chosen
    assert told["thresholds_from"] == "out"
    assert "thresholds" not in told
    with pytest.raises(UsageError, match="devtest run must not"):
        run(replace(order, thresholds=test.out), plan, silent)


def test_what_makes_a_run_impossible_is_said_before_any_work(order: Order, plan: Plan) -> None:
    world(order.data[0], each=1).write()
    other = replace(PROTOCOL, question=Question.MANIPULATED)
    with pytest.raises(UsageError, match="no detector asks"):
        run(replace(order, protocol=other), plan, silent)
    empty = order.out.parent / "empty"
    empty.mkdir()
    with pytest.raises(UsageError, match="no run there"):
        run(replace(order, thresholds=empty), plan, silent)
    (empty / "x.meta.json").write_text("{}", "utf-8")
    with pytest.raises(InputError, match="not a meta file"):
        run(replace(order, thresholds=empty), plan, silent)
    order.out.write_text("a file", "utf-8")
    with pytest.raises(UsageError, match="file exists"):
        run(order, plan, silent)
