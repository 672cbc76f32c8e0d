"""Which crops make a batch: half generated, half pristine, every group as likely as every other."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from tellsign.errors import UsageError
from tellsign.training.bank import Row

Indices = NDArray[np.int64]


class BalancedSampler:
    """Draws row numbers of a bank.

    Parameters
    ----------
    rows
        All rows of the bank.
    allowed
        Numbers of the rows that may be drawn; those of held-out groups must not be among them.
    size
        Crops in a batch; even.
    paired
        Share of the generated half that are reconstructions, each drawn with its original.
    power
        A group of n crops is drawn in proportion to n ** power: 0 makes all groups equally likely,
        1 all crops.

    Without groups of reconstructions `paired` has no effect.
    """

    def __init__(
        self,
        rows: Sequence[Row],
        allowed: Indices,
        size: int,
        paired: float = 0.0,
        power: float = 0.0,
    ) -> None:
        if size < 2 or size % 2:
            raise UsageError(f"a batch needs an even number of crops; got {size}")
        self.half = size // 2
        self.power = power
        self.pairs = pairs(rows, allowed)
        self.paired = paired if self.pairs else 0.0
        self.generated = _by_group(rows, [i for i in allowed if _generated(rows[i])])
        self.pristine = _by_group(rows, [i for i in allowed if rows[i].label == 0])
        if not self.pristine or not (self.generated or self.paired):
            raise UsageError("the bank lacks a class outside the held-out groups")

    def draw(self, rng: np.random.Generator) -> Indices:
        """(size,) row numbers: first the generated half, then the pristine half.

        Row i of one half and row i of the other are a pair where i is below the number of pairs.
        """
        count = round(self.half * self.paired) if self.generated else self.half
        left, right = [], []
        makers = sorted(self.pairs)
        for _ in range(count):
            made, taken = _pick(self.pairs[makers[rng.integers(len(makers))]], rng)
            left.append(made)
            right.append(taken)
        for _ in range(self.half - count):
            left.append(_pick_group(self.generated, self.power, rng))
            right.append(_pick_group(self.pristine, self.power, rng))
        return np.array(left + right, np.int64)


def pairs(rows: Sequence[Row], allowed: Indices) -> dict[str, list[tuple[int, int]]]:
    """Maker -> (reconstruction, original) row numbers, crop by crop in the same place.

    Both pictures went through the same draws, so the k-th crop of one under a condition shows
    what the k-th crop of the other shows. Where one of them failed, neither is taken.
    """
    crops: dict[tuple[str, str], list[int]] = defaultdict(list)
    for i in allowed:
        crops[rows[i].picture, rows[i].condition].append(int(i))
    found: dict[str, list[tuple[int, int]]] = defaultdict(list)
    for (_, condition), made in crops.items():
        row = rows[made[0]]
        if row.label == 1 and row.pair:
            taken = crops.get((row.pair, condition), [])
            if len(taken) == len(made):
                found[row.maker].extend(zip(made, taken, strict=True))
    return dict(found)


def _generated(row: Row) -> bool:
    return row.label == 1 and not row.pair


def _by_group(rows: Sequence[Row], numbers: Sequence[int]) -> dict[str, list[int]]:
    groups: dict[str, list[int]] = defaultdict(list)
    for i in numbers:
        groups[rows[i].group].append(int(i))
    return dict(groups)


def _pick_group(groups: Mapping[str, list[int]], power: float, rng: np.random.Generator) -> int:
    names = sorted(groups)
    weights = np.array([len(groups[name]) ** power for name in names])
    members = groups[names[int(rng.choice(len(names), p=weights / weights.sum()))]]
    return members[rng.integers(len(members))]


def _pick(among: Sequence[tuple[int, int]], rng: np.random.Generator) -> tuple[int, int]:
    return among[int(rng.integers(len(among)))]
