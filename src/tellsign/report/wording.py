"""The words all renderings share, so that terminal, page and document say the same thing.

Everything returned is plain text, already cleaned; a rendering only escapes and lays it out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from tellsign.fusion.fuse import NO_WEIGHT, PROPOSITIONS
from tellsign.fusion.policy import Policy
from tellsign.report.headline import (
    generator_name,
    invalid_clause,
    source_type_claim,
    stated_name,
)
from tellsign.report.report import NAME, PROMPT, SENTENCE, number
from tellsign.report.text import clean
from tellsign.types import (
    CONCLUDED,
    Abstention,
    Box,
    Calibrated,
    Conclusion,
    Evidence,
    Failure,
    Finding,
    Map,
    MapKind,
    Polygon,
    Provenance,
    ProvenanceState,
    Question,
    Region,
    Report,
    Scalar,
    Support,
    TimeSpan,
)

TITLES: Final[Mapping[Question, str]] = {
    Question.SYNTHETIC: "Was the whole picture generated?",
    Question.MANIPULATED: "Was part of the picture altered?",
    Question.FACE: "Was a face swapped or re-enacted?",
    Question.PROCESSED: "How was the file processed?",
    Question.SOURCE: "Where does it come from?",
}

ABSENT: Final = "No C2PA manifest in the file. Most files have none, and re-saving removes it."
UNREAD: Final = "Not read, because the file could not be opened."
NOT_CONTENT: Final = "This does not say that the content is true."
NOT_TAMPERING: Final = "Texture in a map is not tampering."
TEXTURE: Final = (
    "Texture in a map is not tampering: maps follow the content of the picture. "
    "Only the findings count as a result."
)
VIEWS: Final = (
    "These views may help an experienced eye. They are not evidence: none of them entered a "
    "conclusion, and differences in them have many harmless causes."
)
UNCALIBRATED: Final = "uncalibrated, not used in the conclusion"
LEFT_OUT: Final = f"not used in the conclusion: it {NO_WEIGHT}"
UNDOCUMENTED: Final = "What it cannot see is in its documentation."
NO_CONCLUSION: Final = "No conclusion"
HISTORY: Final = (
    "A description of the file's past. It does not speak for alteration, "
    "and no conclusion is drawn."
)
CLAIMS: Final = "Claims of the file are shown beside the conclusions and never enter them."
REPEAT: Final = (
    "The same file under the same plan gives the same report, apart from date and timings. "
    "The plan is a hash over detectors, their artifacts and calibrations, policy and program."
)
RATIO: Final = (
    "A likelihood ratio (LR) says how many times more probable the evidence is if the proposition "
    "holds than if its alternative does. It is given as log10 LR: 0 favours neither side, 1 means "
    "10 times, 2 means 100 times; below 0 it speaks for the alternative. It is not the probability "
    "that the proposition is true: that also depends on everything else known about the picture."
)


@dataclass(frozen=True, slots=True)
class Section:
    """All that was asked and answered on one question."""

    question: Question
    conclusions: tuple[Conclusion, ...]
    evidence: tuple[Evidence, ...]
    abstentions: tuple[Abstention, ...]
    failures: tuple[Failure, ...]

    @property
    def title(self) -> str:
        return TITLES[self.question]


def sections(report: Report) -> tuple[Section, ...]:
    """One section per question with a conclusion or an outcome, those with most support first."""
    found = []
    for question in Question:
        outcomes = [o for o in report.outcomes if o.question is question]
        conclusions = tuple(c for c in report.conclusions if c.question is question)
        if outcomes or conclusions:
            found.append(
                Section(
                    question,
                    conclusions,
                    tuple(o for o in outcomes if isinstance(o, Evidence)),
                    tuple(o for o in outcomes if isinstance(o, Abstention)),
                    tuple(o for o in outcomes if isinstance(o, Failure)),
                )
            )
    return tuple(sorted(found, key=_rank))


def _rank(section: Section) -> tuple[bool, int, bool]:
    steps = list(Support)
    support = max((steps.index(c.support) for c in section.conclusions), default=0)
    return not section.conclusions, -support, not section.evidence


def counts_text(report: Report) -> str:
    """How many detectors were asked and what became of them."""
    kinds = {kind: 0 for kind in (Evidence, Abstention, Failure)}
    for outcome in report.outcomes:
        kinds[type(outcome)] += 1
    if not report.outcomes:
        return "No detector was run."
    parts = [
        (kinds[Evidence], "gave evidence"),
        (kinds[Abstention], "did not apply"),
        (kinds[Failure], "failed"),
    ]
    said = ", ".join(f"{n} {what}" for n, what in parts if n)
    total = len(report.outcomes)
    return f"{total} detector{'s were' if total > 1 else ' was'} run: {said}."


def refusals(section: Section, titles: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """(detector, reason) of what gave no evidence on a question."""
    refused: list[Abstention | Failure] = [*section.abstentions, *section.failures]
    for outcome in refused:
        yield detector_name(outcome.origin.detector, titles), refusal(outcome)


def refusal(outcome: Abstention | Failure) -> str:
    if isinstance(outcome, Abstention):
        return f"does not apply: {coded(outcome.text, outcome.code)}"
    return f"failed: {coded(outcome.error, outcome.code)}"


def outcome_lines(report: Report, titles: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """(detector, what it said) in one line each, for reports shown in short."""
    for outcome in report.outcomes:
        name = detector_name(outcome.origin.detector, titles)
        if isinstance(outcome, Evidence):
            ratio = llr_text(report.calibrated.get(outcome.origin.detector))
            found = " ".join(finding_text(f) for f in outcome.findings) or "No finding."
            yield name, f"{score_text(outcome)}; {ratio}. {found}"
        else:
            yield name, refusal(outcome)


# --- numbers -----------------------------------------------------------------------------------


def score_text(evidence: Evidence) -> str:
    """The raw score, never without its unit."""
    return f"score {number(evidence.score):g} {clean(evidence.unit, NAME)}".rstrip()


def llr_text(calibrated: Calibrated | None) -> str:
    """The likelihood ratio, never without its condition."""
    if calibrated is None:
        return UNCALIBRATED
    low, high = calibrated.interval
    condition = clean(calibrated.condition, NAME)
    return f"log10 LR = {calibrated.llr:.2f} [{low:.2f}, {high:.2f}], condition {condition}"


def support_text(conclusion: Conclusion) -> str:
    """Two words for a label: "Moderate support" or "No conclusion"."""
    if conclusion.support is Support.NONE:
        return NO_CONCLUSION
    return f"{conclusion.support.capitalize()} support"


def scale_rows(policy: Policy) -> tuple[tuple[str, str, str], ...]:
    """(|log10 LR|, likelihood ratio, words) of each step of the verbal scale."""
    weak, moderate, strong = policy.weak, policy.moderate, policy.strong
    return (
        (f"below {weak:g}", f"less than {_times(weak)}", "No conclusion"),
        (
            f"{weak:g} to {moderate:g}",
            f"{_times(weak)} to {_times(moderate)}",
            "Weak support",
        ),
        (
            f"{moderate:g} to {strong:g}",
            f"{_times(moderate)} to {_times(strong)}",
            "Moderate support",
        ),
        (f"{strong:g} or more", f"{_times(strong)} or more", "Strong support"),
    )


def clip_text(policy: Policy) -> str:
    saturating = "".join(
        f" Evidence against {PROPOSITIONS[Question(name)][0]} stays above {-bound:g}: traces that "
        "are missing certify nothing."
        for name, bound in sorted(policy.against.items())
    )
    return (
        f"Conclusions are limited to log10 LR = {policy.clip:g} either way "
        f"({_times(policy.clip)} times): the calibration data support no more.{saturating}"
    )


def _times(log10: float) -> str:
    return f"{10**log10:,.3g}" if log10 < 3 else f"{10**log10:,.0f}"


# --- findings and maps ---------------------------------------------------------------------------


def region_text(where: Region | None) -> str:
    """Where a finding is, in stored pixels, seconds or bytes; "" where it has no place."""
    match where:
        case None:
            return ""
        case Box(x, y, width, height):
            return f"x {x}, y {y}, {width} x {height} pixels"
        case Polygon(points):
            xs, ys = [p[0] for p in points], [p[1] for p in points]
            return (
                f"outline within x {min(xs):.0f} to {max(xs):.0f}, y {min(ys):.0f} to {max(ys):.0f}"
            )
        case TimeSpan(start, end):
            return f"{start:.2f} s to {end:.2f} s"
    return f"bytes {where.offset} to {where.offset + where.length}"


def values_text(values: Mapping[str, Scalar]) -> str:
    """Name and value of each measured quantity."""
    parts = []
    for name, value in values.items():
        shown = clean(value, NAME) if isinstance(value, str) else f"{number(value):g}"
        parts.append(f"{clean(name, NAME)} = {shown}")
    return ", ".join(parts)


def finding_details(finding: Finding) -> str:
    """Where, and what was measured; "" where neither is known."""
    parts = (region_text(finding.where), values_text(finding.values))
    return "; ".join(part for part in parts if part)


def finding_text(finding: Finding) -> str:
    """Plain words first, code in brackets."""
    return f"{clean(finding.text, SENTENCE).rstrip('.')} ({clean(finding.code, NAME)})."


def map_text(shown: Map) -> str:
    """What a map is and how far it reaches."""
    kinds = {
        MapKind.MASK: "Places that the method marks",
        MapKind.SCORE: "Score at each place",
        MapKind.LABEL: "Labelled regions",
    }
    caption = clean(shown.caption, SENTENCE) or kinds[shown.kind]
    reach = f"The method can speak in {100 * shown.coverage:.0f} % of the picture."
    return f"{caption.rstrip('.')}. {reach}"


def ramp_words(low: float, high: float, unit: str, *, fixed: bool) -> tuple[str, str, str]:
    """What stands at the dark end of a score map's colours, at the pale end, and after them."""
    if fixed:
        pale = f"{high:.3g} or more" + (f" ({unit})" if unit else "")
        return f"{low:.3g} or less", pale, "same scale in every picture"
    return f"{low:.3g}", f"{high:.3g} {unit}".rstrip(), "scale of this map alone"


def detector_name(name: str, titles: Mapping[str, str]) -> str:
    title = clean(titles.get(name, ""), NAME)
    return title or clean(name, NAME).replace("_", " ")


def prose(text: str) -> str:
    """A paragraph of a docstring as plain text: one line, no footnote marks, no roles."""
    plain = re.sub(r"\s*\[\d+\]_", "", text)
    plain = re.sub(r":[A-Za-z]+:`([^`]*)`", r"\1", plain)
    return clean(plain.replace("``", "").replace("`", ""), SENTENCE)


# --- what could not be said ----------------------------------------------------------------------


def unsaid(report: Report, titles: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """(subject, reason) of everything this examination leaves open."""
    yield from open_questions(report)
    unheard = left_out(report)
    for outcome in report.outcomes:
        name = detector_name(outcome.origin.detector, titles)
        if not isinstance(outcome, Evidence):
            reason = refusal(outcome)
            yield name, f"{reason[0].upper()}{reason[1:]}"
        elif outcome.origin.detector not in report.calibrated and outcome.question in CONCLUDED:
            yield name, f"{UNCALIBRATED.capitalize()}."
        elif outcome.origin.detector in unheard:
            yield name, f"Calibrated, {LEFT_OUT}."


def left_out(report: Report) -> set[str]:
    """Detectors that were calibrated and have no part in a conclusion all the same."""
    return {name for c in report.conclusions for name, reason in c.unused if reason == NO_WEIGHT}


def open_questions(report: Report) -> Iterator[tuple[str, str]]:
    """(question, reason) of every question without a conclusion."""
    asked = {c.question for c in report.conclusions}
    for conclusion in report.conclusions:
        if conclusion.support is Support.NONE:
            yield TITLES[conclusion.question], clean(conclusion.text, SENTENCE)
    for question in CONCLUDED:
        if question not in asked:
            yield TITLES[question], "Not asked in this examination."


def coded(text: str, code: str) -> str:
    return f"{clean(text, SENTENCE).rstrip('.')} ({clean(code, NAME)})."


def limits_text(evidence: Evidence, blind_spots: Mapping[str, str]) -> str:
    """What the method cannot see, where it found nothing; "nothing" is never said alone.

    A score of zero or less with findings describes what was looked at, and found nothing either.
    """
    if evidence.findings and evidence.score > 0:
        return ""
    nothing = "" if evidence.findings else "No finding. "
    spots = blind_spots_text(evidence, blind_spots)
    return nothing + (f"It cannot see: {spots}" if spots else UNDOCUMENTED)


def blind_spots_text(evidence: Evidence, blind_spots: Mapping[str, str]) -> str:
    return prose(blind_spots.get(evidence.origin.detector, ""))


# --- provenance ----------------------------------------------------------------------------------


def provenance_state(report: Report) -> str:
    """One word, as the status is shown in a panel."""
    if report.media is None:
        return "not read"
    return str(report.provenance.state)


def provenance_text(report: Report) -> str:
    """The state in a sentence that claims no more than the state does."""
    claims = report.provenance
    if report.media is None:
        return UNREAD
    if claims.state is ProvenanceState.ABSENT:
        return ABSENT
    if claims.state is ProvenanceState.INVALID:
        clause = invalid_clause(claims)
        return f"{clause[0].upper()}{clause[1:]}. What the manifest states cannot be relied on."
    name = claims.signer.name if claims.signer else None
    signer = f"the key of {stated_name(name)}" if name else "a key without a name"
    intact = f"The file is intact since it was signed with {signer}."
    return f"{intact} {_trust_text(claims)} {NOT_CONTENT}"


def _trust_text(claims: Provenance) -> str:
    trust = claims.trust_list
    if trust is None:
        return "Whether the key is on a trust list was not checked."
    listed = "is" if claims.state is ProvenanceState.TRUSTED else "is not"
    return f'The key {listed} on the trust list "{clean(trust.name)}" of {clean(trust.date)}.'


def provenance_rows(claims: Provenance) -> Iterator[tuple[str, str]]:
    """(label, value) of every claim, status codes aside."""
    signer, trust = claims.signer, claims.trust_list
    if claims.reason:
        yield "Note", clean(claims.reason, SENTENCE)
    if signer:
        if signer.signed:
            yield "Signed", clean(signer.signed)
        if signer.certificate_sha256:
            yield "Certificate", f"sha256 {clean(signer.certificate_sha256)}"
    if trust and claims.state is not ProvenanceState.ABSENT:
        yield (
            "Trust list",
            f"{clean(trust.name)}, {clean(trust.date)}, sha256 {clean(trust.sha256)}",
        )
    if claims.digital_source_type:
        plain = source_type_claim(claims)
        declared = clean(claims.digital_source_type, SENTENCE)
        yield "Declared source", f"The file states that {plain} ({declared})" if plain else declared
    for claim in claims.claims or ((claims.generator,) if claims.generator else ()):
        if claim.where.lower().endswith("digitalsourcetype"):
            continue  # names no generator; the row above has it
        verb = "A watermark names" if claim.where.startswith("watermark:") else "The file names"
        stated = f"{verb} {generator_name(claim)} ({clean(claim.where)})"
        yield "Stated generator", stated if not claim.name else f"{stated}: {_quote(claim.text)}"
    if claims.actions:
        yield "Stated actions", clean(", ".join(claims.actions), SENTENCE)
    if claims.ingredients:
        yield "Stated ingredients", clean(", ".join(claims.ingredients), SENTENCE)


def _quote(text: str) -> str:
    return f'"{clean(text, PROMPT)}"'


def used_text(conclusion: Conclusion, titles: Mapping[str, str]) -> str:
    """Which detectors entered a conclusion, and which did not and why."""
    used = ", ".join(detector_name(n, titles) for n in conclusion.used)
    return f"Rests on: {used}." if used else ""
