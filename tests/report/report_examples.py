"""Constructed reports: one of each kind a reader may meet. Deterministic, no detector involved."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from tellsign.types import (
    Abstention,
    ArtifactRef,
    Box,
    ByteRange,
    Calibrated,
    CameraFacts,
    Conclusion,
    Evidence,
    Failure,
    Family,
    Finding,
    GeneratorClaim,
    JpegFacts,
    Map,
    MapKind,
    MediaFacts,
    Origin,
    Outcome,
    Polygon,
    Provenance,
    ProvenanceState,
    Question,
    Report,
    Signer,
    Source,
    StatusCode,
    Support,
    TrustListFacts,
)

H, W = 480, 640
PLAN = "sha256:" + "5f1c" * 16
CREATED = "2026-11-21T12:00:00Z"
Q = Question

BLIND_SPOTS = {
    "jpeg_grid_zero": "Never-compressed pictures; pastes aligned to the grid (1 in 64) [1]_.",
    "copy_move": "Copies smaller than 32 pixels,\n  and copies blurred after pasting.",
    "double_quantisation": "Pictures resized after editing; a second quality below the first.",
    "metadata_consistency": "Files whose metadata was removed or rewritten with care.",
}
TITLES = {
    "jpeg_grid_zero": "JPEG grid origin from DCT zeros (ZERO)",
    "copy_move": "Copied regions",
    "double_quantisation": "Double JPEG quantisation",
    "metadata_consistency": "Consistency of metadata",
    "processing_history": "Processing history",
}


def origin(name: str, artifact: ArtifactRef | None = None) -> Origin:
    return Origin(name, "1", Family.FEATURE, name.encode().hex().ljust(64, "0")[:64], artifact)


def picture() -> NDArray[np.uint8]:
    """(480, 640, 3) uint8: sky, hills and a textured field."""
    y, x = np.mgrid[0:H, 0:W].astype(np.float64)
    hills = 230 + 40 * np.sin(x / 90) + 18 * np.sin(x / 23 + 1)
    sky = np.stack([120 + y / 5, 160 + y / 6, 215 - y / 12], axis=2)
    texture = 14 * np.sin(x / 3) * np.cos(y / 4) + 8 * np.sin((x + 2 * y) / 7)
    field = np.stack([70 + texture + y / 9, 104 + texture, 58 + texture / 2], axis=2)
    out = np.where((y > hills)[..., None], field, sky)
    return out.clip(0, 255).astype(np.uint8)


def mask() -> Map:
    values = np.zeros((H, W), np.float32)
    values[300:372, 400:496] = 1
    valid = np.ones((H, W), bool)
    valid[:140, :260] = False
    return Map(MapKind.MASK, values, 1, valid, "Blocks whose JPEG grid differs from the picture's")


def score_map() -> Map:
    y, x = np.mgrid[0 : H // 16, 0 : W // 16].astype(np.float32)
    values = np.exp(-((x - 28) ** 2 + (y - 21) ** 2) / 22) + 0.08 * np.sin(x) * np.cos(y)
    return Map(MapKind.SCORE, values.astype(np.float32), 16, y > 2, "Log ratio of two histories")


def label_map() -> Map:
    values = np.zeros((H // 8, W // 8), np.float32)
    values[20:30, 10:20] = 1
    values[20:30, 50:60] = 2
    return Map(MapKind.LABEL, values, 8, np.ones_like(values, bool), "Source and target of copies")


def calibrate(evidence: Evidence, llr: float, low: float, high: float) -> Calibrated:
    return Calibrated(evidence, llr, (low, high), "sha256:" + "0c44" * 16, "jpeg-q90+")


def media(**changes: object) -> MediaFacts:
    facts = MediaFacts(
        type="image",
        format="jpeg",
        width=W,
        height=H,
        orientation=1,
        mode="RGB",
        bit_depth=8,
        frames=1,
        duration=None,
        codec=None,
        jpeg=JpegFacts(92, "4:2:0", False, "77ab" * 16),
        camera=CameraFacts("Example", "Camera One", "Firmware 1.2", "2026-11-02T09:13:44"),
    )
    return replace(facts, **changes)  # type: ignore[arg-type]


def source(name: str) -> Source:
    return Source(name, 2_483_311, "9b1d" * 16, b"")


def signed(state: ProvenanceState, *codes: tuple[str, str]) -> Provenance:
    return Provenance(
        state=state,
        status=tuple(StatusCode(c, k, "self#jumbf=/c2pa/x") for c, k in codes),  # type: ignore[arg-type]
        signer=Signer("Example Org", "ab12" * 16, "2026-11-02T09:14:00Z"),
        trust_list=TrustListFacts("C2PA trust list", "2026-10-01", "cd34" * 16),
        actions=("c2pa.opened", "c2pa.color_adjustments"),
        ingredients=("field.jpg",),
    )


def nothing(
    question: Question, llr: float | None, used: tuple[str, ...], *unused: str
) -> Conclusion:
    text = (
        "No conclusion: no detector could speak."
        if llr is None
        else f"No conclusion: the evidence is too weak either way (log10 LR = {llr:.1f})."
    )
    reasons = tuple((u.split("=")[0], u.split("=")[1]) for u in unused)
    return Conclusion(question, llr, Support.NONE, None, text, used, reasons)


def build(
    name: str,
    facts: MediaFacts | None,
    provenance: Provenance,
    outcomes: tuple[Outcome, ...],
    calibrated: tuple[Calibrated, ...],
    conclusions: tuple[Conclusion, ...],
    children: tuple[Report, ...] = (),
    error: str | None = None,
) -> Report:
    from tellsign.report.headline import headline

    return Report(
        source=source(name),
        media=facts,
        provenance=provenance,
        outcomes=outcomes,
        calibrated={c.evidence.origin.detector: c for c in calibrated},
        conclusions=conclusions,
        headline=headline(conclusions, provenance, outcomes, error),
        plan=PLAN,
        created=CREATED,
        timings={
            "open": 0.0412345678,
            "detect": {o.origin.detector: 0.25 for o in outcomes},
            "total": 0.84,
        },
        children=children,
        error=error,
    )


NO_FACE = Abstention(
    origin("corneal_reflections"), Q.FACE, "no_face", "No face of at least 80 pixels was found."
)
NO_FACE_CONCLUSION = nothing(Q.FACE, None, (), "corneal_reflections=abstention:no_face")
PROBE = Abstention(
    origin("spectrum_probe"), Q.SYNTHETIC, "too_small", "The picture is smaller than 512 pixels."
)
PROBE_CONCLUSION = nothing(Q.SYNTHETIC, None, (), "spectrum_probe=abstention:too_small")


def history() -> Evidence:
    finding = Finding(
        "jpeg.history.double",
        "The file was saved as JPEG at least twice: quality about 78, then 92.",
        None,
        {"first_quality": 78, "second_quality": 92},
    )
    return Evidence(origin("processing_history"), Q.PROCESSED, 0.93, "share", (), (finding,))


def spliced() -> Report:
    zero = Evidence(
        origin("jpeg_grid_zero"),
        Q.MANIPULATED,
        39.2412345,
        "decades",
        (mask(),),
        (
            Finding(
                "jpeg.grid.foreign",
                "A region of 96 x 72 pixels carries another JPEG grid than the rest.",
                Box(400, 300, 96, 72),
                {"log10_nfa": -39.2412345, "grid": 34},
            ),
        ),
    )
    copies = Evidence(origin("copy_move"), Q.MANIPULATED, 0.0, "matches", (label_map(),))
    quantisation = Evidence(
        origin("double_quantisation", ArtifactRef("double_quantisation", "1", "ee55" * 16)),
        Q.MANIPULATED,
        3.5,
        "nats",
        (score_map(),),
        (
            Finding(
                "jpeg.dq.region",
                "In an outlined region the traces of a first compression are missing.",
                Polygon(((408.0, 296.0), (500.0, 310.0), (488.0, 380.0), (400.0, 370.0))),
                {"share": 0.023, "q1": 78},
            ),
        ),
    )
    dates = Evidence(
        origin("metadata_consistency"),
        Q.MANIPULATED,
        1.0,
        "contradictions",
        (),
        (
            Finding(
                "exif.thumbnail.mismatch",
                "The embedded thumbnail shows something else than the picture.",
                ByteRange(1234, 8192),
                {"correlation": 0.41},
            ),
        ),
    )
    size = Abstention(origin("resampling"), Q.MANIPULATED, "too_small", "Under 1 megapixel.")
    bug = Failure(origin("cfa"), Q.MANIPULATED, "LinAlgError: singular matrix")
    conclusion = Conclusion(
        Q.MANIPULATED,
        1.8,
        Support.MODERATE,
        "for",
        "Moderate support for alteration of part of the picture after capture (log10 LR = 1.8).",
        ("jpeg_grid_zero", "copy_move"),
        (
            ("double_quantisation", "uncalibrated"),
            ("metadata_consistency", "uncalibrated"),
            ("resampling", "abstention:too_small"),
            ("cfa", "failure"),
        ),
    )
    thumbnail = build(
        "press-photo.jpg: thumbnail",
        media(width=160, height=120, camera=None),
        Provenance(ProvenanceState.ABSENT),
        (Abstention(origin("jpeg_grid_zero"), Q.MANIPULATED, "too_small", "Too small."),),
        (),
        (nothing(Q.MANIPULATED, None, (), "jpeg_grid_zero=abstention:too_small"),),
    )
    return build(
        "press-photo.jpg",
        media(),
        signed(
            ProvenanceState.VALID,
            ("assertion.dataHash.match", "success"),
            ("signingCredential.untrusted", "failure"),
        ),
        (zero, copies, quantisation, dates, size, bug, PROBE, NO_FACE, history()),
        (calibrate(zero, 2.1, 1.6, 2.4), calibrate(copies, -0.31, -0.5, -0.1)),
        (PROBE_CONCLUSION, conclusion, NO_FACE_CONCLUSION),
        (thumbnail,),
    )


def pristine() -> Report:
    zero = Evidence(origin("jpeg_grid_zero"), Q.MANIPULATED, 0.0, "decades", (mask_empty(),))
    copies = Evidence(origin("copy_move"), Q.MANIPULATED, 0.0, "matches")
    return build(
        "holiday.jpg",
        media(),
        Provenance(ProvenanceState.ABSENT),
        (zero, copies, PROBE, NO_FACE),
        (calibrate(zero, -0.3, -0.4, -0.1), calibrate(copies, -0.2, -0.3, -0.1)),
        (
            PROBE_CONCLUSION,
            nothing(Q.MANIPULATED, -0.35, ("jpeg_grid_zero", "copy_move")),
            NO_FACE_CONCLUSION,
        ),
    )


def mask_empty() -> Map:
    return Map(MapKind.MASK, np.zeros((H, W), np.float32), 1, np.ones((H, W), bool))


def generated() -> Report:
    prompt = "a field at dusk, oil painting\nNegative prompt: people\nSteps: 20, Sampler: Euler a"
    claim = GeneratorClaim("png:parameters", prompt, "Stable Diffusion (A1111 web UI)")
    claims = Provenance(ProvenanceState.ABSENT, generator=claim, claims=(claim,))
    zero = Abstention(origin("jpeg_grid_zero"), Q.MANIPULATED, "not_jpeg", "Not a JPEG file.")
    return build(
        "dusk.png",
        media(format="png", jpeg=None, camera=None),
        claims,
        (zero, PROBE),
        (),
        (PROBE_CONCLUSION, nothing(Q.MANIPULATED, None, (), "jpeg_grid_zero=abstention:not_jpeg")),
    )


def tampered() -> Report:
    report = pristine()
    claims = signed(
        ProvenanceState.INVALID,
        ("claimSignature.validated", "success"),
        ("assertion.dataHash.mismatch", "failure"),
    )
    return build(
        "signed-then-edited.jpg",
        report.media,
        claims,
        report.outcomes,
        tuple(report.calibrated.values()),
        report.conclusions,
    )


def unopened() -> Report:
    why = "broken.jpg: the JPEG ends inside its header"
    outcomes = tuple(
        Failure(origin(name), Q.MANIPULATED, why, "MalformedMedia")
        for name in ("jpeg_grid_zero", "copy_move")
    )
    conclusion = nothing(Q.MANIPULATED, None, (), "jpeg_grid_zero=failure", "copy_move=failure")
    absent = Provenance(ProvenanceState.ABSENT)
    return build("broken.jpg", None, absent, outcomes, (), (conclusion,), error=why)


# What somebody may write into a file to attack whoever reads the report.
ATTACKS = {
    "markup": '<script>alert("x")</script><img src=x onerror=alert(1)>',
    "attribute": "\" onmouseover='alert(1)' x=\"",
    "ansi": "\x1b[2J\x1b[31mall clear\x1b[0m\x9b1m",
    "osc": "\x1b]8;;https://evil.example/\x1b\\click\x1b]8;;\x1b\\\x1b]0;owned\x07",
    "nul": "nul\x00byte\x7f\x85",
    "bidi": "photo\u202egpj.exe\u2066\u200f",
    "zero_width": "a\u200bb\ufeffc\u2060d",
    "lines": "first\r\nsecond\u2028third",
    "rich": "[bold red]not markup[/bold red] :warning: [link=https://evil.example]x[/link]",
    "para": "</para><b>&lt;&amp;&#x41;<font color=red>",
    "css": "</style><style>@import url(https://evil.example/x.css)</style>",
    "template": "${headline} $$ {0} %s {{7*7}}",
    "long": "<i>\x1b[5m" * 1_250_000,  # 10 MB
    "surrogate": "lone\udcffsurrogate",
}


def hostile(attack: str) -> Report:
    """The attack wherever a string of the file, or of a careless detector, can end up."""
    a = attack
    where = Box(10, 10, 100, 80)
    found = Evidence(
        origin("jpeg_grid_zero"),
        Q.MANIPULATED,
        5.0,
        "decades",
        (replace(mask(), caption=a),),
        (Finding("x.code", a, where, {"said": a, a: 1.5}),),
    )
    claim = GeneratorClaim(a, a, a)
    claims = Provenance(
        ProvenanceState.VALID,
        (StatusCode(a, "failure", a),),
        Signer(a, a, a),
        TrustListFacts(a, a, a),
        a,
        claim,
        (claim, GeneratorClaim(a, a)),
        (a, a),
        (a, a),
    )
    facts = media(
        mode=a,
        jpeg=JpegFacts(None, a, True, a),
        camera=CameraFacts(a, a, a, a),
        format=a,
        codec=a,
        duration=1.0,
        frames=3,
    )
    outcomes: tuple[Outcome, ...] = (
        found,
        Abstention(origin("copy_move"), Q.MANIPULATED, "not_jpeg", a),
        Failure(origin("cfa"), Q.MANIPULATED, a),
    )
    conclusion = nothing(Q.MANIPULATED, None, (), "jpeg_grid_zero=uncalibrated")
    child = build(a, None, Provenance(ProvenanceState.ABSENT), (), (), (), error=a)
    return build(a, facts, claims, outcomes, (), (conclusion,), (child,))


EXAMPLES: Mapping[str, Callable[[], Report]] = {
    "spliced": spliced,
    "pristine": pristine,
    "generated": generated,
    "tampered": tampered,
    "unopened": unopened,
}
