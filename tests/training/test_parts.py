"""Every group that can be is left out of one fit, whole."""

from __future__ import annotations

from pathlib import Path

import pytest

from tellsign.errors import InputError
from tellsign.training import parts
from tellsign.training.bank import HELD_OUT, OTHERS, REDRAWN, Row


def row(group: str, label: int, pair: str = "") -> Row:
    return Row(f"{group}/1", group, label, "photo", "norm", pair, "ae" if label and pair else "")


ROWS = (
    [row(f"maker_{i}", 1) for i in range(7)]
    + [row(f"camera_{i}", 0) for i in range(5)]
    + [row(group, 0) for group in sorted({*REDRAWN, *OTHERS})]
    + [row("r3gan_eissayou", 1), row("bsds500", 0)]
    + [row("camera_0", 1, pair="camera_0/1")]
)


def test_the_held_out_groups_come_first_and_every_other_group_once() -> None:
    first, *others = parts.deal(ROWS, 3, 0)
    assert first == {"r3gan_eissayou", "bsds500"}
    assert first <= HELD_OUT
    dealt = [group for part in others for group in part]
    assert sorted(dealt) == sorted({r.group for r in ROWS} - HELD_OUT - REDRAWN - {*OTHERS})
    for part in others:
        assert any(g.startswith("maker") for g in part)
        assert any(g.startswith("camera") for g in part)


def test_the_seed_deals() -> None:
    assert parts.deal(ROWS, 3, 0) == parts.deal(ROWS, 3, 0)
    assert parts.deal(ROWS, 3, 0) != parts.deal(ROWS, 3, 1)


def test_a_part_without_both_classes_is_left_away() -> None:
    rows = [row("maker_a", 1), row("maker_b", 1), row("camera_a", 0)]
    assert parts.deal(rows, 2, 0) == ()
    assert parts.deal([*rows, row("camera_b", 0)], 0, 0) == ()


def test_what_was_written_is_read(tmp_path: Path) -> None:
    dealt = parts.deal(ROWS, 2, 0)
    parts.write(tmp_path / "deep" / "folder", dealt)
    assert parts.read(tmp_path / "deep" / "folder") == dealt


@pytest.mark.parametrize("text", [None, "{", "[]", '{"parts": 3}', '{"parts": [[]]}'])
def test_what_is_no_such_folder_says_so(tmp_path: Path, text: str | None) -> None:
    if text is not None:
        (tmp_path / parts.FILE).write_text(text, "utf-8")
    with pytest.raises(InputError, match=tmp_path.name):
        parts.read(tmp_path)
