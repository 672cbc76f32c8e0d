"""The split of photographs, each of one level so that its crops tell where they come from."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("onnx")

from PIL import Image  # noqa: E402

from tellsign.forge.generate import FORM  # noqa: E402
from tellsign.training.toys import world  # noqa: E402

CHANGES = {"side": 16, "width": 8, "steps": 1}


def test_no_photograph_serves_twice_and_toys_are_trained_once(tmp_path: Path) -> None:
    torch.set_num_threads(1)
    for level in range(8):
        Image.new("RGB", (24, 40), (20 * level,) * 3).save(tmp_path / f"{level}.png")
    work = tmp_path / "work"
    split = world.build([tmp_path], work, 100, 0, CHANGES, each=3)
    fits, rest = split.fitting[world.PRISTINE], split.measuring[world.PRISTINE]
    assert fits.shape == rest.shape == (6, 16, 16, 3)
    levels = [[int(p[0, 0, 0]) // 20 for p in pool] for pool in (fits, rest)]
    assert not set(levels[0]) & set(levels[1])
    for level, owners in zip(levels, (split.fitting_owners, split.owners), strict=True):
        assert len(owners) == 6
        assert len(set(zip(level, owners, strict=True))) == len(set(level)) == 2
    assert len(split.generators) == 4
    forms = {path: path.stat().st_mtime_ns for path in work.glob(f"*/{FORM}")}
    again = world.build([tmp_path], work, 4, 0, CHANGES, each=3)
    assert {path: path.stat().st_mtime_ns for path in forms} == forms
    for name in split.generators:
        assert not np.array_equal(split.fitting[name], split.measuring[name])
        assert np.array_equal(again.fitting[name], split.fitting[name][:4])
