"""`policy.toml`: verbal scale, priors, limits. The only home of decision thresholds."""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from importlib.resources import files
from pathlib import Path
from typing import Any

from tellsign.errors import PolicyError
from tellsign.media.limits import Limits
from tellsign.types import CONCLUDED, Direction, Support, frozen_mapping


@dataclass(frozen=True, slots=True)
class Policy:
    """A checked policy; `digest` is the sha256 of the file it came from."""

    weak: float
    moderate: float
    strong: float
    clip: float
    priors: Mapping[str, float]
    limits: Limits
    max_child_pixels: int
    batch: int
    digest: str

    def __post_init__(self) -> None:
        if not 0 < self.weak < self.moderate < self.strong <= self.clip:
            raise PolicyError("policy: scale must rise: 0 < weak < moderate < strong <= clip")
        for name, prior in self.priors.items():
            if name not in CONCLUDED or not 0 < prior < 1:
                raise PolicyError(
                    f"policy: prior {name} = {prior} is not a probability of a question"
                )

    def __reduce__(self) -> tuple[Any, ...]:
        # A read-only mapping does not pickle, and a plan travels to workers.
        values = [getattr(self, f.name) for f in fields(self)]
        values[4] = dict(self.priors)
        return (_rebuild, tuple(values))

    def clipped(self, llr: float) -> float:
        return max(-self.clip, min(self.clip, llr))

    def support(self, llr: float | None) -> tuple[Support, Direction | None]:
        """Verbal scale: the step that |llr| reaches, and its direction."""
        size = abs(llr) if llr is not None else 0.0
        if llr is None or size < self.weak:
            return Support.NONE, None
        direction: Direction = "for" if llr > 0 else "against"
        if size < self.moderate:
            return Support.WEAK, direction
        return (Support.MODERATE if size < self.strong else Support.STRONG), direction


def _rebuild(*values: Any) -> Policy:
    names = [f.name for f in fields(Policy)]
    given = dict(zip(names, values, strict=True))
    return Policy(**{**given, "priors": frozen_mapping(given["priors"])})


def load(file: str | Path | None = None) -> Policy:
    """Read and check a policy file; the packaged one by default. Raises PolicyError."""
    source = files("tellsign").joinpath("policy.toml") if file is None else Path(file)
    try:
        data = source.read_bytes()
        raw = tomllib.loads(data.decode("utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise PolicyError(f"policy {source}: {error}") from error
    return _build(raw, hashlib.sha256(data).hexdigest())


def _build(raw: dict[str, Any], digest: str) -> Policy:
    known = {"scale", "priors", "limits", "engine"}
    if set(raw) != known:
        raise PolicyError(f"policy: needs exactly the tables {sorted(known)}, has {sorted(raw)}")
    limits = dict(raw["limits"])
    if set(raw["engine"]) != {"batch"}:
        raise PolicyError("policy: engine has exactly the key batch")
    for name, value in {**limits, **raw["engine"]}.items():
        if type(value) is not int or value < 1:
            raise PolicyError(f"policy: {name} = {value!r} is not a whole number above zero")
    try:
        child = limits.pop("max_child_pixels")
        scale = {k: float(v) for k, v in raw["scale"].items()}
        if set(scale) != {"weak", "moderate", "strong", "clip"}:
            raise PolicyError(f"policy: scale has the wrong keys: {sorted(scale)}")
        return Policy(
            weak=scale["weak"],
            moderate=scale["moderate"],
            strong=scale["strong"],
            clip=scale["clip"],
            priors=frozen_mapping({k: float(v) for k, v in raw["priors"].items()}),
            limits=Limits(**limits),
            max_child_pixels=child,
            batch=raw["engine"]["batch"],
            digest=digest,
        )
    except (TypeError, KeyError, ValueError) as error:
        raise PolicyError(f"policy: {error}") from error
