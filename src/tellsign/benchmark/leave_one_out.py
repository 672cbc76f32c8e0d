"""Each generator left out of the fit in turn: what a method tells of generators it never met.

The head of a detector is fitted again, without the generator, on what the detector describes
pictures by, and asked about it. Sources of photographs are dealt into two halves: heads fitted with
one half are tested with the other, and the generator's pictures go half to these, half to those, so
that no head meets a picture, a generator or a source again.

For every detector the head is one logistic regression over the mean description of a picture's
crops, under all conditions together. It needs no gradients of a network, and what differs between
detectors is what they look at. Where the description was learned itself, it may have been learned
on the generator left out: see `Method.trained_on`.

Heads are many and their scores are not of one scale. A picture's score is therefore the share of
the photographs tested that its head ranks below it, each source counting once: to the ROC curve of
each generator that changes nothing.
"""

from __future__ import annotations

import hashlib
import random
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tellsign.artifacts.store import Artifact, Store
from tellsign.benchmark.audit import exceeded
from tellsign.benchmark.calibrate import MARK
from tellsign.benchmark.datasets import Item
from tellsign.detectors.base import Abstain
from tellsign.errors import InputError, UsageError
from tellsign.media import from_path, open_media
from tellsign.media.media import Media
from tellsign.nn.views import crops
from tellsign.plan import Plan, shared_code_sha256
from tellsign.training.embed import embedder
from tellsign.training.head import HEAD_FILE, MEMORY_FILE, Rows, decoded, encoded
from tellsign.training.linear import balanced_weights, fit_logistic

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
Names = NDArray[np.str_]
Describe = Callable[[Media], Rows]

# Per case, on standardised weights: that of the log-Fourier probe in recipes/spectrum_probe.toml,
# for every detector.
STRENGTH = 0.01
_CODE = ("benchmark/leave_one_out.py", "training/embed.py")


# --- what pictures are described by ------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Method:
    """A detector whose head can be fitted again without torch."""

    detector: str
    told: str  # on what a linear head is put
    digest: str  # of all that a description depends on
    card: str | None  # training data of what was learned before; None where nothing was

    def trained_on(self, groups: Iterable[str]) -> list[str] | None:
        """Those groups that the card names; None where the description was not learned."""
        return None if self.card is None else named(self.card, groups)


def named(training_data: str, groups: Iterable[str]) -> list[str]:
    """Those groups that a card names as training data.

    A calibration, whose data the card names after that, taught the network nothing.
    """
    card = training_data.partition(MARK)[0]
    return [g for g in groups if re.search(rf"(?<![\w-]){re.escape(g)}(?![\w-])", card)]


def noise_statistics(media: Media) -> Rows:
    """(1, FEATURES): weighted mean over the patches of `pixel_statistics`. Raises Abstain."""
    from tellsign.detectors.supervised.pixel_statistics import COUNT, votes
    from tellsign.signal import patch_statistics as statistics

    if min(media.shape) < statistics.SIDE:
        raise Abstain("too_small")
    patches = crops(media.pixels, statistics.SIDE, COUNT)[0]
    weights = votes(patches)
    if not weights.any():
        raise Abstain("flat")
    found = statistics.features(patches[weights > 0])
    return np.average(found, axis=0, weights=weights[weights > 0])[None].astype(np.float32)


def log_fourier(media: Media) -> Rows:
    """(k, 2112): small spectra of the crops of `spectrum_probe`. Raises Abstain."""
    from tellsign.detectors.supervised.spectrum_probe import COUNT, varied
    from tellsign.signal import spectrum

    if min(media.shape) < spectrum.SIDE:
        raise Abstain("too_small")
    cut = crops(media.pixels, spectrum.SIDE, COUNT)[0]
    keep = varied(cut)
    if not keep.any():
        raise Abstain("flat")
    return spectrum.small_spectrum(spectrum.luma(cut[keep]))


def learned_from(found: Artifact | None, groups: Iterable[str]) -> list[str]:
    """Those groups that the network of an artifact was trained on."""
    if found is None or not any(f.name.endswith(".onnx") for f in found.card.files):
        return []
    return named(found.card.training_data, sorted(groups))


# Descriptions that are computed, not learned.
FIXED: Mapping[str, tuple[Describe, str]] = {
    "pixel_statistics": (
        noise_statistics,
        "its statistics of noise; a linear head stands in for its hidden layer",
    ),
    "spectrum_probe": (
        log_fourier,
        "the log-Fourier spectra of one of its four probes; the others are left aside",
    ),
}


def methods(plan: Plan) -> list[Method]:
    """Those detectors of the plan that can take part. Raises UsageError when there are none."""
    found = []
    for name in plan.detectors:
        info = plan.registry[name].info
        digest = f"{info.code_sha256} {_code()}"
        if name in FIXED:
            found.append(Method(name, FIXED[name][1], digest, None))
        elif base := _embedding(name, info.version):
            digest += f" {base.sha256}"
            told = "its embeddings, which were learned before"
            found.append(Method(name, told, digest, base.card.training_data))
    if not found:
        raise UsageError("no detector of this plan has a head that can be fitted again")
    return found


@cache
def _code() -> str:
    """Hash of what descriptions share: the engine, the choice of crops here and in `embed`."""
    own = (files("tellsign").joinpath(*name.split("/")).read_bytes() for name in _CODE)
    return hashlib.sha256(shared_code_sha256().encode() + b"\0".join(own)).hexdigest()


def _embedding(name: str, version: str) -> Artifact | None:
    base = Store.default().get(name, version)
    return base if base and base.holds(HEAD_FILE) and base.holds(MEMORY_FILE) else None


@cache
def _describer(name: str) -> Describe:
    if name in FIXED:
        return FIXED[name][0]
    from tellsign import registry

    base = _embedding(name, registry.load()[name].info.version)
    if base is None:
        raise UsageError(f"{name} has no embedding")
    return embedder(base)


@dataclass(frozen=True, slots=True)
class Task:
    """One laundered picture to be described by some detectors."""

    path: str
    sha256: str
    detectors: tuple[str, ...]


# By detector: `row`, the mean description, or `status` and `code`, as JSON values.
Described = dict[str, dict[str, Any]]


def describe(task: Task) -> Described:
    """Describe one picture. A file that changed since it was prepared fails. Runs in a worker."""
    try:
        source = from_path(task.path)
        if source.sha256 != task.sha256:
            raise InputError(f"{task.path}: changed since it was prepared")
        media = open_media(source)
        return {name: _described(name, media) for name in task.detectors}
    except InputError as error:
        return failed(task.detectors, type(error).__name__)


def _described(name: str, media: Media) -> dict[str, Any]:
    try:
        rows = _describer(name)(media)
    except Abstain as abstain:
        return {"status": "abstained", "code": abstain.code}
    return {"status": "ok", "code": "", "row": encoded(rows.mean(axis=0), "<f4")}


def failed(detectors: Iterable[str], code: str) -> Described:
    """What stands for a picture that could not be described."""
    return {name: {"status": "failed", "code": code} for name in detectors}


def vector(told: Mapping[str, Any]) -> NDArray[np.float32]:
    """(D,) of what `describe` gave with the status ok."""
    return decoded(told["row"], "<f4", 1)[:, 0]


# --- heads -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, eq=False)
class Cases:
    """Described pictures: (n, D) rows and what each is; `sides` as `deal` gives them."""

    rows: Rows
    labels: Flags
    groups: Names
    conditions: Names
    sides: NDArray[np.int64]
    apart: Flags  # pristine, but in no fit and nobody's negative


def deal(items: Sequence[Item], apart: Sequence[str], seed: int) -> NDArray[np.int64]:
    """(n,) 0 or 1: on which side each picture is tested; heads are fitted with the other's.

    Sources of photographs are kept whole, pictures of a generator are halved. Raises UsageError
    unless there are two generators and two sources.
    """
    names: list[list[str]] = [[], []]
    for label in (0, 1):
        of_class = {i.group for i in items if i.label == label}
        names[label] = sorted(of_class - set(apart) if label == 0 else of_class)
    if min(map(len, names)) < 2:
        raise UsageError("leaving one out takes two generators and two sources of photographs")
    random.Random(seed).shuffle(names[0])
    of_source = {name: place % 2 for place, name in enumerate(names[0])}
    sides = np.zeros(len(items), np.int64)
    for group in names[1]:
        mine = [n for n, i in enumerate(items) if i.group == group and i.label == 1]
        mine.sort(key=lambda n: items[n].key)
        random.Random(f"{seed} {group}").shuffle(mine)
        sides[mine[1::2]] = 1
    for n, item in enumerate(items):
        if item.label == 0:
            sides[n] = of_source.get(item.group, 0)
    return sides


def scored(
    found: Mapping[tuple[int, str], Mapping[str, Any]],
    items: Sequence[Item],
    apart: Sequence[str],
    sides: NDArray[np.int64],
    tell: Callable[[str], None],
) -> dict[tuple[int, str], dict[str, Any]]:
    """Outcomes of one detector by (number of the item, condition), with a score where described.

    `found` is by the same keys what `describe` gave for the detector. Raises UsageError when too
    few pictures could be described.
    """
    keys = sorted(k for k, told in found.items() if told["status"] == "ok")
    if not keys:
        raise UsageError("none of the pictures could be described")
    mine = [items[n] for n, _ in keys]
    cases = Cases(
        rows=np.stack([vector(found[k]) for k in keys]),
        labels=np.array([i.label == 1 for i in mine], np.bool_),
        groups=np.array([i.group for i in mine], np.str_),
        conditions=np.array([c for _, c in keys], np.str_),
        sides=sides[[n for n, _ in keys]],
        apart=np.array([i.label == 0 and i.group in apart for i in mine], np.bool_),
    )
    scores = dict(zip(keys, left_out_scores(cases, tell).tolist(), strict=True))
    return {
        key: {"status": told["status"], "code": told["code"], "score": scores.get(key), "llr": None}
        for key, told in found.items()
    }


def left_out_scores(cases: Cases, tell: Callable[[str], None]) -> Floats:
    """(n,) scores from 0 to 1 by heads that never saw the picture's group; see the module."""
    scores = np.zeros(len(cases.labels))
    generators = sorted(set(cases.groups[cases.labels].tolist()))
    means = np.zeros(len(cases.labels))
    for group in generators:
        tell(f"left out: {group}")
        mine = cases.groups == group
        for side in (0, 1):
            tested = (cases.sides == side) & (~cases.labels | mine)
            fit = ~mine & (cases.labels | ((cases.sides != side) & ~cases.apart))
            raw = np.zeros(len(cases.labels))
            raw[tested] = _head(cases, fit)(cases.rows[tested])
            for part in _by_condition(cases, tested):
                share = _ranked(raw, part, cases)
                scores[part] = share
                means[part] += share / len(generators)
    # A photograph has met a head for every generator: its mean rank among the others counts.
    for side in (0, 1):
        for part in _by_condition(cases, (cases.sides == side) & ~cases.labels):
            scores[part] = _ranked(means, part, cases)
    return scores


def _head(cases: Cases, fit: Flags) -> Callable[[Rows], Floats]:
    labels = cases.labels[fit].astype(np.int64)
    if labels.all() or not labels.any():
        raise UsageError("a head cannot be fitted: too few pictures could be described")
    weights = balanced_weights(cases.groups[fit].tolist(), labels.tolist())
    return fit_logistic(cases.rows[fit], labels, weights, STRENGTH).score


def _by_condition(cases: Cases, chosen: Flags) -> list[Flags]:
    parts = [chosen & (cases.conditions == c) for c in np.unique(cases.conditions)]
    return [p for p in parts if p.any()]


def _ranked(values: Floats, part: Flags, cases: Cases) -> Floats:
    """Share of the photographs in `part` that each of its values exceeds, by source."""
    against = part & ~cases.labels & ~cases.apart
    if not against.any():
        raise UsageError("nothing to compare with: no photograph of a side could be described")
    names, place, sizes = np.unique(cases.groups[against], return_inverse=True, return_counts=True)
    weights = 1.0 / (len(names) * sizes[place])
    return exceeded(values[part], values[against], weights)
