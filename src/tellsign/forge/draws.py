"""Seeded choices, each drawn by name from a stream of its own and remembered for the record.

A stream per name keeps reproducibility from hanging on the order of the draws: asking for one
parameter more leaves all the others as they were.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import TypeVar

import numpy as np

Value = float | int | str | bool | tuple[int, ...]
T = TypeVar("T", bound=Value)


class Draws:
    """The choices of one forgery or treatment.

    Parameters
    ----------
    key
        Everything the choices may depend on, as text: recipe digest, seed, source hashes.
    """

    def __init__(self, key: str) -> None:
        self._key = key
        self._values: dict[str, Value] = {}

    @property
    def values(self) -> Mapping[str, Value]:
        """All that was drawn or noted so far, in order."""
        return dict(self._values)

    def generator(self, name: str) -> np.random.Generator:
        """Generate numbers for `name`, for fields of noise or searches; not remembered."""
        digest = hashlib.sha256(f"{self._key}\n{name}".encode()).digest()
        return np.random.Generator(np.random.Philox(key=int.from_bytes(digest[:16], "big")))

    def uniform(self, name: str, interval: tuple[float, float]) -> float:
        """Draw from [low, high], rounded to six decimals so that the record states all of it."""
        low, high = interval
        value = round(low + (high - low) * float(self.generator(name).random()), 6)
        return self.note(name, value)

    def integer(self, name: str, interval: tuple[int, int]) -> int:
        """Draw from low, low + 1, ..., high."""
        low, high = interval
        return self.note(name, int(self.generator(name).integers(low, high, endpoint=True)))

    def choice(self, name: str, among: Sequence[T]) -> T:
        """Draw one of a non-empty sequence, all equally likely."""
        return self.note(name, among[int(self.generator(name).integers(len(among)))])

    def note(self, name: str, value: T) -> T:
        """Remember a value that follows from a search rather than from one draw."""
        self._values[name] = value
        return value


def derive_seed(seed: int, *parts: str) -> int:
    """A 63-bit seed that depends on `seed` and on every part: one per picture of a data set."""
    digest = hashlib.sha256("\n".join([str(seed), *parts]).encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1
