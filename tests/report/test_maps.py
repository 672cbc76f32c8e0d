from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from report_examples import H, W, mask, score_map, spliced, unopened

from tellsign.errors import UsageError
from tellsign.report import maps
from tellsign.report.names import map_name, overlay_name
from tellsign.report.report import from_dict, to_dict
from tellsign.types import Evidence


def test_arrays_and_pictures_are_written(tmp_path: Path) -> None:
    written = maps.write(spliced(), tmp_path)
    assert sorted(written) == [
        "maps/copy_move.npz",
        "maps/copy_move.png",
        "maps/double_quantisation.npz",
        "maps/double_quantisation.png",
        "maps/jpeg_grid_zero.npz",
        "maps/jpeg_grid_zero.png",
    ]
    on_disk = {str(p.relative_to(tmp_path)) for p in tmp_path.rglob("*") if p.is_file()}
    assert on_disk == set(written)
    for name, digest in written.items():
        assert hashlib.sha256((tmp_path / name).read_bytes()).hexdigest() == digest


def test_arrays_are_read_without_pickle(tmp_path: Path) -> None:
    maps.write(spliced(), tmp_path)
    with np.load(tmp_path / "maps/double_quantisation.npz", allow_pickle=False) as stored:
        assert sorted(stored.files) == ["valid", "values"]
        assert stored["values"].dtype == np.float32
        assert stored["valid"].dtype == np.bool_
        assert np.array_equal(stored["values"], score_map().values)
        assert np.array_equal(stored["valid"], score_map().valid)


def test_the_overlay_covers_the_stored_picture(tmp_path: Path) -> None:
    maps.write(spliced(), tmp_path)
    with Image.open(tmp_path / "maps/double_quantisation.png") as overlay:
        assert overlay.size == (W, H)


def test_the_same_report_gives_the_same_bytes(tmp_path: Path) -> None:
    assert maps.write(spliced(), tmp_path / "a") == maps.write(spliced(), tmp_path / "b")


def test_a_second_map_and_children_have_their_own_names(tmp_path: Path) -> None:
    report = spliced()
    outcome = report.outcomes[0]
    assert isinstance(outcome, Evidence)
    twice = replace(outcome, maps=(mask(), score_map()))
    child = replace(report.children[0], outcomes=(twice,))
    nested = replace(report, outcomes=(twice,), children=(child,))
    written = maps.write(nested, tmp_path)
    arrays = [name for name in written if name.endswith(".npz")]
    assert arrays == [
        "maps/jpeg_grid_zero.npz",
        "maps/jpeg_grid_zero-1.npz",
        "maps/child-0/jpeg_grid_zero.npz",
        "maps/child-0/jpeg_grid_zero-1.npz",
    ]
    d = to_dict(nested, written)
    stated = [m["file"] for m in d["outcomes"][0]["maps"]]
    stated += [m["file"] for m in d["children"][0]["outcomes"][0]["maps"]]
    assert stated == arrays


def test_nothing_to_write(tmp_path: Path) -> None:
    assert maps.write(unopened(), tmp_path) == {}
    assert maps.write(from_dict(to_dict(spliced())), tmp_path) == {}
    assert not list(tmp_path.iterdir())


def test_a_directory_that_cannot_be_made_is_a_usage_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(UsageError, match="maps cannot be written to"):
        maps.write(spliced(), tmp_path / "file")


def test_names_never_leave_the_directory() -> None:
    assert map_name("../../etc/passwd", 0) == "maps/______etc_passwd.npz"
    assert overlay_name(map_name("a", 2, (0, 1))) == "maps/child-0/child-1/a-2.png"
