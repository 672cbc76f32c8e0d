"""Markdown tables and the tidy table of metrics of a run, from its score and meta files alone."""

from __future__ import annotations

import csv
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tellsign.benchmark import scores
from tellsign.benchmark.audit import BASELINES, LEAKS, ZERO_PIXEL
from tellsign.benchmark.metrics import Interval
from tellsign.benchmark.run import ADAPTATION, CONCLUSION, META, SCORES, read_meta
from tellsign.benchmark.scores import ScoreRow
from tellsign.benchmark.summary import (
    ALL,
    CALIBRATION,
    COLUMNS,
    LEAST_GENERATED,
    LEAST_PRISTINE,
    Found,
    Metric,
    summarise,
    worst,
)
from tellsign.errors import InputError
from tellsign.report.text import clean

TABLES, METRICS = "tables.md", "metrics"
LONGEST = 2000  # characters of a cell: a command stands whole, or nobody can run it again
HEADS: Mapping[str, str] = {
    "auc": "AUC",
    "ap": "AP",
    "tpr_at_5": "TPR at 5 % FPR",
    "tpr_at_1": "TPR at 1 % FPR",
    "eer": "EER",
    "balanced_accuracy": "balanced accuracy",
    "detected_moderate": "moderate or stronger",
}


@dataclass(frozen=True, slots=True)
class Run:
    """One detector's part of a run: what its two files say, and its metrics."""

    name: str
    meta: Mapping[str, Any]
    rows: tuple[ScoreRow, ...]
    found: tuple[Found, ...]

    def of(self, metric: str, condition: str, group: str, dataset: str | None = None) -> str:
        """The value with its interval, or a dash."""
        for f in self.found:
            same = (f.metric, f.condition, f.group) == (metric, condition, group)
            if same and dataset in (None, f.dataset):
                return interval_text(f.interval)
        return "–"

    def value(self, metric: str, condition: str, group: str, dataset: str) -> float | None:
        for f in self.found:
            if (f.metric, f.condition, f.group, f.dataset) == (metric, condition, group, dataset):
                return f.interval.value
        return None


def load(folder: Path) -> list[Run]:
    """Every detector of a run: baselines first, the conclusion last. Raises InputError."""
    runs = []
    for path in sorted(folder.glob(f"*{SCORES}")):
        name = path.name.removesuffix(SCORES)
        meta = read_meta(path.with_name(name + META))
        rows = tuple(scores.read(path))
        found = summarise(
            rows,
            apart=meta["settings"].get("apart", ()),
            thresholds=meta.get("thresholds_used"),
            moderate=meta.get("moderate"),
        )
        runs.append(Run(name, meta, rows, tuple(found)))
    if not runs:
        raise InputError(f"{folder}: no score files; `tellsign bench run` writes them")
    last = len(BASELINES)
    place = {name: n for n, name in enumerate(BASELINES)} | {CONCLUSION: last + 1}
    return sorted(runs, key=lambda r: (place.get(r.name, last), r.name))


def metrics(runs: Iterable[Run]) -> list[Metric]:
    return [
        Metric(
            detector=run.name,
            version=str(run.meta.get("version", "")),
            artifact=run.meta.get("artifact") or "",
            dataset=f.dataset,
            condition=f.condition,
            group=f.group,
            metric=f.metric,
            value=f.interval.value,
            ci_low=f.interval.low,
            ci_high=f.interval.high,
            n=f.interval.n,
            abstained=f.abstained,
            failed=f.failed,
            commit=run.meta.get("commit") or "",
        )
        for run in runs
        for f in run.found
    ]


def write_metrics(folder: Path, rows: Sequence[Metric]) -> Path:
    """One metric a row, as Parquet; as CSV where pyarrow is not installed."""
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError:
        path = folder / f"{METRICS}.csv"
        with path.open("w", encoding="utf-8", newline="") as stream:
            writer = csv.DictWriter(stream, COLUMNS)
            writer.writeheader()
            writer.writerows(asdict(row) for row in rows)
        return path
    path = folder / f"{METRICS}.parquet"
    pq.write_table(pa.Table.from_pylist([asdict(row) for row in rows]), path)
    return path


# --- the page ----------------------------------------------------------------------------------


def page(runs: Sequence[Run]) -> str:
    """Markdown of a whole run."""
    meta = runs[-1].meta
    settings = meta["settings"]
    conditions: list[str] = settings["conditions"]
    asked = [r for r in runs if r.name not in BASELINES]
    parts = [_head(runs[-1]), _learned(runs), _audit(runs, conditions)]
    if not asked:
        return "\n".join(parts)
    if settings["kind"] == "leave_one_out":
        parts.append(_refitted([r for r in asked if "refitted" in r.meta], conditions))
    if settings["kind"] == "sweep":
        parts.append(_across(asked, conditions))
    else:
        parts.append(_results(runs, asked, conditions))
    if settings["kind"] != "sweep":
        parts += [_generators(asked, c) for c in conditions]
    parts += [
        _false_alarms(asked, conditions),
        _calibration(asked, conditions),
        _flips(asked),
        _cost(asked),
    ]
    return "\n".join(p for p in parts if p)


def adaptation_page(folder: Path) -> str:
    """Markdown of a run of learning curves. Raises InputError."""
    from tellsign.benchmark import adaptation

    meta = read_meta(folder / f"{ADAPTATION}{META}")
    rows = [(k, str(meta.get(k))) for k in ("command", "tool", "commit")]
    return adaptation.page(meta["protocol"], adaptation.read(folder / adaptation.FILE), rows)


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = ["| " + " | ".join(heads) + " |", "|" + "---|" * len(heads)]
    lines += ["| " + " | ".join(_cell(c) for c in row) + " |" for row in rows]
    return "\n".join(lines) + "\n"


def _cell(text: str) -> str:
    return clean(text, LONGEST).replace("|", "\\|")


def interval_text(i: Interval) -> str:
    if i.low == i.high:
        return f"{i.value:.3f}"
    return f"{i.value:.3f} [{i.low:.3f}, {i.high:.3f}]"


def _head(run: Run) -> str:
    meta, settings = run.meta, run.meta["settings"]
    sources: dict[int, set[str]] = {0: set(), 1: set()}
    pictures: dict[int, set[tuple[str, str]]] = {0: set(), 1: set()}
    for row in run.rows:
        sources[row.label].add(row.group)
        pictures[row.label].add((row.group, row.key))
    left = ", ".join(f"{n} {why}" for why, n in meta.get("left_out", {}).items()) or "nothing"
    rows = [
        ("protocol", f"{meta['protocol']} ({settings['kind']}): {settings['description']}"),
        ("split", settings["split"]),
        ("positive", f"{len(pictures[1])} pictures of {len(sources[1])} groups"),
        ("pristine", f"{len(pictures[0])} pictures of {len(sources[0])} groups"),
        ("told apart", ", ".join(settings.get("apart", ())) or "none"),
        ("left out", left),
        ("sizes", settings.get("sizes", "own")),
        ("command", f"`{meta.get('command', '')}`"),
        ("tellsign", f"{meta.get('tool', '')}, commit {meta.get('commit') or 'unknown'}"),
    ]
    return (
        "<!-- Written by `tellsign bench render`. -->\n"
        f"# {clean(str(meta['protocol']))}\n\n{table(('', ''), rows)}\n"
        "Values in brackets are 95 % intervals: of one group by picture, of an average by group. "
        f"Each group counts once; averages are over generators with at least {LEAST_GENERATED} "
        "pictures on which the detector spoke.\n"
    )


def _learned(runs: Sequence[Run]) -> str:
    """Which detectors met groups of this run in training, as unseen ones they say nothing of."""
    lines = [
        f"- {run.name}: {', '.join(map(clean, groups))}"
        for run in runs
        if "refitted" not in run.meta and (groups := run.meta.get("learned_from"))
    ]
    if not lines:
        return ""
    return (
        "**Trained on groups of this run**, so that their figures say nothing of unseen generators "
        "(fits that left them out do, see docs/training.md):\n\n" + "\n".join(lines) + "\n"
    )


def _datasets(runs: Sequence[Run]) -> list[str]:
    return list(dict.fromkeys(r.dataset for run in runs for r in run.rows if r.label == 1))


def _audit(runs: Sequence[Run], conditions: Sequence[str]) -> str:
    baselines = [r for r in runs if r.name in BASELINES]
    if not baselines:
        return ""
    rows = [
        (run.name, dataset, *(run.of("auc", c, ALL, dataset) for c in conditions))
        for run in baselines
        for dataset in _datasets(runs)
    ]
    leaks = [
        f"{run.name} on {dataset} in {c}"
        for run in baselines
        if run.name == ZERO_PIXEL
        for dataset in _datasets(runs)
        for c in conditions
        if (run.value("auc", c, ALL, dataset) or 0.0) > LEAKS
    ]
    verdict = f"Above {LEAKS}, so these leak: {'; '.join(leaks)}.\n" if leaks else ""
    title = "## Audit: what can be told without looking\n\nMean AUC over generators.\n"
    return "\n".join([title, table(("baseline", "data", *conditions), rows), verdict])


def _results(runs: Sequence[Run], asked: Sequence[Run], conditions: Sequence[str]) -> str:
    baselines = {r.name: r for r in runs if r.name in BASELINES}
    parts = []
    for dataset in _datasets(runs):
        for condition in conditions:
            rows = []
            for run in asked:
                told = [run.of(m, condition, ALL, dataset) for m in HEADS]
                share = run.of("coverage", condition, ALL, dataset)
                beside = [b.value("auc", condition, ALL, dataset) for b in baselines.values()]
                rows.append((run.name, *told, share, *(_short(v) for v in beside)))
            heads = ("detector", *HEADS.values(), "coverage", *(f"AUC of {b}" for b in baselines))
            parts.append(f"## {dataset}, `{condition}`\n\n{table(heads, rows)}")
    return "\n".join(parts)


def _refitted(asked: Sequence[Run], conditions: Sequence[str]) -> str:
    """What was fitted again, and how it fares on generators that nothing before it had met."""
    told, rows = [], []
    for run in asked:
        every = {r.group for r in run.rows if r.label == 1}
        card = run.meta["trained_on"]
        sources = {r.group for r in run.rows if r.label == 0}
        met = "" if card is None else (
            f"; by the card with {len(sources & set(card))} of the {len(sources)} sources of "
            "photographs tested here"
        )  # fmt: skip
        told.append(f"- {run.name}: {clean(str(run.meta['refitted']))}{met}")
        parts = {"nothing was learned before": every} if card is None else {
            "learned with them, by the card": every & set(card),
            "learned without them, by the card": every - set(card),
        }  # fmt: skip
        for before, groups in parts.items():
            if groups:
                cells = [_mean_auc(run, c, groups) for c in conditions]
                rows.append((run.name, before, str(len(groups)), *map(_short, cells)))
    heads = ("detector", "description", "generators", *conditions)
    return (
        "## Heads fitted without each generator in turn\n\n"
        "A linear head was fitted to all other generators and half of the sources of photographs, "
        "and tested on the generator and the other half; both halves in turn. A score is the share "
        "of the photographs tested that the same head ranks lower. The head is fitted on:\n\n"
        + "\n".join(told)
        + "\n\nOnly the head was fitted again. Where the description was learned with a generator, "
        "its row is no evidence about unseen ones; where with the photographs, false alarms on "
        "others can be more. Mean AUC over generators, each counted once:\n\n" + table(heads, rows)
    )


def _mean_auc(run: Run, condition: str, groups: Collection[str]) -> float | None:
    values = [
        f.interval.value
        for f in run.found
        if (f.metric, f.condition) == ("auc", condition) and f.group in groups
    ]
    return sum(values) / len(values) if values else None


def _short(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}"


def _across(asked: Sequence[Run], conditions: Sequence[str]) -> str:
    parts = []
    for dataset in _datasets(asked):
        rows = [(f"`{c}`", *(run.of("auc", c, ALL, dataset) for run in asked)) for c in conditions]
        heads = ("treatment", *(run.name for run in asked))
        parts.append(f"## {dataset}: mean AUC by treatment\n\n{table(heads, rows)}")
    return "\n".join(parts)


def _generators(asked: Sequence[Run], condition: str) -> str:
    parts = []
    for dataset in _datasets(asked):
        names = sorted({f.group for r in asked for f in r.found if f.dataset == dataset} - {ALL})
        rows = []
        for group in names:
            cells = [_pair(run, condition, group, dataset) for run in asked]
            if any(c is not None for c in cells):
                n = len({r.key for r in asked[-1].rows if (r.group, r.dataset) == (group, dataset)})
                rows.append((group, str(n), *(c or "–" for c in cells)))
        if rows:
            title = f"## {dataset}, `{condition}`: each group, AUC / TPR at 5 % FPR (coverage)"
            parts.append(f"{title}\n\n{table(('group', 'n', *(r.name for r in asked)), rows)}")
    return "\n".join(parts)


def _pair(run: Run, condition: str, group: str, dataset: str) -> str | None:
    share = run.value("coverage", condition, group, dataset)
    if share is None:
        return None
    area = run.value("auc", condition, group, dataset)
    rate = run.value("tpr_at_5", condition, group, dataset)
    return f"{_short(area)} / {_short(rate)} ({share:.0%})"


def _false_alarms(asked: Sequence[Run], conditions: Sequence[str]) -> str:
    parts = []
    for metric, what in (
        ("fpr_moderate", "moderate or stronger support"),
        ("fpr_threshold", "a score above the threshold fixed beforehand"),
    ):
        for run in asked:
            mine = [f for f in run.found if f.metric == metric]
            if not mine:
                continue
            groups = sorted({f.group for f in mine} - {ALL})
            rows = [(g, *(run.of(metric, c, g) for c in conditions)) for g in groups]
            rows.append(("average", *(run.of(metric, c, ALL) for c in conditions)))
            bad = [worst(run.found, metric, c) for c in conditions]
            named = [f"{w.group} {w.interval.value:.3f}" if w else "–" for w in bad]
            rows.append((f"worst of n ≥ {LEAST_PRISTINE}", *named))
            title = f"## Pristine pictures accused by {run.name}: {what}"
            parts.append(f"{title}\n\n{table(('source', *conditions), rows)}")
    return "\n".join(parts)


def _calibration(asked: Sequence[Run], conditions: Sequence[str]) -> str:
    rows = [
        (run.name, dataset, c, *(run.of(m, c, ALL, dataset) for m in (*CALIBRATION, "ece_chance")))
        for run in asked
        for dataset in _datasets(asked)
        for c in conditions
        if run.of("cllr", c, ALL, dataset) != "–"
    ]
    heads = ("detector", "data", "condition", "Cllr", "Cllr_min", "ECE", "Brier", "NLL")
    told = "ECE is never below zero: its last column is what ratios without error would show here."
    chance = "ECE by chance"
    return f"## Calibration\n\n{told}\n\n{table((*heads, chance), rows)}" if rows else ""


def _flips(asked: Sequence[Run]) -> str:
    """Groups that a detector ranks below the pristine pictures: findings, not noise to hide."""
    found = [
        (run.name, f.dataset, f.condition, f.group, interval_text(f.interval))
        for run in asked
        for f in run.found
        if f.metric == "auc" and f.group != ALL and f.interval.value < 0.5
    ]
    if not found:
        return "## Direction flips\n\nNone.\n"
    heads = ("detector", "data", "condition", "group", "AUC")
    return f"## Direction flips (AUC below 0.5)\n\n{table(heads, found)}"


def _cost(asked: Sequence[Run]) -> str:
    rows = []
    for run in asked:
        seconds = run.meta.get("seconds") or {}
        told = [f"{seconds[k]:.3f}" if k in seconds else "–" for k in ("median", "p95")]
        peak = run.meta.get("peak_mb")
        shares = run.meta.get("coverage", {})
        least = f"{min(shares.values()):.1%}" if shares else "–"
        rows.append((run.name, *told, "–" if peak is None else f"{peak:.0f}", least))
    heads = (
        "detector", "seconds a picture, median", "95th percentile",
        "most memory of the process (MB)", "least coverage",
    )  # fmt: skip
    return (
        f"## Cost and coverage\n\n{table(heads, rows)}\n"
        "One picture at a time on one thread; the conclusion's row is the whole plan. The memory "
        "is that of a process that holds all detectors of the plan.\n"
    )
