"""`policy.toml`: verbal scale, priors, limits. The only home of decision thresholds."""

from __future__ import annotations

import hashlib
import math
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from importlib.resources import files
from pathlib import Path
from typing import Any

from tellsign.errors import PolicyError
from tellsign.media.limits import Limits
from tellsign.types import CONCLUDED, Direction, Question, Support, frozen_mapping


@dataclass(frozen=True, slots=True)
class Policy:
    """A checked policy; `digest` is the sha256 of the file it came from."""

    weak: float
    moderate: float
    strong: float
    clip: float
    against: Mapping[str, float]  # question -> bound of evidence against its proposition
    priors: Mapping[str, float]
    limits: Limits
    max_child_pixels: int
    batch: int
    digest: str

    def __post_init__(self) -> None:
        if not 0 < self.weak < self.moderate < self.strong <= self.clip:
            raise PolicyError("policy: scale must rise: 0 < weak < moderate < strong <= clip")
        for name, bound in self.against.items():
            if name not in CONCLUDED or not 0 < bound <= self.clip:
                raise PolicyError(f"policy: against {name} = {bound} is no bound of a question")
        for name, prior in self.priors.items():
            if name not in CONCLUDED or not 0 < prior < 1:
                raise PolicyError(
                    f"policy: prior {name} = {prior} is not a probability of a question"
                )

    def __reduce__(self) -> tuple[Any, ...]:
        # A read-only mapping does not pickle, and a plan travels to workers.
        given = {f.name: getattr(self, f.name) for f in fields(self)}
        given |= {name: dict(given[name]) for name in _MAPPINGS}
        return (_rebuild, tuple(given.values()))

    def bounded(self, question: Question, llr: float) -> float:
        """Clip a log10 ratio, and let what speaks against the proposition saturate.

        The order of ratios is kept below the clip.
        """
        most = self.against.get(question.value)
        if llr < 0 and most is not None:
            llr = -most * math.tanh(-llr / most)
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


_MAPPINGS = ("against", "priors")


def _rebuild(*values: Any) -> Policy:
    names = [f.name for f in fields(Policy)]
    given = dict(zip(names, values, strict=True))
    return Policy(**given | {name: frozen_mapping(given[name]) for name in _MAPPINGS})


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
    known = {"scale", "against", "priors", "limits", "engine"}
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
            against=frozen_mapping({k: float(v) for k, v in raw["against"].items()}),
            priors=frozen_mapping({k: float(v) for k, v in raw["priors"].items()}),
            limits=Limits(**limits),
            max_child_pixels=child,
            batch=raw["engine"]["batch"],
            digest=digest,
        )
    except (TypeError, KeyError, ValueError) as error:
        raise PolicyError(f"policy: {error}") from error
