"""The linear head of an embedding detector, and the memory that keeps it from forgetting.

Both are files of its artifact: ``head.json`` and ``memory.json``. The score of a crop is
``weight . ((embedding - mean) / scale) + bias``; that of a picture is the mean over its crops.
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tellsign.errors import ArtifactError

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
Names = NDArray[np.str_]
Rows = NDArray[np.float32]

HEAD_FILE, MEMORY_FILE = "head.json", "memory.json"
MEMORY_SCHEMA = "tellsign.memory/1"


@dataclass(frozen=True, slots=True, eq=False)
class Head:
    """`weight`, `mean`, `scale`: (D,) float64; `bias` in the unit of the score, log odds."""

    weight: Floats
    bias: float
    mean: Floats
    scale: Floats

    def __post_init__(self) -> None:
        vectors = [self.weight, self.mean, self.scale]
        if len({v.shape for v in vectors}) != 1 or self.weight.ndim != 1:
            raise ArtifactError("head: weights, mean and scale differ in length")
        values = np.concatenate([*vectors, [self.bias]])
        if not np.isfinite(values).all() or (self.scale <= 0).any():
            raise ArtifactError("head: values must be finite and scales above zero")

    @property
    def width(self) -> int:
        return len(self.weight)

    def standardised(self, embeddings: NDArray[np.floating]) -> Floats:
        return (np.asarray(embeddings, np.float64) - self.mean) / self.scale

    def __call__(self, embeddings: NDArray[np.floating]) -> Floats:
        """Scores (n,) of embeddings (n, D)."""
        return np.asarray(self.standardised(embeddings) @ self.weight + self.bias)

    def plus(self, weight: Floats, bias: float) -> Head:
        """The head with a correction added to its score."""
        return replace(self, weight=self.weight + weight, bias=self.bias + bias)

    def to_dict(self) -> dict[str, Any]:
        vectors = {k: _listed(getattr(self, k)) for k in ("weight", "mean", "scale")}
        return {**vectors, "bias": _short(self.bias)}

    @classmethod
    def from_dict(cls, data: Any) -> Head:
        """Raises ArtifactError when the content is no head."""
        try:
            vectors = [np.array(data[k], np.float64) for k in ("weight", "mean", "scale")]
            return cls(vectors[0], float(data["bias"]), vectors[1], vectors[2])
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise ArtifactError(f"head: {error}") from error


@dataclass(frozen=True, slots=True, eq=False)
class Memory:
    """Embeddings of what the base was trained on: (m, D) float32, labels (True = generated)
    and the group each row comes from.
    """

    rows: Rows
    labels: Flags
    groups: Names

    def __post_init__(self) -> None:
        if self.rows.ndim != 2 or not len(self.rows) == len(self.labels) == len(self.groups):
            raise ArtifactError("memory: rows, labels and groups differ in length")
        if not self.labels.any() or self.labels.all():
            raise ArtifactError("memory: needs rows of both classes")
        if not np.isfinite(self.rows).all():
            raise ArtifactError("memory: a value is not finite")

    def take(self, chosen: Flags) -> Memory:
        return Memory(self.rows[chosen], self.labels[chosen], self.groups[chosen])

    def with_rows(self, rows: Rows, labels: Flags, groups: Names) -> Memory:
        return Memory(
            np.concatenate([self.rows, rows]),
            np.concatenate([self.labels, labels]),
            np.concatenate([self.groups, groups]),
        )

    def to_dict(self) -> dict[str, Any]:
        """Rows as base64 of little-endian float16: a few hundred rows stay below a megabyte."""
        return {
            "schema": MEMORY_SCHEMA,
            "width": self.rows.shape[1],
            "rows": encoded(self.rows, "<f2"),
            "labels": [int(v) for v in self.labels],
            "groups": [str(v) for v in self.groups],
        }

    @classmethod
    def from_dict(cls, data: Any) -> Memory:
        """Raises ArtifactError when the content is no memory."""
        try:
            if data["schema"] != MEMORY_SCHEMA:
                raise ArtifactError(f"memory schema {data['schema']!r} is not {MEMORY_SCHEMA!r}")
            rows = decoded(data["rows"], "<f2", int(data["width"]))
            labels = np.array([int(v) == 1 for v in data["labels"]], np.bool_)
            return cls(rows, labels, np.array([str(v) for v in data["groups"]], np.str_))
        except (KeyError, TypeError, ValueError, binascii.Error) as error:
            raise ArtifactError(f"memory: {error}") from error


def condensed(rows: Rows, labels: Flags, groups: Names, most: int, seed: int = 0) -> Memory:
    """At most `most` rows, drawn so that every group of a class has about the same share."""
    rng = np.random.default_rng(seed)
    kinds = [f"{int(label)}\n{group}" for label, group in zip(labels, groups, strict=True)]
    members = {k: np.flatnonzero(np.array(kinds) == k) for k in sorted(set(kinds))}
    # Round by round, so that what small groups leave over goes to the larger ones.
    queues = [list(rng.permutation(found)) for found in members.values()]
    chosen: list[int] = []
    while len(chosen) < most and any(queues):
        for queue in queues:
            if queue and len(chosen) < most:
                chosen.append(int(queue.pop()))
    index = np.array(sorted(chosen), np.int64)
    return Memory(rows[index], labels[index], groups[index])


def encoded(rows: NDArray[np.floating], kind: str) -> str:
    """Base64 of the values as a numpy type. Raises ArtifactError where they do not fit."""
    with np.errstate(over="ignore"):
        cast = rows.astype(kind)
    if not np.isfinite(cast).all():
        raise ArtifactError(f"an embedding does not fit into {kind}")
    return base64.b64encode(cast.tobytes()).decode("ascii")


def decoded(text: str, kind: str, width: int) -> Rows:
    """The reverse, as (n, width) float32. Raises ValueError."""
    values = np.frombuffer(base64.b64decode(text, validate=True), kind)
    return values.reshape(-1, width).astype(np.float32)


def _listed(values: Floats) -> list[float]:
    return [_short(float(v)) for v in values]


def _short(value: float) -> float:
    """Seven digits: what a float32 holds."""
    return float(f"{value:.7g}")
