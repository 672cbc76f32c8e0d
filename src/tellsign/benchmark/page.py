"""The page "What tellsign can and cannot tell", from the score files of runs alone.

Per run: the targets against what was measured, every generator, every detector, the pristine
sources accused, direction flips, what can be told without looking, and the failures by name.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from tellsign.benchmark.audit import BASELINES, ZERO_PIXEL
from tellsign.benchmark.failures import LISTED, PER_GROUP, Failure, Failures, failures
from tellsign.benchmark.metrics import Interval
from tellsign.benchmark.page_text import HOW_TO_READ, NOTHING_YET, opening
from tellsign.benchmark.run import CONCLUSION
from tellsign.benchmark.summary import (
    ALL,
    LEAST_PRISTINE,
    Found,
    summarise,
    worst,
)
from tellsign.benchmark.tables import LONGEST, Run, interval_text, table
from tellsign.errors import InputError
from tellsign.forge.launder import CONDITIONS
from tellsign.report.text import clean
from tellsign.types import Question

NONE = "–"
# The conditions that the targets are set for, then the others of the evaluation rules.
FIRST = ("norm", "web", "hard", *(c for c in CONDITIONS if c not in ("norm", "web", "hard")))
# Whatever HTML or Markdown could take for markup, bare addresses that become links included.
_MARKUP = re.compile(
    r"[&<>\"'#\\`*\[\]|~:@$]|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])|(?<=www)\.", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class Target:
    """What a metric of the conclusion should reach; `bounds` by condition."""

    metric: str
    name: str
    bounds: Mapping[str, float]
    least: bool  # else the bound is the most that is allowed
    counted: str  # what the number of cases counts

    def line(self, style: str, condition: str, interval: Interval | None) -> Line:
        n = NONE if interval is None else f"{interval.n} {self.counted}"
        return Line(self.name, style, self.bounds.get(condition), self.least, interval, n)


# The targets of version 0.2 for SYNTHETIC, set before anything was measured.
TARGETS = (
    Target(
        "auc", "mean AUC over generators", {"norm": 0.93, "web": 0.83, "hard": 0.76}, True,
        "generators",
    ),
    Target(
        "tpr_at_5", "mean TPR at 5 % FPR", {"norm": 0.65, "web": 0.42, "hard": 0.32}, True,
        "generators",
    ),
    Target(
        "balanced_accuracy", "balanced accuracy at the threshold fixed on train",
        {"norm": 0.84, "web": 0.75, "hard": 0.70}, True, "generators",
    ),
    Target("ece", "calibration error (ECE)", {"norm": 0.05}, False, "pictures"),
    Target("cllr", "cost of the ratios (Cllr)", {"norm": 0.5}, False, "pictures"),
)  # fmt: skip
# No condition excuses an accusation, so these hold wherever pictures were measured.
ACCUSED = Target(
    "fpr_moderate", "pristine pictures accused, mean over sources",
    dict.fromkeys(CONDITIONS, 0.02), False, "sources",
)  # fmt: skip
WORST = Target(
    "fpr_moderate", f"pristine pictures accused, worst source of n ≥ {LEAST_PRISTINE}",
    dict.fromkeys(CONDITIONS, 0.06), False, "pictures",
)  # fmt: skip
ZERO = Target(
    "auc", "AUC of the zero-pixel baseline", dict.fromkeys(("norm", "web", "hard"), 0.55), False,
    "generators",
)  # fmt: skip
UNBOUND = (
    Target("ece_chance", "ECE of ratios without error, by chance", {}, False, "pictures"),
    Target(
        "detected_moderate", "generated pictures found, mean over generators", {}, True,
        "generators",
    ),
    Target("coverage", "share of all pictures it spoke on", {}, True, "pictures"),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Line:
    """One row of a table of targets."""

    name: str
    style: str
    bound: float | None
    least: bool
    interval: Interval | None
    counted: str
    strict: bool = False  # silence counted as undecided; told beside, not counted in the summary

    @property
    def outcome(self) -> Literal["no target", "not measured", "met", "missed"]:
        if self.bound is None:
            return "no target"
        if self.interval is None:
            return "not measured"
        return "met" if self._gap(self.bound, self.interval) <= 0 else "missed"

    @property
    def verdict(self) -> str:
        """Met, or missed by how much, and whether the interval lies on both sides of the bound."""
        bound, interval = self.bound, self.interval
        if bound is None or interval is None:
            return self.outcome
        astride = interval.low < bound < interval.high
        if self.outcome == "met":
            return "met, though the interval reaches past it" if astride else "met"
        gap = self._gap(bound, interval)
        size = f"{gap:.3f}" if gap >= 0.0005 else "less than 0.001"
        return f"**missed by {size}**" + (", though the interval reaches it" if astride else "")

    def _gap(self, bound: float, interval: Interval) -> float:
        return bound - interval.value if self.least else interval.value - bound


def plain(text: str, limit: int = 80) -> str:
    """A string of a file as Markdown and HTML show it letter by letter; nothing in it is markup.

    Character references never take part in markup (CommonMark 0.31, section 2.5).
    """
    return _MARKUP.sub(lambda m: f"&#{ord(m[0])};", clean(text, limit))


# --- the page ----------------------------------------------------------------------------------


def render(every: Sequence[Sequence[Run]], command: str) -> str:
    """Markdown of one or more runs, each as `tables.load` gives it.

    Without a run it is the opening alone. Raises InputError for a run without a conclusion, or of
    another question.
    """
    views = [_View.of(runs) for runs in every]
    if not views:
        return f"{opening()}\n{NOTHING_YET}"
    parts = [opening(), _in_short(views), HOW_TO_READ]
    for view in views:
        parts += view.parts()
    parts.append(_commands(views, command))
    return "\n".join(parts).rstrip() + "\n"


def _in_short(views: Sequence[_View]) -> str:
    rows = []
    for view in views:
        for condition in view.conditions:
            lines = [line for line in view.lines(condition) if not line.strict]
            told = Counter(line.outcome for line in lines)
            counts = (str(told["met"]), str(told["missed"]), str(told["not measured"]))
            rows.append((view.name, view.split, plain(condition), *counts))
    heads = ("run", "split", "condition", "targets met", "missed", "not measured")
    return f"## In short\n\n{table(heads, rows)}"


def _commands(views: Sequence[_View], command: str) -> str:
    lines = [clean(str(v.run.meta.get("command", "")), LONGEST) for v in views]
    block = "\n".join(f"    {line}" for line in (*lines, clean(command, LONGEST)) if line)
    return f"## The commands\n\n{block}\n"


@dataclass(frozen=True, slots=True)
class _View:
    """One run, ready to be told."""

    run: Run  # the conclusion
    baselines: tuple[Run, ...]
    detectors: tuple[Run, ...]  # the conclusion last
    strict: tuple[Found, ...]  # the conclusion's metrics, silence counted as a ratio of one
    failed: Failures

    @classmethod
    def of(cls, runs: Sequence[Run]) -> _View:
        run = next((r for r in runs if r.name == CONCLUSION), None)
        if run is None:
            raise InputError("a run without a conclusion; `tellsign bench run` writes one")
        if run.meta["settings"].get("question") != Question.SYNTHETIC:
            raise InputError(f"{run.meta['protocol']}: not a run of the question synthetic")
        return cls(
            run,
            tuple(r for r in runs if r.name in BASELINES),
            tuple(r for r in runs if r.name not in BASELINES),
            tuple(_strict(run)),
            failures(run),
        )

    @property
    def name(self) -> str:
        return plain(str(self.run.meta["protocol"]))

    @property
    def split(self) -> str:
        return plain(str(self.run.meta["settings"]["split"]))

    @property
    def conditions(self) -> list[str]:
        there = list(dict.fromkeys(r.condition for r in self.run.rows))
        return [*(c for c in FIRST if c in there), *(c for c in there if c not in FIRST)]

    @property
    def datasets(self) -> list[str]:
        return sorted({r.dataset for r in self.run.rows if r.label == 1}, reverse=True)

    @property
    def apart(self) -> Sequence[str]:
        found: Sequence[str] = self.run.meta["settings"].get("apart", ())
        return found

    def parts(self) -> Iterator[str]:
        yield self._head()
        yield from (self._targets(c) for c in self.conditions)
        yield from (self._generators(d, c) for d in self.datasets for c in self.conditions)
        condition = self.conditions[0]  # norm, where it was measured
        yield from (self._cross(d, condition) for d in self.datasets)
        yield self._sources()
        yield self._flips()
        yield self._audit()
        yield self._failures()

    def _head(self) -> str:
        meta, settings = self.run.meta, self.run.meta["settings"]
        counts = []
        for label, what in ((1, "generated"), (0, "pristine")):
            mine = [r for r in self.run.rows if r.label == label]
            pictures = len({(r.group, r.key) for r in mine})
            groups = len({r.group for r in mine})
            counts.append(f"{pictures} {what} pictures of {groups} groups")
        note = ""
        if settings["split"] != "devtest":
            note = (
                "\nSettings, thresholds and calibrations were chosen on pictures of this split, so "
                "these figures flatter. Only a run on `devtest` decides whether a target is met.\n"
            )
        return (
            f"## {self.name}, split {self.split}\n\n{plain(str(settings['description']), 200)} "
            f"{' and '.join(counts)}; commit {plain(str(meta.get('commit') or 'unknown'))}.\n{note}"
        )

    def found(
        self, run: Run, metric: str, condition: str, group: str = ALL, dataset: str | None = None
    ) -> Interval | None:
        return _lookup(run.found, metric, condition, group, dataset)

    # --- targets ---

    def lines(self, condition: str) -> list[Line]:
        lines = []
        for target in (*TARGETS, *UNBOUND):
            for dataset in self.datasets:
                style = _style(dataset)
                interval = self.found(self.run, target.metric, condition, ALL, dataset)
                lines.append(target.line(style, condition, interval))
                strict = _lookup(self.strict, target.metric, condition, ALL, dataset)
                if strict is not None and target in TARGETS[:3]:
                    line = target.line(style, condition, strict)
                    name = f"{target.name}, silence counted as undecided"
                    lines.append(replace(line, name=name, strict=True))
        interval = self.found(self.run, ACCUSED.metric, condition)
        line = ACCUSED.line(NONE, condition, interval)
        if interval:
            line = replace(line, counted=f"{line.counted}, {self._accused(condition)} pictures")
        lines.append(line)
        bad = worst(self.run.found, WORST.metric, condition)
        line = WORST.line(NONE, condition, bad.interval if bad else None)
        if bad:
            line = replace(line, counted=f"{line.counted} of {plain(bad.group)}")
        lines.append(line)
        for baseline in (b for b in self.baselines if b.name == ZERO_PIXEL):
            for dataset in self.datasets:
                interval = self.found(baseline, "auc", condition, ALL, dataset)
                lines.append(ZERO.line(_style(dataset), condition, interval))
        return lines

    def _accused(self, condition: str) -> str:
        """Pooled count: a mean of noughts has no interval that tells how few they were."""
        rows = [
            r
            for r in self.run.rows
            if r.condition == condition and r.label == 0 and r.status != "failed"
        ]
        rows = [r for r in rows if r.group not in self.apart]
        moderate = self.run.meta["moderate"]
        return f"{sum(r.llr is not None and r.llr >= moderate for r in rows)} of {len(rows)}"

    def _targets(self, condition: str) -> str:
        rows = []
        for line in self.lines(condition):
            sign = "≥" if line.least else "≤"
            bound = NONE if line.bound is None else f"{sign} {line.bound:g}"
            measured = NONE if line.interval is None else interval_text(line.interval)
            rows.append((line.name, line.style, bound, measured, line.counted, line.verdict))
        heads = ("what", "style", "target", "measured", "n", "")
        return f"### {plain(condition)}: targets and what was measured\n\n{table(heads, rows)}"

    # --- generators, detectors, sources ---

    def _generators(self, dataset: str, condition: str) -> str:
        rows = []
        for group in self._groups(dataset, condition):
            told = [
                self.found(self.run, m, condition, group, dataset)
                for m in ("auc", "tpr_at_5", "detected_moderate", "coverage")
            ]
            cells = [NONE if i is None else interval_text(i) for i in told[:3]]
            n = told[3].n if told[3] else 0
            spoke = f"{told[3].value:.0%}" if told[3] else NONE
            area = told[0].value if told[0] else -1.0
            rows.append((area, (plain(group), str(n), spoke, *cells)))
        if not rows:
            return ""
        title = f"### {plain(condition)}: generators, {_style(dataset)}, the weakest first"
        heads = ("generator", "n", "spoke on", "AUC", "TPR at 5 % FPR", "found")
        return f"{title}\n\n{table(heads, (row for _, row in sorted(rows)))}"

    def _groups(self, dataset: str, condition: str) -> list[str]:
        rows = (r for r in self.run.rows if (r.dataset, r.condition) == (dataset, condition))
        return sorted({r.group for r in rows if r.label == 1})

    def _cross(self, dataset: str, condition: str) -> str:
        groups = self._groups(dataset, condition)
        if not groups:
            return ""
        rows = []
        for group in (*groups, ALL):
            told = [self.found(d, "auc", condition, group, dataset) for d in self.detectors]
            rows.append((plain(group) or "mean", *(f"{i.value:.2f}" if i else NONE for i in told)))
        told = [self.found(d, "coverage", condition, ALL, dataset) for d in self.detectors]
        rows.append(("spoke on", *(f"{i.value:.0%}" if i else NONE for i in told)))
        title = f"### {plain(condition)}: AUC of every detector, {_style(dataset)}"
        return f"{title}\n\n{table(('generator', *(plain(d.name) for d in self.detectors)), rows)}"

    def _sources(self) -> str:
        rows = []
        for group in sorted({r.group for r in self.run.rows if r.label == 0}):
            told = [self.found(self.run, "fpr_moderate", c, group) for c in self.conditions]
            there = [i for i in told if i]
            name = plain(group) + (" (apart)" if group in self.apart else "")
            most = max((i.value for i in there), default=-1.0)
            n = str(max((i.n for i in there), default=0))
            cells = (interval_text(i) if i else NONE for i in told)
            rows.append((-most, name, (name, n, *cells)))
        heads = ("source", "n", *map(plain, self.conditions))
        body = table(heads, (row for _, _, row in sorted(rows)))
        moderate = self.run.meta.get("moderate")
        return (
            "### Pristine sources: share of pictures accused\n\n"
            f"Accused means log10 LR of {moderate} or more. Sources marked *apart* are in no "
            f"average.\n\n{body}"
        )

    def _flips(self) -> str:
        """Counts for every detector; by name what no chance explains, and the conclusion's."""
        counts, rows = [], []
        for run in self.detectors:
            cells = []
            for condition in self.conditions:
                areas = [
                    f
                    for f in run.found
                    if (f.metric, f.condition) == ("auc", condition) and f.group != ALL
                ]
                below = [f for f in areas if f.interval.value < 0.5]
                clear = [f for f in below if f.interval.high < 0.5]
                cells.append(f"{len(below)} of {len(areas)}, {len(clear)} clear")
                for f in below if run.name == CONCLUSION else clear:
                    names = (run.name, _style(f.dataset), condition, f.group)
                    rows.append((*map(plain, names), interval_text(f.interval)))
            counts.append((plain(run.name), *cells))
        heads = ("detector", *map(plain, self.conditions))
        listed = table(("detector", "style", "condition", "generator", "AUC"), rows)
        return (
            "### Direction flips\n\nGenerators whose pictures look *less* generated than pristine "
            "ones (AUC below 0.5); clear where the whole interval lies below.\n\n"
            f"{table(heads, counts)}\n"
            + (
                f"The clear ones, and all of the conclusion:\n\n{listed}"
                if rows
                else "None is clear, and the conclusion has none.\n"
            )
        )

    def _audit(self) -> str:
        rows = [
            (plain(run.name), _style(dataset), *self._areas(run, dataset))
            for run in (*self.baselines, self.run)
            for dataset in self.datasets
        ]
        return (
            "### What can be told without looking\n\nMean AUC of classifiers that see only the "
            "size, shape and format of a file, or the picture shrunk to 16 x 16 pixels, beside the "
            "conclusion. Where they come near, a figure above says little about generation.\n\n"
            f"{table(('who', 'style', *map(plain, self.conditions)), rows)}"
        )

    def _areas(self, run: Run, dataset: str) -> list[str]:
        told = [self.found(run, "auc", c, ALL, dataset) for c in self.conditions]
        return [interval_text(i) if i else NONE for i in told]

    # --- failures ---

    def _failures(self) -> str:
        f = self.failed
        return (
            "### Failures by name\n\n"
            f"Each picture once, in its worst condition; at most {PER_GROUP} of a group and "
            f"{LISTED} in all.\n\n"
            f"Pristine pictures most strongly accused: {f.accused_pictures} of {f.pristine} had "
            f"moderate or stronger support for generation in some condition.\n\n"
            f"{_named(f.accused, 'source')}\n"
            f"Generated pictures most strongly cleared: {f.cleared_pictures} of {f.generated} had "
            f"moderate or stronger support against generation in some condition.\n\n"
            f"{_named(f.cleared, 'generator')}"
        )


def _named(listed: Iterable[Failure], kind: str) -> str:
    rows = [
        (plain(f.key), plain(f.group), _style(f.dataset), plain(f.condition), f"{f.ratio:+.2f}")
        for f in listed
    ]
    if not rows:
        return "None.\n"
    return table(("picture", kind, "style", "condition", "log10 LR"), rows)


def _lookup(
    found: Iterable[Found], metric: str, condition: str, group: str, dataset: str | None
) -> Interval | None:
    for f in found:
        same = (f.metric, f.condition, f.group) == (metric, condition, group)
        if same and dataset in (None, f.dataset):
            return f.interval
    return None


def _strict(run: Run) -> list[Found]:
    """Metrics with a ratio of one where the conclusion was silent; nothing where it never was.

    A method must not look better by speaking on easy pictures only.
    """
    if all(r.score is not None for r in run.rows):
        return []
    rows = [
        r if r.score is not None else replace(r, score=0.0, llr=0.0, status="ok") for r in run.rows
    ]
    meta = run.meta
    return summarise(
        rows, apart=meta["settings"].get("apart", ()), thresholds=meta.get("thresholds_used")
    )


def _style(dataset: str) -> str:
    return plain(dataset.rsplit("/", 1)[-1])
