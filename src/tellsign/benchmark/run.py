"""Carry a protocol out: choose, launder, audit, examine, write score files.

Order matters: the audit's baselines stand in the folder before any detector is asked. What was
laundered or scored before, under the same content, plan and code, is not done again.
"""

from __future__ import annotations

import json
import os
import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from tellsign import __version__
from tellsign.artifacts.store import Store
from tellsign.benchmark import audit, datasets, pool, prepare, protocols, scores, scoring
from tellsign.benchmark.datasets import Item
from tellsign.benchmark.kept import PASSING, Kept, name_of
from tellsign.benchmark.prepare import Prepared, Wanted
from tellsign.benchmark.protocols import DEVTEST, Protocol
from tellsign.benchmark.scores import ScoreRow
from tellsign.benchmark.summary import thresholds
from tellsign.errors import InputError, UsageError
from tellsign.plan import Plan

if TYPE_CHECKING:
    from tellsign.benchmark.leave_one_out import Described, Method

CONCLUSION, ADAPTATION = "conclusion", "adaptation"
SCORES, META = ".scores.csv", ".meta.json"
T = TypeVar("T")
Tell = Callable[[str], None]


@dataclass(frozen=True)
class Order:
    """What the command line asked for."""

    protocol: Protocol
    data: tuple[Path, ...]
    out: Path
    runs: Path
    workers: int
    command: str
    thresholds: Path | None = None  # a run on train


@dataclass(frozen=True, slots=True)
class Pictures:
    """Every chosen picture under every condition."""

    items: tuple[Item, ...]
    prepared: Mapping[tuple[int, str], Prepared]  # number of the item, condition
    left_out: Mapping[str, int]


def run(order: Order, plan: Plan, tell: Tell) -> None:
    """Write the score and meta files of every detector of the plan, and of the conclusion.

    Raises UsageError, InputError for what makes the whole run impossible; a picture that cannot
    be used gives rows that say ``failed``.
    """
    if not any(plan.registry[n].info.question is order.protocol.question for n in plan.detectors):
        raise UsageError(f"no detector asks the question {order.protocol.question}")
    fixed = _fixed(order)
    kept = Kept(order.runs)
    try:
        pictures = lay_out(order, kept, tell)
        write_audit(order, pictures, tell)
        found = examine(order, plan, pictures, kept, tell)
    finally:
        kept.close()
    for name in (*plan.detectors, CONCLUSION):
        rows = _rows(order.protocol, pictures, found, name)
        meta = _meta(order, plan, pictures, rows, name) | _cost(found.values(), name)
        if order.protocol.split != DEVTEST:
            meta["thresholds"] = thresholds(rows, order.protocol.apart)
        meta["thresholds_used"] = fixed.get(name, {})
        _write(order.out, name, rows, meta)
        tell(f"{name}: {coverage_text(rows)}")


def run_adaptation(order: Order, plan: Plan, tell: Tell) -> None:
    """Write the learning curves of every detector of the plan that can be adapted.

    Raises UsageError when there is none, or the data does not suffice.
    """
    from tellsign.benchmark import adaptation

    bases = adaptation.adaptable(plan)
    kept = Kept(order.runs)
    try:
        items, left_out = _choose(order, kept, tell)
    finally:
        kept.close()
    steps = []
    for base in bases:
        tell(f"{base.label}: learning curves")
        steps += adaptation.curves(base, items, order.protocol, cache=order.runs / "embeddings")
    adaptation.write(order.out / adaptation.FILE, steps)
    meta = _head(order, Pictures(items, {}, left_out), []) | {"detector": ADAPTATION}
    (order.out / f"{ADAPTATION}{META}").write_text(json.dumps(meta, indent=1) + "\n", "utf-8")


def run_leave_one_out(order: Order, plan: Plan, tell: Tell) -> None:
    """Write score and meta files of heads that were fitted without each generator in turn.

    Raises UsageError when no detector of the plan has such a head, or the data does not suffice.
    """
    from tellsign.benchmark import leave_one_out

    if order.thresholds is not None:
        raise UsageError("heads fitted here have no threshold of another run")
    methods = leave_one_out.methods(plan)
    kept = Kept(order.runs)
    try:
        pictures = lay_out(order, kept, tell)
        sides = leave_one_out.deal(pictures.items, order.protocol.apart, order.protocol.seed)
        write_audit(order, pictures, tell)
        found = _describe(order, methods, pictures, kept, tell)
    finally:
        kept.close()
    for method in methods:
        name = method.detector
        mine = {key: described[name] for key, described in found.items()}
        scored = leave_one_out.scored(mine, pictures.items, order.protocol.apart, sides, tell)
        rows = _rows(
            order.protocol, pictures, {k: _alone(name, v) for k, v in scored.items()}, name
        )
        meta = _meta(order, plan, pictures, rows, name)
        groups = sorted({r.group for r in rows})
        meta |= {"refitted": method.told, "trained_on": method.trained_on(groups)}
        _write(order.out, name, rows, meta)
        tell(f"{name}: {coverage_text(rows)}")


def _alone(name: str, outcome: Mapping[str, Any]) -> scoring.Scored:
    return {"detectors": {name: outcome}}


def _describe(
    order: Order, methods: Sequence[Method], pictures: Pictures, kept: Kept, tell: Tell
) -> dict[tuple[int, str], Described]:
    from tellsign.benchmark import leave_one_out

    detectors = tuple(m.detector for m in methods)
    digests = [(m.detector, m.digest) for m in methods]
    names = {
        key: name_of("described", p["sha256"], digests)
        for key, p in pictures.prepared.items()
        if "error" not in p
    }
    known = kept.many(set(names.values()))
    todo = {
        name: leave_one_out.Task(p["path"], p["sha256"], detectors)
        for key, name in names.items()
        if name not in known and (p := pictures.prepared[key])
    }
    waiting = list(todo)
    results = pool.run(leave_one_out.describe, [todo[n] for n in waiting], order.workers)
    for number, value in _counted(results, len(waiting), "described", tell):
        known[waiting[number]] = value or leave_one_out.failed(detectors, "crashed")
        if value and PASSING.isdisjoint(told["code"] for told in value.values()):
            kept.keep(waiting[number], value)
    return {
        key: known[names[key]] if key in names else leave_one_out.failed(detectors, p["error"])
        for key, p in pictures.prepared.items()
    }


def run_audit(order: Order, tell: Tell) -> None:
    """The baselines only."""
    kept = Kept(order.runs)
    try:
        write_audit(order, lay_out(order, kept, tell), tell)
    finally:
        kept.close()


# --- pictures ----------------------------------------------------------------------------------


def lay_out(order: Order, kept: Kept, tell: Tell) -> Pictures:
    """Choose, drop near duplicates, launder."""
    items, left_out = _choose(order, kept, tell)
    return Pictures(items, _launder(items, order, kept, tell), left_out)


def _choose(order: Order, kept: Kept, tell: Tell) -> tuple[tuple[Item, ...], dict[str, int]]:
    protocol = order.protocol
    choice = datasets.Choice(
        protocol.question,
        protocol.split,
        protocol.groups,
        protocol.without,
        protocol.styles,
        protocol.per_group,
        protocol.least_side,
        protocol.seed,
    )
    chosen = datasets.choose(order.data, choice)
    _folder(order.out)
    near = datasets.near_duplicates(chosen.items, _hashes(chosen.items, order, kept, tell))
    items = tuple(i for i in chosen.items if i.name not in near)
    return items, {**chosen.left_out, **({"near duplicate": len(near)} if near else {})}


def _hashes(items: Sequence[Item], order: Order, kept: Kept, tell: Tell) -> dict[str, int]:
    names = {name_of("phash", i.name): i for i in items}
    known = kept.many(names)
    todo = [n for n in names if n not in known]
    with_progress = _counted(
        pool.run(prepare.fingerprint, [names[n] for n in todo], order.workers),
        len(todo), "compared", tell,
    )  # fmt: skip
    for number, value in with_progress:
        known[todo[number]] = value
        if value is not None:
            kept.keep(todo[number], value)
    return {names[n].name: v for n, v in known.items() if v is not None}


def _launder(
    items: Sequence[Item], order: Order, kept: Kept, tell: Tell
) -> dict[tuple[int, str], Prepared]:
    protocol = order.protocol
    wanted: dict[int, list[Wanted]] = {n: [] for n in range(len(items))}
    for condition in protocol.conditions:
        sizes = prepare.frames(items, condition, protocol.sizes, protocol.seed)
        for number, frame in enumerate(sizes):
            wanted[number].append(Wanted(condition, frame))
    names = {
        (n, w.condition): prepare.kept_name(items[n], w, protocol.seed)
        for n, every in wanted.items()
        for w in every
    }
    known = {name: value for name, value in kept.many(names.values()).items() if _there(value)}
    tasks, numbers = [], []
    for n, every in wanted.items():
        missing = tuple(w for w in every if names[n, w.condition] not in known)
        if missing:
            tasks.append(prepare.Task(items[n], missing, protocol.seed, kept.files.resolve()))
            numbers.append(n)
    results = pool.run(prepare.prepare, tasks, order.workers)
    for position, values in _counted(results, len(tasks), "laundered", tell):
        crashed: Prepared = {"error": "crashed"}
        n, missing = numbers[position], tasks[position].wanted
        for w, value in zip(missing, values or [crashed] * len(missing), strict=True):
            known[names[n, w.condition]] = value
            if values is not None and value.get("error") not in PASSING:
                kept.keep(names[n, w.condition], value)
    return {key: known[name] for key, name in names.items()}


def _there(value: Prepared) -> bool:
    return "error" in value or Path(value["path"]).is_file()


# --- audit -------------------------------------------------------------------------------------


def write_audit(order: Order, pictures: Pictures, tell: Tell) -> None:
    """Score files of the baselines, in the form of a detector's."""
    for name in audit.BASELINES:
        rows: list[ScoreRow] = []
        for condition in order.protocol.conditions:
            rows += _baseline(order.protocol, pictures, name, condition)
        meta = _head(order, pictures, rows) | {"detector": name, "version": "1", "artifact": None}
        _write(order.out, name, rows, meta)
        tell(f"audit, {name}: {coverage_text(rows)}")


def _baseline(protocol: Protocol, pictures: Pictures, name: str, condition: str) -> list[ScoreRow]:
    there = [
        (item, p)
        for n, item in enumerate(pictures.items)
        if "error" not in (p := pictures.prepared[n, condition])
        and not (item.label == 0 and item.group in protocol.apart)
    ]
    if not there:
        return []
    features = audit.features_of(name, [p for _, p in there])
    labels = np.array([i.label == 1 for i, _ in there], bool)
    groups = np.array([i.group for i, _ in there], str)
    values = audit.held_out_scores(features, labels, groups, audit.RIDGE[name], protocol.seed)
    return [
        ScoreRow(
            dataset=dataset_of(protocol, item),
            key=item.key,
            group=item.group,
            condition=condition,
            label=item.label,
            score=None if values is None else float(values[n]),
            llr=None,
            status="abstained" if values is None else "ok",
            code="too_few_groups" if values is None else "",
        )
        for n, (item, _) in enumerate(there)
    ]


def dataset_of(protocol: Protocol, item: Item) -> str:
    """Protocol and style: pictures that look like photographs and art are told apart."""
    return f"{protocol.name}/{item.style}"


# --- scores ------------------------------------------------------------------------------------

Found = dict[tuple[int, str], scoring.Scored]


def examine(order: Order, plan: Plan, pictures: Pictures, kept: Kept, tell: Tell) -> Found:
    names = {
        key: name_of("scored", p["sha256"], plan.digest, str(order.protocol.question))
        for key, p in pictures.prepared.items()
        if "error" not in p
    }
    known = kept.many(set(names.values()))
    todo = {
        name: scoring.Task(p["path"], p["sha256"], plan, order.protocol.question)
        for key, name in names.items()
        if name not in known and (p := pictures.prepared[key])
    }
    waiting = list(todo)
    results = pool.run(scoring.score, [todo[n] for n in waiting], order.workers)
    for number, value in _counted(results, len(waiting), "examined", tell):
        known[waiting[number]] = value or scoring.failed(plan.detectors, "crashed")
        if value and PASSING.isdisjoint(o["code"] for o in value["detectors"].values()):
            kept.keep(waiting[number], value)
    return {
        key: known[names[key]] if key in names else scoring.failed(plan.detectors, p["error"])
        for key, p in pictures.prepared.items()
    }


def _rows(protocol: Protocol, pictures: Pictures, found: Found, name: str) -> list[ScoreRow]:
    rows = []
    for (number, condition), scored in sorted(found.items()):
        item = pictures.items[number]
        outcome = _concluded(scored) if name == CONCLUSION else scored["detectors"][name]
        rows.append(
            ScoreRow(
                dataset=dataset_of(protocol, item),
                key=item.key,
                group=item.group,
                condition=condition,
                label=item.label,
                score=outcome["score"],
                llr=outcome["llr"],
                status=outcome["status"],
                code=outcome["code"],
            )
        )
    return rows


def _concluded(scored: scoring.Scored) -> dict[str, Any]:
    llr = scored["conclusion"]
    if llr is not None:
        return {"status": "ok", "score": llr, "llr": llr, "code": ""}
    status = "failed" if scored["error"] else "abstained"
    return {"status": status, "score": None, "llr": None, "code": scored["error"] or "no_ratio"}


# --- what stands beside the scores -------------------------------------------------------------


def _head(order: Order, pictures: Pictures, rows: Sequence[ScoreRow]) -> dict[str, Any]:
    protocol = order.protocol
    return {
        "protocol": protocol.name,
        "settings": protocols.as_mapping(protocol),
        "seed": protocol.seed,
        "tool": __version__,
        "commit": commit(),
        "command": order.command,
        "created": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "left_out": dict(pictures.left_out),
        "coverage": {
            c: round(coverage([r for r in rows if r.condition == c]), 4)
            for c in protocol.conditions
        },
    }


def _meta(
    order: Order, plan: Plan, pictures: Pictures, rows: Sequence[ScoreRow], name: str
) -> dict[str, Any]:
    from tellsign.benchmark import leave_one_out

    meta = _head(order, pictures, rows)
    meta |= {"detector": name, "plan": plan.digest, "moderate": plan.policy.moderate}
    if order.thresholds is not None:
        meta["thresholds_from"] = order.thresholds.name
    if name == CONCLUSION:
        return meta | {"version": __version__, "artifact": None}
    info = plan.registry[name].info
    found = Store.default().get(name, info.version)
    return meta | {
        "version": info.version,
        "code_sha256": info.code_sha256,
        "artifact": found.sha256 if found else None,
        "learned_from": leave_one_out.learned_from(found, {r.group for r in rows}),
    }


def _cost(found: Iterable[scoring.Scored], name: str) -> dict[str, Any]:
    """Seconds a picture, and the most memory a process held that examined one at a time."""
    every = list(found)
    told = [s["seconds"] if name == CONCLUSION else s["detectors"][name]["seconds"] for s in every]
    seconds = sorted(v for v in told if v is not None)
    peaks = [s["peak"] for s in every if s["peak"] is not None]
    if not seconds:
        return {"seconds": None, "peak_mb": None}
    last = seconds[min(len(seconds) - 1, int(0.95 * len(seconds)))]
    return {
        "seconds": {"median": round(statistics.median(seconds), 4), "p95": round(last, 4)},
        "peak_mb": max(peaks, default=None),
    }


def coverage(rows: Sequence[ScoreRow]) -> float:
    """Share of the pictures on which there is a score."""
    return sum(r.status == "ok" for r in rows) / len(rows) if rows else 0.0


def coverage_text(rows: Sequence[ScoreRow]) -> str:
    failed = sum(r.status == "failed" for r in rows)
    return f"spoke on {coverage(rows):.1%} of {len(rows)}, failed on {failed}"


def commit() -> str | None:
    """The commit this package was run from, when it lies in a repository."""
    root = Path(__file__).resolve().parents[3] / ".git"
    try:
        head = (root / "HEAD").read_text("utf-8").strip()
        if not head.startswith("ref: "):
            return head
        return (root / head[5:]).read_text("utf-8").strip()
    except OSError:
        return None


def _fixed(order: Order) -> dict[str, dict[str, float]]:
    """Detector -> condition -> threshold, chosen on the run that `thresholds` names."""
    if order.thresholds is None:
        return {}
    found = {}
    for path in sorted(order.thresholds.glob(f"*{META}")):
        meta = read_meta(path)
        if meta["settings"].get("kind") == "leave_one_out":
            raise UsageError(f"{order.thresholds}: scores of refitted heads choose no thresholds")
        if meta.get("settings", {}).get("split") == DEVTEST:
            raise UsageError(f"{order.thresholds}: a devtest run must not choose thresholds")
        found[meta["detector"]] = meta.get("thresholds", {})
    if not found:
        raise UsageError(f"{order.thresholds}: no run there; thresholds come from its meta files")
    return found


def read_meta(path: Path) -> dict[str, Any]:
    """Raises InputError for what is no meta file of a run."""
    try:
        meta: dict[str, Any] = json.loads(path.read_text("utf-8"))
        meta["detector"], meta["protocol"], meta["settings"]["split"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path}: not a meta file of a run: {error}") from error
    return meta


def _write(out: Path, name: str, rows: Sequence[ScoreRow], meta: Mapping[str, Any]) -> None:
    scores.write(out / f"{name}{SCORES}", rows)
    (out / f"{name}{META}").write_text(json.dumps(meta, indent=1) + "\n", "utf-8")


def _folder(path: Path) -> None:
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"{path}: {(error.strerror or 'cannot be made').lower()}") from None
    if not os.access(path, os.W_OK):
        raise UsageError(f"{path}: cannot be written to")


def _counted(
    results: Iterable[tuple[int, T]], total: int, what: str, tell: Tell
) -> Iterable[tuple[int, T]]:
    step = max(1, total // 10)
    for count, result in enumerate(results, 1):
        yield result
        if count % step == 0 or count == total:
            tell(f"{what} {count} of {total}")
