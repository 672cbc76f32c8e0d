"""The whole command: real processes, real deaths, one table."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from tiny_pictures import CRASHING, HANGING, SLOW, TOYS, outcomes, picture, table, without_times

from tellsign.batch import table as tables
from tellsign.cli.batch import command
from tellsign.cli.main import VERBS
from tellsign.examiner import Examiner
from tellsign.media import from_path
from tellsign.plan import Plan

Batch = Callable[..., tuple[int, str]]
Start = Callable[..., "subprocess.Popen[str]"]


def slow_folder(folder: Path, count: int) -> Path:
    for shade in range(count):
        picture(folder / f"{shade:02d}.png", SLOW, shade)
    return folder


def wait_for(log: Path, lines: int, process: subprocess.Popen[str]) -> None:
    end = time.monotonic() + 60
    while time.monotonic() < end and process.poll() is None:
        if log.exists() and len(log.read_text().splitlines()) >= lines:
            return
        time.sleep(0.02)
    process.kill()
    raise AssertionError(f"the run did not get going: {process.communicate()[1]}")


def examined(log: Path) -> Counter[str]:
    return Counter(log.read_text().splitlines())


def test_the_help_line_is_the_listed_one() -> None:
    assert command.help == VERBS["batch"]


def test_rows_equal_those_of_single_examinations(tmp_path: Path, batch: Batch) -> None:
    paths = [picture(tmp_path / "in" / f"{w}.png", w) for w in (40, 64, 80)]
    names = ("toy_brightness", "toy_network", "toy_broken")
    options = [x for n in names for x in ("--load-detector", str(TOYS / f"{n}.py"))]
    options += [x for n in names for x in ("--detector", n)]
    output = tmp_path / "o.parquet"
    code, _ = batch(tmp_path / "in", "--output", output, "--workers", 2, plan=tuple(options))
    assert code == 0
    plan = Plan.select(detectors=names, loaded=[str(TOYS / f"{n}.py") for n in names])
    single = [
        {**row, "source": str(path)}
        for path in paths
        for row in tables.rows(Examiner(plan).examine(from_path(path)))
    ]
    assert without_times(table(output)) == without_times(single)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["in", "o.parquet"]


def test_broken_deadly_and_hanging_sources_cost_only_themselves(
    tmp_path: Path, batch: Batch, log: Path
) -> None:
    folder = tmp_path / "in"
    good = [str(picture(folder / f"{w}.png", w)) for w in range(110, 116)]
    deadly = [str(picture(folder / f"deadly{i}.png", CRASHING)) for i in range(2)]
    hanging = str(picture(folder / "hanging.png", HANGING))
    texts = [folder / "a.jpg", folder / "b.jpg"]
    for path in texts:
        path.write_text("no picture")
    (folder / "empty.png").touch()
    output = folder / "o.parquet"
    code, said = batch(folder, "--output", output, "--workers", 2, "--time-limit", 2)
    assert code == 3
    assert "12 sources, 6 of them could not be examined" in said
    assert "Traceback" not in said
    found = outcomes(output)
    assert [found[name]["score"] for name in good] == [110, 111, 112, 113, 114, 115]
    assert [found[name]["code"] for name in deadly] == ["crashed"] * 2
    assert found[hanging]["code"] == "time_limit"
    assert found[hanging]["sha256"] == from_path(hanging).sha256
    for path in texts:  # equal content, yet each failure names its own file
        assert found[str(path)]["text"].startswith(str(path))
        assert found[str(path)]["kind"] == "failure"
    assert found[str(folder / "empty.png")]["sha256"] is None
    counts = examined(log)
    assert counts[hanging] == 1
    assert sum(counts[name] for name in deadly) == 2  # once, and once more alone


def test_a_list_of_hostile_names(tmp_path: Path, batch: Batch) -> None:
    folder = os.fsencode(tmp_path)
    names = [folder + b"/\xff\xfe.png", folder + b"/\x1b[31mred.png", folder + b"/gone\x1b]0;x\x07"]
    data = picture(tmp_path / "p.png", 120).read_bytes()
    for name in names[:2]:
        Path(os.fsdecode(name)).write_bytes(data)
    (tmp_path / "list").write_bytes(b"\n".join(names))
    code, said = batch(tmp_path / "list", "--output", tmp_path / "o.parquet", "--workers", 1)
    assert code == 3
    assert "\x1b" not in said
    rows = list(outcomes(tmp_path / "o.parquet").values())
    assert [row["source"].removeprefix(str(tmp_path)) for row in rows] == [
        "/\ufffd\ufffd.png",
        "/red.png",
        "/gone",
    ]
    assert [row["kind"] for row in rows] == ["evidence", "evidence", "failure"]


def test_duplicates_are_examined_once(tmp_path: Path, batch: Batch, log: Path) -> None:
    for number in range(8):
        picture(tmp_path / "in" / f"{number}.png", SLOW)
    assert batch(tmp_path / "in", "--output", tmp_path / "o.parquet", "--workers", 2)[0] == 0
    assert sum(examined(log).values()) == 1
    found = outcomes(tmp_path / "o.parquet")
    assert len(found) == 8
    assert {row["score"] for row in found.values()} == {SLOW}


def test_killed_outright_and_resumed_nothing_is_lost_or_examined_again(
    tmp_path: Path, start: Start, batch: Batch, log: Path
) -> None:
    folder, output = slow_folder(tmp_path / "in", 14), tmp_path / "o.parquet"
    arguments = (folder, "--output", output, "--workers", 2)
    for lines in (5, 9):
        process = start(*arguments, "--resume")
        wait_for(log, lines, process)
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate(timeout=30)
        assert not output.exists()
    code, said = batch(*arguments)
    assert code == 2
    assert "unfinished run" in said
    assert batch(*arguments, "--resume")[0] == 0
    counts = examined(log)
    assert len(counts) == 14
    # Each kill repeats at most what the two workers held.
    assert sum(counts.values()) <= 14 + 2 * 2
    found = outcomes(output)
    assert list(found) == [str(folder / f"{i:02d}.png") for i in range(14)]
    assert {row["score"] for row in found.values()} == {SLOW}
    assert not (tmp_path / "o.parquet.parts").exists()


def test_interrupted_by_ctrl_c_and_resumed(
    tmp_path: Path, start: Start, batch: Batch, log: Path
) -> None:
    folder, output = slow_folder(tmp_path / "in", 16), tmp_path / "o.parquet"
    arguments = (folder, "--output", output, "--workers", 2)
    process = start(*arguments)
    wait_for(log, 3, process)
    os.killpg(process.pid, signal.SIGINT)  # a terminal sends it to the whole group
    _, said = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "Traceback" not in said
    assert "--resume continues" in said
    assert batch(*arguments, "--resume")[0] == 0
    assert len(outcomes(output)) == 16
    assert sum(examined(log).values()) <= 18


def test_workers_end_when_the_run_is_killed(tmp_path: Path, start: Start, log: Path) -> None:
    picture(tmp_path / "in" / "a.png", HANGING)
    process = start(tmp_path / "in", "--output", tmp_path / "o.parquet", "--workers", 1)
    wait_for(log, 1, process)
    process.kill()  # the parent alone
    process.communicate(timeout=30)  # returns when the last holder of its stderr has ended
    assert process.returncode == -signal.SIGKILL


def test_another_plan_or_list_is_refused(
    tmp_path: Path, start: Start, batch: Batch, log: Path
) -> None:
    folder, output = slow_folder(tmp_path / "in", 8), tmp_path / "o.parquet"
    process = start(folder, "--output", output, "--workers", 1)
    wait_for(log, 2, process)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate(timeout=30)
    other = ("--load-detector", str(TOYS / "toy_brightness.py"), "--detector", "toy_brightness")
    resume = ("--output", output, "--workers", 1, "--resume")
    code, said = batch(folder, *resume, plan=other)
    assert code == 2
    assert "another plan" in said
    more = picture(folder / "more.png", 120)
    code, said = batch(folder, *resume)
    assert code == 2
    assert "another list (8 sources then, 9 now)" in said
    more.unlink()
    assert batch(folder, *resume)[0] == 0
    assert len(outcomes(output)) == 8
    # A finished run resumed again has nothing to do; with another list it is refused like before.
    before = output.stat().st_mtime_ns
    assert batch(folder, *resume)[0] == 0
    assert output.stat().st_mtime_ns == before
    picture(folder / "more.png", 120)
    assert batch(folder, *resume)[0] == 2


def test_wrong_usage_examines_nothing(tmp_path: Path, batch: Batch, log: Path) -> None:
    picture(tmp_path / "in" / "a.png", 120)
    (tmp_path / "old.parquet").write_bytes(b"precious")
    for output, reason in (
        (tmp_path / "old.parquet", "exists already"),
        (tmp_path / "no" / "o.parquet", "no such folder"),
        (tmp_path / "in", "is a folder"),
    ):
        code, said = batch(tmp_path / "in", "--output", output)
        assert (code, reason in said) == (2, True), said
    code, said = batch(tmp_path / "gone", "--output", tmp_path / "o.parquet")
    assert (code, "no such folder or list" in said) == (2, True)
    assert (tmp_path / "old.parquet").read_bytes() == b"precious"
    assert not log.exists()


@pytest.mark.parametrize("resume", [False, True])
def test_an_empty_folder_gives_an_empty_table(tmp_path: Path, batch: Batch, resume: bool) -> None:
    (tmp_path / "in").mkdir()
    more = ("--resume",) if resume else ()
    assert batch(tmp_path / "in", "--output", tmp_path / "o.parquet", *more)[0] == 0
    assert table(tmp_path / "o.parquet") == []
