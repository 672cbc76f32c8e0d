"""The page of the toys' world, rendered from what was measured."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tellsign.training.toys.experiments import Attribution, Cell
from tellsign.training.toys.probes import FOLDS, STRENGTHS
from tellsign.training.toys.shipped import Installed
from tellsign.training.toys.world import PRISTINE, Split

LOOKED_AT = 224  # pixels: crops of the shipped networks


@dataclass(frozen=True, slots=True)
class Measured:
    """All results, in the order of the page; empty where something was not measured."""

    attributions: Sequence[Attribution]
    cells: Sequence[Cell]
    installed: Sequence[Installed]
    head: str = ""  # artifact behind the row of the embedding head


def page(command: str, split: Split, few: Split, measured: Measured) -> Iterator[str]:
    """Markdown, line by line; `few` is the part of `split` that shipped detectors look at."""
    pictures = split.measuring[PRISTINE]
    side = pictures.shape[1]
    photographs = len(set(split.fitting_owners)), len(set(split.owners))
    yield "<!-- Written by scripts/toy_world. -->"
    yield "# The toys' world: founding results with generators whose making is known\n"
    yield f"Command: `{command}`.\n"
    yield (
        f"Four GANs of {side} x {side} pixels, alike but for their up-sampling. Fitted on "
        f"{len(split.fitting[PRISTINE])} pictures of each class, photographs being crops of "
        f"{photographs[0]}; measured on {len(pictures)} crops of {photographs[1]} other "
        "photographs and as many other pictures of each toy. "
        f"Shipped detectors: {len(few.fitting[PRISTINE])} of each class to fit a head on, and "
        f"{len(few.measuring[PRISTINE])} to measure on. Nothing is compressed or resized after "
        "the toys drew it. Intervals: 95 %, Clopper-Pearson for shares, bootstrap over "
        "photographs and pictures for AUC.\n"
    )
    yield (
        "The toys convince nobody. Pictures of all four lack the contents of photographs, so a "
        "detector that carries over from one to another may have learned this and no trace of "
        "up-sampling; the matrix says how far it carries, not why."
    )
    yield from in_distribution(measured.cells)
    yield from attributions(measured.attributions)
    yield from summary(measured)
    if measured.installed:
        yield from as_installed(measured.installed, few, side)
    yield from matrices(measured.cells, split.generators)


def in_distribution(cells: Sequence[Cell]) -> Iterator[str]:
    yield "\n## In distribution\n"
    if any(c.strength is not None for c in cells):
        yield (
            f"Strengths of ridges are chosen from {', '.join(f'{s:g}' for s in STRENGTHS)} by "
            f"{FOLDS}-fold cross-validation on the fitting pictures, all crops of a photograph in "
            "one fold; the pictures measured on take no part.\n"
        )
    yield "| detector | toy | accuracy at the trained threshold | AUC | strength |"
    yield "|---|---|---|---|---|"
    for cell in cells:
        if cell.trained == cell.tested and cell.preprocessing == "none":
            strength = "" if cell.strength is None else f"{cell.strength:g}"
            yield f"| {cell.detector} | {cell.trained} | {cell.correct} | {cell.auc} | {strength} |"


def attributions(found: Sequence[Attribution]) -> Iterator[str]:
    yield "\n## Attribution by averaged residuals\n"
    yield (
        "Closed set: the nearest of the four fingerprints. Open set: one toy has no fingerprint; "
        "its pictures should come out as unknown (no correlation above the 95th percentile of "
        "photographs), those of the others still by name.\n"
    )
    yield (
        "| domain | residuals averaged | closed set, right | left out: called unknown "
        "| others: right |"
    )
    yield "|---|---|---|---|---|"
    for a in found:
        for i, (name, unknown, right) in enumerate(a.missing):
            head = f"{a.domain} | {a.n_fingerprint} | {a.correct}" if not i else " | | "
            yield f"| {head} | {name}: {unknown} | {right} |"


def summary(measured: Measured) -> Iterator[str]:
    """How far what was trained on one toy carries to the others, in one row each."""
    yield "\n## How far a detector carries\n"
    yield (
        "Means over the toys trained on and tested on; lowest and highest of the cells in "
        "brackets. The cells, with their intervals, stand in the tables below.\n"
    )
    yield (
        "| detector | preprocessing in training | AUC on its own toy | AUC on the other toys "
        "| gap | other toys' pictures found |"
    )
    yield "|---|---|---|---|---|---|"
    for (detector, preprocessing), cells in by_kind(measured.cells).items():
        own = [c.auc.value for c in cells if c.trained == c.tested]
        apart = [c for c in cells if c.trained != c.tested]
        other = [c.auc.value for c in apart]
        found = [c.detected.value for c in apart]
        yield (
            f"| {detector} | {preprocessing} | {_spread(own)} | {_spread(other)} "
            f"| {_mean(own) - _mean(other):.3f} | {_mean(found):.3f} |"
        )
    for row in measured.installed:
        if row.aucs:
            values = [auc.value for auc in row.aucs.values()]
            yield f"| {row.detector}, as installed | no toy seen | | {_spread(values)} | | |"
    if measured.head:
        yield (
            "\nEmbedding head: a ridge on the embeddings of the shipped network "
            f"({measured.head}), fitted on one toy as the others are."
        )


def as_installed(rows: Sequence[Installed], split: Split, side: int) -> Iterator[str]:
    yield "\n## As installed\n"
    yield (
        "AUC of tellsign's own detectors for SYNTHETIC, none of which was fitted on any toy. "
        "Larger scores speak for generation; far below 0.5 a detector takes the photographs for "
        "generated. Pictures on which it abstains are left out."
    )
    if side < LOOKED_AT:
        yield (
            f"Most networks look at crops of {LOOKED_AT} pixels and more: pictures of {side} are "
            "reflected to that, so that much of what they see is seen twice. It is less than they "
            "are made for."
        )
    toys = " | ".join(split.generators)
    yield f"\n| detector | artifact | learned from these photographs' groups | {toys} | abstains |"
    yield "|---" * (len(split.generators) + 4) + "|"
    total = sum(len(split.measuring[name]) for name in (PRISTINE, *split.generators))
    for row in rows:
        aucs = [str(row.aucs.get(name, "")) for name in split.generators]
        silent = ", ".join(f"{code} {n}/{total}" for code, n in row.silent.items())
        learned = ", ".join(row.learned) or "none"
        told = [row.detector, row.artifact, learned if row.artifact else "", *aucs, silent]
        yield "| " + " | ".join(told) + " |"


def matrices(cells: Sequence[Cell], toys: Sequence[str]) -> Iterator[str]:
    yield "\n## Trained on one, tested on all\n"
    yield "AUC, and below it the share of the toy's pictures found at the trained threshold."
    for (detector, preprocessing), own in by_kind(cells).items():
        yield f"\n### {detector}, preprocessing in training: {preprocessing}\n"
        yield "| trained on | " + " | ".join(toys) + " | photographs accused |"
        yield "|---" * (len(toys) + 2) + "|"
        for trained in toys:
            row = {c.tested: c for c in own if c.trained == trained}
            told = [f"{row[t].auc}<br>found {row[t].detected.value:.3f}" for t in toys]
            yield f"| {trained} | " + " | ".join(told) + f" | {row[trained].accused} |"


def by_kind(cells: Sequence[Cell]) -> dict[tuple[str, str], list[Cell]]:
    """Cells by detector and preprocessing."""
    kinds: dict[tuple[str, str], list[Cell]] = {}
    for cell in cells:
        kinds.setdefault((cell.detector, cell.preprocessing), []).append(cell)
    return kinds


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def _spread(values: Sequence[float]) -> str:
    return f"{_mean(values):.3f} [{min(values):.3f} to {max(values):.3f}]"
