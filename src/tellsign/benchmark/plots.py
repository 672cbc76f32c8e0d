"""Pictures of a run, from its files alone: ROC, reliability, Tippett, sweeps, learning curves.

Drawn with matplotlib (extra ``bench``); SVG without dates or random ids, so that a second rendering
gives the same bytes.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from tellsign.benchmark.adaptation import Step
from tellsign.benchmark.audit import BASELINES
from tellsign.benchmark.metrics import Ranking
from tellsign.benchmark.scores import ScoreRow
from tellsign.benchmark.summary import ALL
from tellsign.benchmark.tables import Run
from tellsign.calibration.assess import tippett
from tellsign.calibration.calibrators import balanced_weights
from tellsign.errors import MissingExtra

BINS = 15  # equal-mass bins of the reliability picture, as of the ECE
# Okabe and Ito (2008): told apart with every kind of colour vision.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
DASHES = ("-", "--", ":")
_STEP = re.compile(r"^(?P<family>[a-z]+)-(?P<number>[0-9.]+)(?:-(?P<kernel>[a-z]+))?$")


def draw(runs: Sequence[Run], folder: Path) -> list[Path]:
    """Write the pictures that these runs allow. Raises MissingExtra without matplotlib."""
    conditions: list[str] = runs[-1].meta["settings"]["conditions"]
    asked = [r for r in runs if r.name not in BASELINES]
    plots: dict[str, Callable[[Any], bool]] = {}
    for family in sorted({m["family"] for c in conditions if (m := _STEP.match(c))}):
        plots[f"sweep-{family}"] = partial(_sweep, asked, conditions, family)
    if runs[-1].meta["settings"]["kind"] != "sweep":
        for c in conditions:
            plots[f"roc-{c}"] = partial(_roc, runs, c)
            plots[f"reliability-{c}"] = partial(_reliability, asked, c)
            plots[f"tippett-{c}"] = partial(_tippett, asked, c)
    return _drawn(plots, folder)


def draw_curves(steps: Sequence[Step], folder: Path) -> list[Path]:
    """Write a picture of each detector's learning curves. Raises MissingExtra."""
    kinds = dict.fromkeys((s.detector, s.condition) for s in steps)
    plots: dict[str, Callable[[Any], bool]] = {
        f"learning-{detector}-{condition}": partial(
            _learning, [s for s in steps if (s.detector, s.condition) == (detector, condition)]
        )
        for detector, condition in kinds
    }
    return _drawn(plots, folder)


def _drawn(plots: Mapping[str, Callable[[Any], bool]], folder: Path) -> list[Path]:
    """One file for each picture that has something to show."""
    try:
        import matplotlib as mpl
        from matplotlib.figure import Figure
    except ImportError:
        raise MissingExtra("Plots", "bench") from None
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    with mpl.rc_context({"svg.hashsalt": "tellsign", "svg.fonttype": "none", "font.size": 9}):
        for name, plot in plots.items():
            figure = Figure(figsize=(5.2, 4.2), layout="constrained")
            axes = figure.subplots()
            if plot(axes):
                axes.spines[["top", "right"]].set_visible(False)
                axes.legend(frameon=False, fontsize=7)
                path = folder / f"{name}.svg"
                figure.savefig(path, format="svg", metadata={"Date": None, "Creator": "tellsign"})
                written.append(path)
    return written


def _style(number: int) -> dict[str, str]:
    colour = COLOURS[number % len(COLOURS)]
    return {"color": colour, "linestyle": DASHES[number // len(COLOURS) % len(DASHES)]}


def _compared(run: Run, condition: str) -> list[ScoreRow]:
    apart = run.meta["settings"].get("apart", ())
    return [
        r for r in run.rows if r.condition == condition and (r.label == 1 or r.group not in apart)
    ]


def _roc(runs: Sequence[Run], condition: str, axes: Any) -> bool:
    drawn = False
    for number, run in enumerate(runs):
        rows = [r for r in _compared(run, condition) if r.score is not None]
        labels = np.array([r.label == 1 for r in rows], bool)
        if not rows or labels.all() or not labels.any():
            continue
        groups = np.array([r.group for r in rows], str)
        weights = balanced_weights(labels, groups)[None]
        curve = Ranking.of(np.array([r.score for r in rows], float), labels).roc(weights)
        axes.plot(
            np.r_[0.0, curve.fpr[0]], np.r_[0.0, curve.tpr[0]], label=run.name, **_style(number)
        )
        drawn = True
    axes.plot([0, 1], [0, 1], color="0.7", linewidth=0.8)
    axes.set(xlabel="false positive rate", ylabel="true positive rate", title=f"ROC, {condition}")
    return drawn


def _rated(run: Run, condition: str) -> tuple[Any, Any, Any] | None:
    """Ratios, labels and weights, each group counting once; None without both classes."""
    rows = [r for r in _compared(run, condition) if r.llr is not None]
    labels = np.array([r.label == 1 for r in rows], bool)
    if not rows or labels.all() or not labels.any():
        return None
    groups = np.array([r.group for r in rows], str)
    return np.array([r.llr for r in rows], float), labels, balanced_weights(labels, groups)


def _reliability(runs: Sequence[Run], condition: str, axes: Any) -> bool:
    drawn = False
    for number, run in enumerate(runs):
        if (rated := _rated(run, condition)) is None:
            continue
        llr, labels, weights = rated
        posterior = 1 / (1 + 10.0 ** -np.clip(llr, -30, 30))
        order = np.argsort(posterior, kind="stable")
        points = [
            [np.average(v[rows], weights=weights[rows]) for v in (posterior, labels)]
            for rows in np.array_split(order, min(BINS, len(order)))
        ]
        axes.plot(*np.transpose(points), marker="o", markersize=3, label=run.name, **_style(number))
        drawn = True
    axes.plot([0, 1], [0, 1], color="0.7", linewidth=0.8)
    axes.set(
        xlabel="stated probability at even prior odds", ylabel="share that holds",
        title=f"Reliability, {condition}",
    )  # fmt: skip
    return drawn


def _tippett(runs: Sequence[Run], condition: str, axes: Any) -> bool:
    drawn = False
    for number, run in enumerate(runs):
        if (rated := _rated(run, condition)) is None:
            continue
        shares = tippett(rated[0], rated[1])
        colour = COLOURS[number % len(COLOURS)]
        axes.step(shares.thresholds, shares.share_for, where="post", color=colour, label=run.name)
        axes.step(
            shares.thresholds, shares.share_against, where="post", color=colour, linestyle="--"
        )
        drawn = True
    axes.axvline(0, color="0.7", linewidth=0.8)
    axes.set(
        xlabel="log10 likelihood ratio", ylabel="share with a larger ratio",
        title=f"Tippett, {condition}: proposition holds (full), alternative (dashed)",
    )  # fmt: skip
    axes.title.set_fontsize(8)
    return drawn


def _sweep(runs: Sequence[Run], conditions: Sequence[str], family: str, axes: Any) -> bool:
    drawn = False
    for number, run in enumerate(runs):
        lines: dict[tuple[str, str], list[tuple[float, float]]] = defaultdict(list)
        for f in run.found:
            step = _STEP.match(f.condition)
            if f.metric == "auc" and f.group == ALL and step and step["family"] == family:
                point = (float(step["number"]), f.interval.value)
                lines[f.dataset, step["kernel"] or ""].append(point)
        for (dataset, kernel), points in sorted(lines.items()):
            x, y = np.transpose(sorted(points))
            style = dataset.rsplit("/", 1)[-1]
            marker = "o" if style == "photo" else "s"
            label = " ".join(t for t in (run.name, style, kernel) if t)
            axes.plot(x, y, marker=marker, markersize=3, label=label, **_style(number))
            drawn = True
    axes.axhline(0.5, color="0.7", linewidth=0.8)
    axes.set(xlabel=family, ylabel="mean AUC over generators", title=f"Sweep: {family}")
    return drawn


def _learning(steps: Sequence[Step], axes: Any) -> bool:
    """TPR against the number of examples, a line for each generator; bars are the intervals."""
    groups = sorted({s.group for s in steps})
    for number, group in enumerate(groups):
        own = sorted((s for s in steps if s.group == group), key=lambda s: s.examples)
        # Side by side, or the bars of one hide those of another.
        x = np.array([s.examples for s in own]) + 0.4 * (number - (len(groups) - 1) / 2)
        y = np.array([s.tpr for s in own])
        ends = np.array([[s.tpr_low for s in own], [s.tpr_high for s in own]])
        lengths = np.abs(ends - y)
        axes.errorbar(
            x, y, lengths, marker="o", markersize=3, elinewidth=0.7, label=group, **_style(number)
        )
    axes.set(
        xlabel="examples", ylabel="true positive rate at 5 % false alarms", ylim=(0, 1.02),
        title=f"Learning curves: {steps[0].detector}, {steps[0].condition}",
    )  # fmt: skip
    return True
