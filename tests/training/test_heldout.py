from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from tellsign.training.bank import Row
from tellsign.training.heldout import (
    as_rows,
    as_text,
    failures,
    groups_text,
    means,
    means_rows,
    means_text,
    measure,
)


def row(picture: str, group: str, label: int, pair: str = "") -> Row:
    return Row(picture, group, label, "photo", "norm", pair, "vae" if pair and label else "")


ROWS = [
    row("a/0", "a", 1),
    row("a/0", "a", 1),
    row("a/1", "a", 1),
    row("b/0", "b", 1),
    row("p/0", "p", 0),
    row("q/0", "q", 0),
    row("p/0@vae", "p", 1, "p/0"),
]
SCORES = np.array([4.0, -2.0, 3.0, -1.0, 0.0, 2.0, -9.0])


def test_crops_are_averaged_and_each_generator_meets_all_photographs() -> None:
    found = {m.group: m for m in measure(ROWS, SCORES)}
    assert set(found) == {"a", "b"}  # a reconstruction is no generator
    # Pictures of a score 1 and 3 against 0 and 2: three of four comparisons are won.
    assert found["a"].auc == 0.75
    assert found["b"].auc == 0.0
    assert (found["a"].n_for, found["a"].n_against) == (2, 2)
    assert found["a"].tpr == 0.5


def test_each_group_counts_once_in_the_mean() -> None:
    found = means(measure(ROWS, SCORES))
    assert [(c, a.value, t.value) for c, (a, t) in found.items()] == [
        ("norm", pytest.approx(0.375), pytest.approx(0.25))
    ]


def many(n: int, overlap: float) -> tuple[list[Row], NDArray[np.float64]]:
    """Two generators and a source of n pictures each, a standard deviation of 1 around 0 and 1."""
    rng = np.random.default_rng(3)
    groups = [("a", 1), ("b", 1), ("p", 0)]
    rows = [row(f"{g}/{i}", g, label) for g, label in groups for i in range(n)]
    return rows, rng.normal(size=3 * n) + np.repeat([overlap, overlap, 0.0], n)


def test_intervals_hold_the_value_and_narrow_with_the_number_of_pictures() -> None:
    few, plenty = (measure(*many(n, 1.0)) for n in (20, 500))
    for found in (few, plenty):
        for m in found:
            for interval in (m.auc_interval, m.tpr_interval):
                assert 0 <= interval.low < interval.value < interval.high <= 1
        area, rate = means(found)["norm"]
        assert area.n == rate.n == 2
        assert area.low < area.value < area.high
    widths = [f[0].auc_interval.high - f[0].auc_interval.low for f in (few, plenty)]
    assert 0.15 < widths[0] < 0.4
    assert widths[1] < 0.08
    # The theory's standard error of an AUC near 0.76 with 500 + 500 pictures is about 0.015.
    assert widths[1] == pytest.approx(2 * 1.96 * 0.015, abs=0.015)


def test_intervals_of_a_perfect_separation_are_points_and_all_repeat() -> None:
    rows, scores = many(30, 100.0)
    first = measure(rows, scores)
    assert (first[0].auc_interval.low, first[0].auc_interval.high) == (1.0, 1.0)
    rows, scores = many(30, 0.5)
    assert as_rows(measure(rows, scores)) == as_rows(measure(rows, scores))


def test_tables_hold_values_with_their_intervals() -> None:
    rows, scores = many(40, 1.0)
    table = as_rows(measure(rows, scores))
    assert set(table[0]) == {
        *("group", "condition", "auc", "auc_low", "auc_high", "tpr", "tpr_low", "tpr_high"),
        *("n_for", "n_against"),
    }
    assert table[0]["auc_low"] < table[0]["auc"] < table[0]["auc_high"]
    m = measure(rows, scores)[0]
    low, high = m.auc_interval.low, m.auc_interval.high
    assert f"a {m.auc:.2f} [{low:.2f}, {high:.2f}]" in as_text(measure(rows, scores))


def test_texts_for_the_card_name_every_generator_and_what_fails() -> None:
    found = measure(ROWS, SCORES)
    assert "norm 0.375 [0." in as_text(found)
    assert "a 0.75 [0." in as_text(found)
    assert as_text(found).endswith("; b 0.00 [0.00, 0.00]") or "; b 0.00 [0.00, 0." in as_text(
        found
    )
    assert failures(found) == ["Direction flips under norm (AUC): b (0.00)."]
    assert as_rows(found)[0]["group"] == "a"
    assert as_text([]) == "no held-out generator in the bank"
    text = groups_text(ROWS)
    assert text == (
        "Generated pictures: a 2, b 1, reconstructions by vae 1. Pristine pictures: p 1, q 1."
    )


def test_means_read_the_same_in_text_and_in_rows() -> None:
    found = measure(*many(60, 1.5))
    row = means_rows(found)["norm"]
    area, rate = means(found)["norm"]
    assert (row["auc"], row["auc_low"], row["auc_high"]) == (
        round(area.value, 4),
        area.low,
        area.high,
    )
    assert (row["tpr"], row["n"]) == (round(rate.value, 4), 2)
    assert means_text(found).startswith(
        f"norm {area.value:.3f} [{area.low:.3f}, {area.high:.3f}] /"
    )
    assert means_text([]) == ""
