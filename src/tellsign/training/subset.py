"""Few pictures of each group, the same at every run: enough to describe or to measure it."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tellsign.training import heldout
from tellsign.training.bank import Row

Numbers = NDArray[np.int64]


def few_of(rows: Sequence[Row], numbers: Numbers, pictures: int) -> Numbers:
    """One crop under each reported condition of up to `pictures` pictures of each group."""
    taken: dict[tuple[str, str], set[str]] = defaultdict(set)
    found = []
    for i in sorted(numbers.tolist(), key=lambda i: draw_of(rows[i].picture)):
        row = rows[i]
        seen = taken[row.maker or row.group, row.condition]
        if row.condition in heldout.REPORTED and row.picture not in seen and len(seen) < pictures:
            seen.add(row.picture)
            found.append(i)
    return np.array(sorted(found), np.int64)


def draw_of(key: str) -> int:
    """A number that looks random and depends on the text alone."""
    return int.from_bytes(hashlib.sha256(key.encode()).digest()[:4], "big")
