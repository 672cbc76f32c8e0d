"""Ray runs the same worker: the same rows, the same treatment of deadly sources."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path

import pytest
from tiny_pictures import CRASHING, HANGING, picture, table, without_times

from tellsign.batch.ray import import_ray
from tellsign.errors import MissingExtra

HAS_RAY = importlib.util.find_spec("ray") is not None


@pytest.mark.skipif(not HAS_RAY, reason="ray is not installed")
def test_rows_equal_those_of_the_local_pool(
    tmp_path: Path, batch: Callable[..., tuple[int, str]]
) -> None:
    folder = tmp_path / "in"
    for width in (CRASHING, HANGING, *range(110, 116)):
        picture(folder / f"{width}.png", width)
    picture(folder / "again.png", 110)
    (folder / "text.jpg").write_text("no picture")
    limits = ("--workers", 2, "--time-limit", 2)
    assert batch(folder, "--output", tmp_path / "local.parquet", *limits)[0] == 3
    code, said = batch(folder, "--output", tmp_path / "ray.parquet", "--ray", *limits)
    assert code == 3, said
    local, ray = table(tmp_path / "local.parquet"), table(tmp_path / "ray.parquet")
    assert len(local) == 4 * 10
    assert without_times(ray) == without_times(local)


@pytest.mark.skipif(not HAS_RAY, reason="ray is not installed")
def test_a_cluster_that_is_not_there(tmp_path: Path, batch: Callable[..., tuple[int, str]]) -> None:
    picture(tmp_path / "in" / "a.png", 110)
    output = tmp_path / "o.parquet"
    code, said = batch(tmp_path / "in", "--output", output, "--ray", "nonsense://x")
    assert code == 2
    assert "no Ray cluster at nonsense://x" in said
    assert "Traceback" not in said


def test_without_ray_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "ray", None)
    with pytest.raises(MissingExtra, match=r"tellsign\[ray\]"):
        import_ray()
