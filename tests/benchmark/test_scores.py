from __future__ import annotations

from pathlib import Path

import pytest

from tellsign.benchmark.scores import ScoreRow, read, write
from tellsign.errors import InputError

GOOD = ScoreRow("set", "a,b.jpg", "camera", "norm", 1, 2.5, None, "ok", "")
SILENT = ScoreRow("set", "c.jpg", "camera", "norm", 0, None, None, "abstained", "too_small")


def test_rows_survive_the_file(tmp_path: Path) -> None:
    path = tmp_path / "run.scores.csv"
    write(path, [GOOD, SILENT])
    assert read(path) == [GOOD, SILENT]


def test_a_score_and_its_status_agree() -> None:
    with pytest.raises(ValueError, match="score"):
        ScoreRow("set", "a", "g", "norm", 1, None, None, "ok", "")
    with pytest.raises(ValueError, match="score"):
        ScoreRow("set", "a", "g", "norm", 1, 1.0, None, "abstained", "x")


def test_a_label_is_zero_or_one() -> None:
    with pytest.raises(ValueError, match="label"):
        ScoreRow("set", "a", "g", "norm", 2, 1.0, None, "ok", "")


@pytest.mark.parametrize("line", ["set,a,g,norm,1,x,,ok,", "set,a,g,norm,1,1.0,,fine,", "set,a,g"])
def test_a_bad_line_is_named(tmp_path: Path, line: str) -> None:
    path = tmp_path / "run.scores.csv"
    write(path, [GOOD])
    path.write_text(path.read_text("utf-8") + line + "\n", "utf-8")
    with pytest.raises(InputError, match="line 3"):
        read(path)


def test_other_columns_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "run.scores.csv"
    path.write_text("a,b\n1,2\n", "utf-8")
    with pytest.raises(InputError, match="columns"):
        read(path)
