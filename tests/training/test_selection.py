from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tellsign.errors import UsageError
from tellsign.training.bank import Bank, Row
from tellsign.training.heldout import REPORTED, Measured
from tellsign.training.selection import (
    choose,
    choose_held_out,
    evenly,
    group_of,
    reversed_for,
    told_groups,
)


def bank(*groups: tuple[str, int]) -> Bank:
    rows = [
        Row(f"{g}/{i}", g, y, "photo", condition, "", "")
        for g, y in groups
        for condition in ("norm", "mix")
        for i in range(6)
    ]
    return Bank(np.zeros((len(rows), 1, 1, 3), np.uint8), rows)


def test_every_group_and_condition_is_capped_and_held_out_groups_stay_out() -> None:
    full = bank(("a", 1), ("b", 0), ("r3gan_eissayou", 1))
    taken = choose(full, 4, 0)
    assert len(taken) == 2 * 2 * 4
    assert {full.rows[i].group for i in taken} == {"a", "b"}
    assert np.array_equal(taken, choose(full, 4, 0))
    assert not np.array_equal(taken, choose(full, 4, 1))


def test_held_out_crops_are_of_reported_conditions() -> None:
    full = bank(("a", 1), ("b", 0), ("r3gan_eissayou", 1))
    rows = [full.rows[i] for i in choose_held_out(full, 4, 0)]
    assert {(r.group, r.condition) for r in rows} == {("r3gan_eissayou", "norm")}
    assert len(rows) == 4
    assert len(choose_held_out(bank(("a", 1)), 4, 0)) == 0


def test_a_bank_of_one_class_is_refused() -> None:
    with pytest.raises(UsageError, match="lacks a class"):
        choose(bank(("a", 1), ("spade_coco_stuff", 0)), 4, 0)


def test_reconstructions_are_grouped_by_their_maker() -> None:
    row = bank(("a", 1)).rows[0]
    assert group_of(row) == "a"
    assert group_of(replace(row, maker="small")) == "reconstructed by small"


def test_cards_name_groups_and_reversals() -> None:
    assert told_groups({("b", 0): 3, ("a", 1): 2}) == "a (generated, 2), b (pristine, 3)"
    rounds = np.zeros((2, 3))
    found = [
        Measured("x", "web", 0.31, 0.0, 5, 6, rounds),
        Measured("x", "norm", 0.7, 0.2, 5, 6, rounds),
    ]
    assert reversed_for(found) == ["Points the wrong way for x under web: AUC 0.31 (n = 5 + 6)."]


def test_a_sample_takes_as_much_of_small_groups_as_of_large_ones() -> None:
    rows = [Row(f"a{i}", "a", 1, "", c, "", "") for i in range(30) for c in ("norm", "mix")]
    rows += [Row(f"b{i}", "b", 0, "", "web", "", "") for i in range(3)]
    numbers = np.arange(0, len(rows))
    drawn = evenly(rows, numbers, 5, 1, REPORTED)
    assert sorted({(rows[i].group, rows[i].condition) for i in drawn}) == [
        ("a", "norm"),
        ("b", "web"),
    ]
    assert [sum(rows[i].group == g for i in drawn) for g in "ab"] == [5, 3]
    assert (drawn == evenly(rows, numbers, 5, 1, REPORTED)).all()
    assert (drawn != evenly(rows, numbers, 5, 2, REPORTED)).any()
