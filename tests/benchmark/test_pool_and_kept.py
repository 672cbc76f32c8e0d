from __future__ import annotations

import os
from pathlib import Path

import pytest

from tellsign.benchmark import pool
from tellsign.benchmark.kept import Kept, file_of, name_of, write_file
from tellsign.errors import UsageError


def double(number: int) -> int:
    return 2 * number


def fatal(number: int) -> int:
    if number == 3:
        os._exit(9)
    return number


@pytest.mark.parametrize("workers", [1, 2])
def test_every_task_gives_its_result(workers: int) -> None:
    assert dict(pool.run(double, [5, 6, 7], workers)) == {0: 10, 1: 12, 2: 14}


def test_a_task_that_kills_its_process_costs_itself_only() -> None:
    assert dict(pool.run(fatal, list(range(5)), 2)) == {0: 0, 1: 1, 2: 2, 3: None, 4: 4}


def test_nothing_to_do_starts_nothing() -> None:
    assert list(pool.run(double, [], 2)) == []


def test_values_are_found_again(tmp_path: Path) -> None:
    kept = Kept(tmp_path / "runs")
    names = [name_of("n", i) for i in range(1200)]
    for i, name in enumerate(names):
        kept.keep(name, {"i": i})
    kept.keep(names[0], None)
    kept.close()
    again = Kept(tmp_path / "runs")
    found = again.many([*names, "absent"])
    again.close()
    assert len(found) == 1200
    assert found[names[0]] is None
    assert found[names[1199]] == {"i": 1199}


def test_names_depend_on_everything_given() -> None:
    assert name_of("a", 1) == name_of("a", 1)
    assert len({name_of("a", 1), name_of("a", 2), name_of("a", "1"), name_of("a1")}) == 4


def test_a_place_that_cannot_hold_results(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", "utf-8")
    with pytest.raises(UsageError, match="cannot be kept"):
        Kept(tmp_path / "file")


def test_files_are_written_whole_under_their_hash(tmp_path: Path) -> None:
    path = write_file(tmp_path, "abcd", b"data")
    assert path == file_of(tmp_path, "abcd")
    assert path.read_bytes() == b"data"
    assert write_file(tmp_path, "abcd", b"data") == path
    assert [p.name for p in path.parent.iterdir()] == ["abcd"]
