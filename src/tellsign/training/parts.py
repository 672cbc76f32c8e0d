"""Groups dealt into parts, each left out of one fit, so that the fit that is shipped may use all.

What a detector makes of pictures that it was not trained on is asked of the fits that left their
group out: they measure and calibrate. The first part is `HELD_OUT`, which other detectors never
train on, so that there all can be compared.
"""

from __future__ import annotations

import itertools
import json
import random
from collections.abc import Sequence
from pathlib import Path

from tellsign.errors import InputError
from tellsign.training.bank import HELD_OUT, OTHERS, REDRAWN, Row
from tellsign.training.recipe import write_whole

FOLDER = "left-out"  # beside the artifact; holds FILE and "<number>/<artifact>"
FILE = "parts.json"

Parts = tuple[frozenset[str], ...]


def deal(rows: Sequence[Row], count: int, seed: int) -> Parts:
    """`HELD_OUT`, then `count` parts of the other groups; those without both classes are left away.

    Generators and photographs are dealt apart. Photographs that their makers redrew, and those of
    other questions, are in no part: they are in every fit, and no measure of false alarms.
    """
    first = frozenset(r.group for r in rows) & HELD_OUT
    parts: list[set[str]] = [set() for _ in range(count)]
    for label in (0, 1):
        groups = sorted({r.group for r in rows if r.label == label and not r.pair})
        others = [g for g in groups if g not in HELD_OUT | REDRAWN | OTHERS.keys()]
        random.Random(seed).shuffle(others)
        for part, group in zip(itertools.cycle(parts), others, strict=False):
            part.add(group)
    return tuple(p for p in (first, *map(frozenset, parts)) if _both_classes(rows, p))


def _both_classes(rows: Sequence[Row], part: frozenset[str]) -> bool:
    """Whether the part and the rest have generated and pristine pictures each."""
    found = {(r.group in part, r.label) for r in rows if not r.pair}
    return len(found) == 4


def write(folder: Path, parts: Parts) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps({"parts": [sorted(p) for p in parts]}, indent=1) + "\n"
    write_whole(folder / FILE, text.encode())


def read(folder: Path) -> Parts:
    """The parts of a folder that training left. Raises InputError where there are none."""
    try:
        content = json.loads((folder / FILE).read_text("utf-8"))
        parts = tuple(frozenset(map(str, p)) for p in content["parts"])
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise InputError(f"{folder}: no fits with groups left out: {error}") from error
    if not all(parts):
        raise InputError(f"{folder}: a part has no group")
    return parts
