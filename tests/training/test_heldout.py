from __future__ import annotations

import numpy as np
import pytest

from tellsign.training.bank import Row
from tellsign.training.heldout import (
    as_rows,
    as_text,
    failures,
    groups_text,
    means,
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
    assert means(measure(ROWS, SCORES)) == {"norm": (pytest.approx(0.375), pytest.approx(0.25))}


def test_texts_for_the_card_name_every_generator_and_what_fails() -> None:
    found = measure(ROWS, SCORES)
    assert "norm 0.375 / 0.250" in as_text(found)
    assert "a 0.75; b 0.00" in as_text(found)
    assert failures(found) == ["Direction flips under norm (AUC): b (0.00)."]
    assert as_rows(found)[0]["group"] == "a"
    assert as_text([]) == "no held-out generator in the bank"
    text = groups_text(ROWS)
    assert text == (
        "Generated pictures: a 2, b 1, reconstructions by vae 1. Pristine pictures: p 1, q 1."
    )
