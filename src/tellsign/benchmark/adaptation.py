"""Learning curves: how fast an installed detector learns a generator it is shown.

Each generator of the protocol is new in turn. Half of its pictures are examples to draw from, the
other half is the test; whole sources of photographs go to one side or the other. Examples are
laundered in all conditions that `tellsign adapt` uses, the test in the protocol's.
"""

from __future__ import annotations

import csv
import random
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from tellsign.artifacts.store import Artifact, Store
from tellsign.benchmark import datasets
from tellsign.benchmark.datasets import Item
from tellsign.benchmark.protocols import Protocol
from tellsign.errors import InputError, UsageError
from tellsign.plan import Plan
from tellsign.training.adapt import opened
from tellsign.training.embed import CONDITIONS, Embed, embed_all, embedder
from tellsign.training.head import HEAD_FILE, MEMORY_FILE
from tellsign.training.refit import LEAST, Cases, learning_curve
from tellsign.types import Source

FILE = "adaptation.csv"
SIZES = (10, 20, 50, 100, 200)
ROUNDS = 5  # draws of examples behind each point


@dataclass(frozen=True, slots=True)
class Step:
    """One point of one curve; `examples` 0 is the detector as installed.

    `..._low` and `..._high` bound the 95 % interval over the test's pictures.
    """

    detector: str
    artifact: str  # sha256
    condition: str
    group: str
    examples: int
    auc: float
    auc_low: float
    auc_high: float
    tpr: float  # at 5 % FPR
    tpr_low: float
    tpr_high: float
    elsewhere: float  # mean AUC over the generators remembered
    n_for: int
    n_against: int


COLUMNS = tuple(f.name for f in fields(Step))


def adaptable(plan: Plan) -> list[Artifact]:
    """Artifacts of the plan's detectors that can learn. Raises UsageError when there are none."""
    store = Store.default()
    found = [store.get(name, plan.registry[name].info.version) for name in plan.detectors]
    fit = [a for a in found if a is not None and a.holds(HEAD_FILE) and a.holds(MEMORY_FILE)]
    if not fit:
        raise UsageError("no installed detector of this plan can be adapted")
    return fit


def curves(
    base: Artifact,
    items: Sequence[Item],
    protocol: Protocol,
    *,
    embed: Embed | None = None,
    cache: Path | None = None,
    sizes: Sequence[int] = SIZES,
    rounds: int = ROUNDS,
) -> list[Step]:
    """One curve for each generator and condition of `items`.

    Generators with fewer than twice `LEAST` pictures give none. Raises UsageError when there are
    photographs of one source only, or too few of them.
    """
    head, memory = opened(base)
    using = embed or embedder(base)
    known, unknown = _split_sources([i for i in items if i.label == 0], protocol.seed)
    steps = []

    def cases(chosen: Sequence[Item], conditions: Sequence[str]) -> Cases:
        sources = [(s, i.label == 1) for i in chosen if (s := _opened(i)) is not None]
        return embed_all(
            sources,
            using,
            conditions=conditions,
            cache=cache,
            model=base.sha256,
            seed=protocol.seed,
        )[0]

    for condition in protocol.conditions:
        for group in sorted({i.group for i in items if i.label == 1}):
            own = sorted((i for i in items if i.group == group), key=lambda i: i.key)
            random.Random(f"{protocol.seed} {group}").shuffle(own)
            if len(own) < 2 * LEAST:
                continue
            half = len(own) // 2
            train = cases([*own[half:], *known], CONDITIONS)
            test = cases([*own[:half], *unknown], [condition])
            for point in learning_curve(head, memory, train, test, sizes, rounds, protocol.seed):
                step = Step(
                    detector=base.card.detector,
                    artifact=base.sha256,
                    condition=condition,
                    group=group,
                    examples=point.examples,
                    auc=round(point.auc.value, 4),
                    auc_low=round(point.auc.low, 4),
                    auc_high=round(point.auc.high, 4),
                    tpr=round(point.tpr.value, 4),
                    tpr_low=round(point.tpr.low, 4),
                    tpr_high=round(point.tpr.high, 4),
                    elsewhere=round(point.elsewhere, 4),
                    n_for=test.count(True),
                    n_against=test.count(False),
                )
                steps.append(step)
    return steps


def _split_sources(pristine: Sequence[Item], seed: int) -> tuple[list[Item], list[Item]]:
    """Photographs given with the examples, and those of the test: never of one source."""
    groups = sorted({i.group for i in pristine})
    random.Random(seed).shuffle(groups)
    first = set(groups[::2])
    sides = [i for i in pristine if i.group in first], [i for i in pristine if i.group not in first]
    if min(map(len, sides)) < LEAST:
        raise UsageError(f"two sources of at least {LEAST} photographs are needed")
    return sides


def _opened(item: Item) -> Source | None:
    try:
        return datasets.source(item)
    except InputError:
        return None


def write(path: Path, steps: Sequence[Step]) -> None:
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, COLUMNS)
        writer.writeheader()
        writer.writerows(asdict(step) for step in steps)


def read(path: Path) -> list[Step]:
    """Raises InputError for what is no file of learning curves."""
    try:
        with path.open(encoding="utf-8", newline="") as stream:
            return [_step(row) for row in csv.DictReader(stream)]
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise InputError(f"{path}: not a file of learning curves: {error}") from error


def _step(row: dict[str, Any]) -> Step:
    whole = ("examples", "n_for", "n_against")
    broken = ("auc", "auc_low", "auc_high", "tpr", "tpr_low", "tpr_high", "elsewhere")
    numbers = {k: int(row[k]) for k in whole} | {k: float(row[k]) for k in broken}
    return Step(**(row | numbers))


def page(protocol: str, steps: Sequence[Step], meta: Sequence[tuple[str, str]]) -> str:
    """Markdown: one table a detector and condition, generators in rows."""
    from tellsign.benchmark.tables import table

    parts = [
        "<!-- Written by `tellsign bench render`. -->\n"
        f"# {protocol}\n\n{table(('', ''), meta)}\n"
        "Each cell: AUC / TPR at 5 % FPR on pictures and sources of photographs that were not "
        f"among the examples; means over {ROUNDS} draws, in brackets the 95 % interval over the "
        "pictures of the test. Examples and the photographs given with them were laundered as "
        f"{', '.join(CONDITIONS)}.\n"
    ]
    for detector, condition in dict.fromkeys((s.detector, s.condition) for s in steps):
        here = [s for s in steps if (s.detector, s.condition) == (detector, condition)]
        sizes = sorted({s.examples for s in here})
        rows = []
        for group in dict.fromkeys(s.group for s in here):
            own = {s.examples: s for s in here if s.group == group}
            first = next(iter(own.values()))
            rows.append(
                (group, f"{first.n_for} + {first.n_against}", *(_cell(own.get(n)) for n in sizes))
            )
        means = [[s for s in here if s.examples == n] for n in sizes]
        elsewhere = [f"{sum(s.elsewhere for s in part) / len(part):.3f}" for part in means]
        rows.append(("AUC on the generators remembered", "", *elsewhere))
        heads = ("generator", "n of the test", *(f"{n} examples" for n in sizes))
        parts.append(f"## {detector}, `{condition}`\n\n{table(heads, rows)}")
    return "\n".join(parts)


def _cell(step: Step | None) -> str:
    if step is None:
        return "–"
    return (
        f"{step.auc:.3f} [{step.auc_low:.3f}, {step.auc_high:.3f}] / "
        f"{step.tpr:.2f} [{step.tpr_low:.2f}, {step.tpr_high:.2f}]"
    )
