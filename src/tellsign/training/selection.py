"""Which crops of a bank a learner takes or is measured on, and how its card tells of them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Container, Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from tellsign.errors import UsageError
from tellsign.training.bank import CONDITIONS, Bank, Row
from tellsign.training.heldout import REPORTED, Measured


def group_of(row: Row) -> str:
    """Reconstructions are grouped by their maker: it, not the photograph, is what they show."""
    return f"reconstructed by {row.maker}" if row.maker else row.group


def choose(bank: Bank, per_cell: int, seed: int) -> NDArray[np.int64]:
    """Up to `per_cell` training crops of every group under every condition, in file order.

    Raises UsageError when a class is missing outside the held-out groups.
    """
    numbers = bank.select(held_out=False)
    if {bank.rows[i].label for i in numbers} != {0, 1}:
        raise UsageError("the bank lacks a class outside the held-out groups")
    return evenly(bank.rows, numbers, per_cell, seed)


def choose_held_out(bank: Bank, per_cell: int, seed: int) -> NDArray[np.int64]:
    """Up to `per_cell` crops of every held-out group under every condition that is reported."""
    return evenly(bank.rows, bank.select(held_out=True), per_cell, seed, REPORTED)


def evenly(
    rows: Sequence[Row],
    numbers: Iterable[int],
    per_cell: int,
    seed: int,
    conditions: Container[str] = CONDITIONS,
) -> NDArray[np.int64]:
    """Up to `per_cell` of the crops `numbers` of each group and condition, in file order."""
    cells: dict[tuple[str, str, int], list[int]] = defaultdict(list)
    for i in numbers:
        row = rows[i]
        if row.condition in conditions:
            cells[group_of(row), row.condition, row.label].append(int(i))
    rng = np.random.default_rng(seed)
    taken = [
        rng.choice(members, min(per_cell, len(members)), replace=False)
        for _, members in sorted(cells.items())
    ]
    return np.sort(np.concatenate(taken)).astype(np.int64) if taken else np.empty(0, np.int64)


def told_groups(sizes: Mapping[tuple[str, int], int]) -> str:
    """(group, label) -> number, as one sentence's list."""
    return ", ".join(
        f"{group} ({'generated' if label else 'pristine'}, {n})"
        for (group, label), n in sorted(sizes.items())
    )


def reversed_for(found: Sequence[Measured]) -> list[str]:
    """A sentence for each held-out generator and condition whose scores point the wrong way."""
    return [
        f"Points the wrong way for {m.group} under {m.condition}: AUC {m.auc:.2f} "
        f"(n = {m.n_for} + {m.n_against})."
        for m in found
        if m.auc < 0.5
    ]
