"""Likelihood ratios -> one conclusion per question.

A single detector enters as it is. Several are correlated, since they look at the same picture:
their ratios are summed with weights fitted by logistic regression over held-out groups. A weight of
zero says that a detector adds nothing to the others: beside any of them it is left out. Without
fitted weights for all of them the sum is divided by the square root of their number, which keeps
one strong trace strong and does not let many weak ones add up to certainty.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from tellsign.artifacts.store import Store
from tellsign.fusion.policy import Policy
from tellsign.types import (
    Abstention,
    Calibrated,
    Conclusion,
    Direction,
    Evidence,
    Outcome,
    Question,
    Support,
)

FUSION = ("fusion", "1")  # name and version of the artifact that holds the weights
FILE = "fusion.json"

NO_WEIGHT = "adds nothing to the others"

PROPOSITIONS: Mapping[Question, tuple[str, str]] = {
    Question.SYNTHETIC: (
        "the whole picture having been generated",
        "the picture having been captured by a camera, whatever was done to it later",
    ),
    Question.MANIPULATED: (
        "alteration of part of the picture after capture",
        "no part having been altered by the operations tested",
    ),
    Question.FACE: (
        "a face having been swapped or re-enacted",
        "no face having been swapped or re-enacted by the methods tested",
    ),
}


def stored_weights(store: Store) -> Mapping[str, Mapping[str, float]]:
    """Question -> detector -> weight; empty where nothing was fitted."""
    found = store.get(*FUSION)
    weights: dict[str, dict[str, float]] = found.json(FILE) if found else {}
    return weights


def fuse(ratios: Mapping[str, float], weights: Mapping[str, float]) -> float | None:
    """Combine log10 likelihood ratios by detector; None when there are none."""
    ratios = heard(ratios, weights)
    if not ratios:
        return None
    if len(ratios) == 1:
        return next(iter(ratios.values()))
    if all(name in weights for name in ratios):
        return sum(weights[name] * llr for name, llr in sorted(ratios.items()))
    return sum(llr for _, llr in sorted(ratios.items())) / math.sqrt(len(ratios))


def heard(ratios: Mapping[str, float], weights: Mapping[str, float]) -> Mapping[str, float]:
    """The ratios that count: those without weight only where no other speaks."""
    return {name: llr for name, llr in ratios.items() if weights.get(name, 1.0) > 0} or ratios


def conclude(
    question: Question,
    outcomes: Sequence[Outcome],
    calibrated: Mapping[str, Calibrated],
    policy: Policy,
    weights: Mapping[str, float],
) -> Conclusion:
    """Fuse what was calibrated and name, with its reason, everything that was not."""
    asked = [o for o in outcomes if o.question is question]
    used = {
        o.origin.detector: calibrated[o.origin.detector].llr
        for o in asked
        if o.origin.detector in calibrated
    }
    used = {**heard(used, weights)}
    unused = tuple(
        (name, NO_WEIGHT if name in calibrated else reason(o))
        for o in asked
        if (name := o.origin.detector) not in used
    )
    fused = fuse(used, weights)
    llr = None if fused is None else policy.bounded(question, fused)
    support, direction = policy.support(llr)
    text = silence(asked) if llr is None else sentence(question, llr, support, direction)
    return Conclusion(question, llr, support, direction, text, tuple(used), unused)


def reason(outcome: Outcome) -> str:
    """Why an outcome has no part in a conclusion."""
    if isinstance(outcome, Evidence):
        return "uncalibrated"
    return f"abstention:{outcome.code}" if isinstance(outcome, Abstention) else "failure"


def silence(asked: Sequence[Outcome]) -> str:
    """Why there is no ratio at all."""
    if not asked:
        return "No conclusion: no detector for this question was run."
    if any(isinstance(o, Evidence) for o in asked):
        return "No conclusion: what was found is not calibrated for this kind of file."
    return "No conclusion: no detector could speak."


def sentence(question: Question, llr: float, support: Support, direction: Direction | None) -> str:
    ratio = f"(log10 LR = {llr:.1f})"
    if support is Support.NONE:
        return f"No conclusion: the evidence is too weak either way {ratio}."
    proposition = PROPOSITIONS[question][0 if direction == "for" else 1]
    return f"{support.capitalize()} support for {proposition} {ratio}."
