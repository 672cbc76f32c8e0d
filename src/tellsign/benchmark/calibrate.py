"""Fit the calibrations and the fusion weights from scored cases, and write them as artifacts."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tellsign.artifacts import card as cards
from tellsign.artifacts.card import FileRecord, ModelCard
from tellsign.artifacts.store import CARD
from tellsign.calibration.assess import cllr, cllr_min
from tellsign.calibration.calibrators import Calibration, Curve, Method, Stratum, fit
from tellsign.detectors.base import DetectorInfo
from tellsign.errors import ArtifactError
from tellsign.fusion.fuse import fuse

Floats = NDArray[np.float64]

LEAST = 25  # cases of a class in a stratum
LEAST_GROUPS = 3
ROUNDS = 200  # bootstrap resamples of groups behind each interval
# A stratum whose held-out cost is not below this says nothing that silence would not.
USEFUL = 0.99
MARK, SILENT = " | Calibration: ", "Not calibrated for"


@dataclass(frozen=True, slots=True)
class Scored:
    """One detector's answer on one case."""

    detector: str
    group: str
    key: str
    treatment: str
    recipe: str
    stratum: str
    label: int
    score: float | None  # None: it abstained or failed
    code: str
    sha256: str


@dataclass(frozen=True, slots=True)
class Fitted:
    calibration: Calibration
    held_out: Mapping[int, float]  # row -> llr from a curve that never saw the row's group
    rejected: Mapping[str, str]  # stratum -> why it has no curve


def fit_detector(
    info: DetectorInfo, rows: Sequence[Scored], made: str, method: Method = "isotonic"
) -> Fitted:
    """Fit every stratum that has the cases for it and that helps on groups it never saw."""
    strata: dict[str, Stratum] = {}
    rejected: dict[str, str] = {}
    held_out: dict[int, float] = {}
    for name in sorted({r.stratum for r in rows}):
        index = [i for i, r in enumerate(rows) if r.stratum == name and r.score is not None]
        found = _fit_stratum([rows[i] for i in index], method)
        if isinstance(found, str):
            rejected[name] = found
            continue
        stratum, ratios = found
        strata[name] = stratum
        held_out.update(zip(index, ratios.tolist(), strict=True))
    reference = reference_digest(rows)
    calibration = Calibration(info.name, info.version, made, reference, strata)
    return Fitted(calibration, held_out, rejected)


def without_curves(fitted: Fitted, why: str) -> Fitted:
    """The same detector measured but not calibrated, with the reason for every stratum."""
    strata = sorted({*fitted.calibration.strata, *fitted.rejected})
    return Fitted(replace(fitted.calibration, strata={}), {}, dict.fromkeys(strata, why))


def reference_digest(rows: Iterable[Scored]) -> str:
    """sha256 over the hashes and labels of the cases, in order of hash."""
    lines = sorted(f"{r.sha256} {r.label}" for r in rows)
    return "sha256:" + hashlib.sha256("\n".join(lines).encode()).hexdigest()


def _fit_stratum(rows: Sequence[Scored], method: Method) -> tuple[Stratum, Floats] | str:
    scores = np.array([r.score for r in rows], float)
    labels = np.array([r.label == 1 for r in rows], bool)
    groups = np.array([r.group for r in rows], str)
    n_for, n_against = int(labels.sum()), int((~labels).sum())
    names = np.unique(groups)
    if min(n_for, n_against) < LEAST or len(names) < LEAST_GROUPS:
        return f"too few cases: {n_for} altered, {n_against} pristine, {len(names)} groups"
    ratios = np.zeros(len(rows))
    for name in names:
        out = groups == name
        if labels[~out].all() or not labels[~out].any():
            return "a single group holds a whole class"
        knots, llr = fit(method, scores[~out], labels[~out], groups[~out])
        ratios[out] = np.interp(scores[out], knots, llr)
    cost = cllr(ratios, labels)
    if cost >= USEFUL:
        return f"no information on held-out groups: Cllr = {cost:.3f}"
    curve = _curve(scores, labels, groups, method)
    best = cllr_min(scores, labels)
    stratum = Stratum(curve, method, n_for, n_against, len(names), round(cost, 4), round(best, 4))
    return stratum, ratios


def _curve(
    scores: Floats, labels: NDArray[np.bool_], groups: NDArray[np.str_], method: Method
) -> Curve:
    """Fit on everything; the interval is the middle 90 % of fits on resampled groups."""
    knots, llr = fit(method, scores, labels, groups)
    rng = np.random.default_rng(0)
    names = np.unique(groups)
    members = {name: np.flatnonzero(groups == name) for name in names}
    fits = []
    for _ in range(ROUNDS):
        chosen = rng.choice(names, len(names))
        rows = np.concatenate([members[name] for name in chosen])
        if labels[rows].all() or not labels[rows].any():
            continue
        again, heights = fit(method, scores[rows], labels[rows], groups[rows])
        fits.append(np.interp(knots, again, heights))
    low, high = np.percentile(fits, [5, 95], axis=0)
    rounded = [np.round(v, 4) for v in (np.maximum.accumulate(llr), low, high)]
    positions = _distinct(knots)
    return Curve(tuple(positions), *(tuple(float(v) for v in values) for values in rounded))


def _distinct(knots: Floats) -> list[float]:
    """Knots with six digits, as long as that keeps them rising."""
    short = [float(f"{k:.6g}") for k in knots]
    rising = all(b > a for a, b in zip(short, short[1:], strict=False))
    return short if rising else [float(k) for k in knots]


def fit_fusion(
    ratios: Mapping[str, Mapping[str, float]],
    labels: Mapping[str, int],
    ridge: float = 0.02,
) -> dict[str, float]:
    """Weights of a question's detectors by regularised logistic regression.

    Parameters
    ----------
    ratios
        Detector -> case -> held-out log10 likelihood ratio; a case without one counts as 0.
    labels
        Case -> 1 or 0.
    ridge
        Strength of the pull towards 1, the weight of independent evidence.

    There is no intercept: detectors that all say "no information" must fuse to that.
    """
    detectors = sorted(ratios)
    keys = sorted(labels)
    y = np.array([labels[k] for k in keys], float)
    x = np.array([[ratios[d].get(k, 0.0) for d in detectors] for k in keys]) * np.log(10)
    weight = np.where(y == 1, 0.5 / max(y.sum(), 1), 0.5 / max((1 - y).sum(), 1))
    w = np.ones(len(detectors))
    for _ in range(2000):  # projected gradient; convex, a handful of dimensions
        p = 1 / (1 + np.exp(-np.clip(x @ w, -30, 30)))
        gradient = x.T @ (weight * (p - y)) + ridge * (w - 1)
        w = np.clip(w - 0.2 * gradient, 0.0, 1.0)
    return {d: round(float(v), 4) for d, v in zip(detectors, w, strict=True)}


@dataclass(frozen=True, slots=True)
class Partners:
    """Which detectors a question's conclusion is made of, and what each brought."""

    weights: Mapping[str, float]  # of all detectors; 0 for those left out
    held_out: Mapping[str, float]  # case -> fused ratio by weights that never saw its group
    costs: tuple[tuple[str, float], ...]  # detector, mean Cllr once it was added


def choose_partners(
    ratios: Mapping[str, Mapping[str, float]],
    labels: Mapping[str, int],
    groups: Mapping[str, str],
    conditions: Mapping[str, str],
    least_gain: float = 0.01,
) -> Partners:
    """Add the detector that lowers the cost on groups left out most, as long as one does.

    A weak detector that is correlated with a strong one harms the conclusion: regression over few
    groups gives it a weight all the same.

    Parameters
    ----------
    ratios, labels
        As for `fit_fusion`.
    groups, conditions
        Of each case; a group is left out whole, each condition counts once.
    least_gain
        In bits of mean Cllr. A partner costs time in every examination, and smaller gains come and
        go with the groups that happen to be left out.
    """
    chosen: dict[str, Mapping[str, float]] = {}
    best, costs = Fused({}, 1.0), []
    while len(chosen) < len(ratios):
        found = {
            name: _left_out({**chosen, name: ratios[name]}, labels, groups, conditions)
            for name in sorted(ratios)
            if name not in chosen
        }
        name = min(found, key=lambda n: found[n].cost)
        if found[name].cost > best.cost - least_gain:
            break
        chosen[name], best = ratios[name], found[name]
        costs.append((name, round(best.cost, 4)))
    weights = dict.fromkeys(sorted(ratios), 0.0) | (fit_fusion(chosen, labels) if chosen else {})
    return Partners(weights, best.ratios, tuple(costs))


@dataclass(frozen=True, slots=True)
class Fused:
    ratios: Mapping[str, float]  # by weights that never saw the case's group
    cost: float  # mean over conditions of Cllr; silence counts as ratio 0


def _left_out(
    ratios: Mapping[str, Mapping[str, float]],
    labels: Mapping[str, int],
    groups: Mapping[str, str],
    conditions: Mapping[str, str],
) -> Fused:
    fused: dict[str, float] = {}
    for group in sorted(set(groups.values())):
        weights = fit_fusion(ratios, {k: y for k, y in labels.items() if groups[k] != group})
        for key in (k for k in labels if groups[k] == group):
            value = fuse({d: r[key] for d, r in ratios.items() if key in r}, weights)
            if value is not None:
                fused[key] = value
    found = []
    for condition in sorted(set(conditions.values())):
        keys = [k for k in labels if conditions[k] == condition]
        known = np.array([labels[k] == 1 for k in keys], np.bool_)
        found.append(cllr(np.array([fused.get(k, 0.0) for k in keys]), known))
    return Fused(fused, float(np.mean(found)))


def write_artifact(root: Path, card: ModelCard, content: Mapping[str, Any], file: str) -> Path:
    """Write one folder of the store; the card gets the hash of what was written."""
    folder = root / f"{card.name}-{card.version}"
    folder.mkdir(parents=True, exist_ok=True)
    data = (json.dumps(content, indent=1, sort_keys=True) + "\n").encode()
    (folder / file).write_bytes(data)
    record = FileRecord(file, hashlib.sha256(data).hexdigest(), len(data))
    fields = {k: getattr(card, k) for k in card.__slots__ if k != "files"}
    text = cards.render(ModelCard(**fields, files=(record,)))
    (folder / CARD).write_text(text, "utf-8")
    return folder


def weights_digest(folders: Iterable[Path], file: str) -> str:
    """sha256 over what artifacts hold beside their calibration `file`.

    Scores of other weights are not theirs. A folder without a card holds nothing.
    """
    parsed = [
        cards.parse((folder / CARD).read_text("utf-8"), folder.name)
        for folder in folders
        if (folder / CARD).is_file()
    ]
    held = [sorted((r.name, r.sha256) for r in card.files if r.name != file) for card in parsed]
    return hashlib.sha256(json.dumps(held).encode()).hexdigest()


def attach(folder: Path, fitted: Fitted, file: str, data: str, command: str) -> None:
    """Put a calibration beside what a learner wrote; the card tells of both.

    Raises ArtifactError when the folder has no card.
    """
    try:
        card = cards.parse((folder / CARD).read_text("utf-8"), folder.name)
    except OSError as error:
        raise ArtifactError(f"{folder.name}: no card to add a calibration to: {error}") from error
    content = (json.dumps(fitted.calibration.to_dict(), indent=1, sort_keys=True) + "\n").encode()
    (folder / file).write_bytes(content)
    record = FileRecord(file, hashlib.sha256(content).hexdigest(), len(content))
    fields = {k: getattr(card, k) for k in card.__slots__}
    fields["files"] = (*(r for r in card.files if r.name != file), record)
    fields["summary"] = f"{_before(card.summary)}{MARK}{strata_text(fitted)}"
    fields["training_data"] = f"{_before(card.training_data)}{MARK}{data}"
    fields["measured"] = f"{_before(card.measured)}{MARK}{command}"
    kept = tuple(f for f in card.known_failures if not f.startswith(SILENT))
    fields["known_failures"] = (*kept, *_silent(fitted))
    (folder / CARD).write_text(cards.render(ModelCard(**fields)), "utf-8")


def _before(text: str) -> str:
    """What stood there before a calibration was added."""
    return text.split(MARK)[0]


def _silent(fitted: Fitted) -> tuple[str, ...]:
    return tuple(f"{SILENT} {n}: {why}." for n, why in sorted(fitted.rejected.items()))


def strata_text(fitted: Fitted) -> str:
    return (
        ", ".join(
            f"{name}: Cllr {s.cllr} on held-out groups (n = {s.n_for} + {s.n_against})"
            for name, s in sorted(fitted.calibration.strata.items())
        )
        or "no condition qualified"
    )


def detector_card(
    info: DetectorInfo, fitted: Fitted, made: str, data: str, command: str
) -> ModelCard:
    """The card of a calibrated detector; its blind spots are its known failures."""
    return ModelCard(
        name=info.name,
        version=info.version,
        detector=info.name,
        detector_version=info.version,
        summary=f"Calibration of {info.name}: {strata_text(fitted)}",
        licence_code="Apache-2.0",
        licence_weights="Apache-2.0",
        licence_data="see the manifest of the reference set",
        training_data=data,
        intended_use="Log10 likelihood ratios for pictures of the conditions listed.",
        known_failures=(info.sections["Blind spots"].replace("\n", " "), *_silent(fitted)),
        measured=command,
        made=made,
        files=(),
    )


def fusion_card(made: str, data: str, command: str) -> ModelCard:
    return ModelCard(
        name="fusion",
        version="1",
        detector="fusion",
        detector_version="1",
        summary="Weights that join the likelihood ratios of detectors of one question",
        licence_code="Apache-2.0",
        licence_weights="Apache-2.0",
        licence_data="see the manifest of the reference set",
        training_data=data,
        intended_use="Fusion of the calibrated detectors of this version.",
        known_failures=("Weights reflect how the reference set's alterations are mixed.",),
        measured=command,
        made=made,
        files=(),
    )
