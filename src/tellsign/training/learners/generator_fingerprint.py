"""Learner of `generator_fingerprint`: average the residual spectra of each family in the bank.

Held-out groups take no part; those whose family is known measure the result, others must come out
as unknown.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tellsign.benchmark.metrics import Interval, proportion
from tellsign.errors import UsageError
from tellsign.signal.fingerprint import Fingerprints, fit_fingerprints, spectral_features
from tellsign.training.bank import Bank
from tellsign.training.recipe import Job, write_whole

HEAD, MEASURED = "head.json", "measured.json"
LEAST_PICTURES = 20  # of a family; fewer, and its fingerprint is mostly their content
PHOTOGRAPHS = "photographs"
UNKNOWN = "unknown"

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Settings:
    families: Mapping[str, Sequence[str]]  # name -> groups of the bank
    held_out: Mapping[str, str]  # group -> family, or "unknown"
    conditions: tuple[str, ...] = ("norm",)
    open_set_percentile: float = 95.0  # of photographs; a family is named above it

    def __post_init__(self) -> None:
        if not self.families:
            raise UsageError("generator_fingerprint: [settings.families] is empty")
        strange = set(self.held_out.values()) - {*self.families, UNKNOWN}
        if strange:
            raise UsageError(f"generator_fingerprint: no family {', '.join(sorted(strange))}")


@dataclass(frozen=True, slots=True)
class Seen:
    """One picture in one condition, its crops averaged."""

    group: str
    label: int
    condition: str
    features: Floats


def fit(job: Job) -> None:
    """Write ``head.json``, ``measured.json`` and the card; UsageError without photographs."""
    settings = job.checked(Settings)
    known = list(pictures(job.bank, job.bank.select(held_out=False), settings.conditions))
    prints, counts = fitted(known, settings, job.seed)
    head = {**prints.to_dict(), "open_set_percentile": settings.open_set_percentile}
    write_whole(job.out / HEAD, json.dumps(head).encode())
    others = list(pictures(job.bank, job.bank.select(held_out=True), settings.conditions))
    rows = measured(prints, others, settings)
    write_whole(job.out / MEASURED, (json.dumps(rows, indent=1) + "\n").encode())
    shares = "; ".join(f"{r['group']}: {r['text']}" for r in rows)
    summary = f"Fingerprints of {len(prints.names)} families. Held-out groups: {shares}"
    data = ", ".join(f"{name} ({n} pictures)" for name, n in counts.items())
    job.finish(summary, data, (HEAD, MEASURED))


def fitted(
    known: Sequence[Seen], settings: Settings, seed: int
) -> tuple[Fingerprints, dict[str, int]]:
    """Fingerprints and the number of pictures behind each; families with too few are left out.

    Every group counts alike within its family, and every group of photographs within theirs.
    """
    of_group = {g: name for name, groups in settings.families.items() for g in groups}
    families: dict[str, list[Seen]] = defaultdict(list)
    taken: list[Seen] = []
    for seen in known:
        if seen.label == 0:
            taken.append(seen)
        elif name := of_group.get(seen.group):
            families[name].append(seen)
    if not taken:
        raise UsageError("generator_fingerprint: the bank holds no photographs")
    rng = np.random.default_rng(seed)
    chosen = {
        name: balanced(families[name], rng)
        for name in sorted(families)
        if len(families[name]) >= LEAST_PICTURES
    }
    if not chosen:
        raise UsageError(f"generator_fingerprint: no family has {LEAST_PICTURES} pictures")
    half = rng.permutation(len(taken))
    first, second = ([taken[i] for i in part] for part in np.array_split(half, 2))
    prints = fit_fingerprints(chosen, balanced(first, rng), balanced(second, rng))
    counts = {name: len(families[name]) for name in chosen} | {PHOTOGRAPHS: len(taken)}
    return prints, counts


def balanced(seen: Sequence[Seen], rng: np.random.Generator) -> Floats:
    """Features of as many draws as there are pictures, every group equally often."""
    groups = sorted({s.group for s in seen})
    pools = [[s.features for s in seen if s.group == g] for g in groups]
    if len(pools) == 1:
        return np.stack(pools[0])
    each = -(-len(seen) // len(pools))
    return np.stack([p[i] for p in pools for i in rng.integers(len(p), size=each)])


def measured(
    prints: Fingerprints, others: Sequence[Seen], settings: Settings
) -> list[dict[str, str | int | float]]:
    """How each held-out group is named; photographs, too, which should come out as unknown."""
    wanted = dict(settings.held_out)
    wanted |= {s.group: UNKNOWN for s in others if s.label == 0}
    rows: list[dict[str, str | int | float]] = []
    for group, family in sorted(wanted.items()):
        features = [s.features for s in others if s.group == group]
        if not features:
            continue
        names = named(prints, np.stack(features), settings.open_set_percentile)
        right = proportion(names.count(family), len(names))
        common, number = Counter(names).most_common(1)[0]
        rows.append(_row(group, family, right, f"{common} ({number})"))
    return rows


def _row(group: str, family: str, right: Interval, common: str) -> dict[str, str | int | float]:
    return {
        "group": group, "family": family, "right": round(right.value, 4),
        "low": round(right.low, 4), "high": round(right.high, 4), "n": right.n,
        "most often": common, "text": f"{family} {right}",
    }  # fmt: skip


def named(prints: Fingerprints, features: Floats, percentile: float) -> list[str]:
    """The nearest family of each row where it exceeds that percentile of photographs."""
    correlations = prints.correlations(features)
    names = []
    for row in correlations:
        best = int(row.argmax())
        above = prints.percentile(best, float(row[best])) > percentile
        names.append(prints.names[best] if above else UNKNOWN)
    return names


def pictures(bank: Bank, numbers: NDArray[np.int64], conditions: Sequence[str]) -> Iterator[Seen]:
    """Average the features of a picture's crops, condition by condition; no reconstructions."""
    together: dict[tuple[str, str], list[int]] = defaultdict(list)
    for i in numbers.tolist():
        row = bank.rows[i]
        if row.condition in conditions and not row.maker:
            together[row.picture, row.condition].append(i)
    for members in together.values():
        crops = bank.take(members)
        row = bank.rows[members[0]]
        features = spectral_features(crops).mean(axis=0)
        yield Seen(row.group, row.label, row.condition, features)
