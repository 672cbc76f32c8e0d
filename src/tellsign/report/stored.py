"""The public JSON -> Report, for tests and for rendering a stored report again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from tellsign.errors import MalformedMedia
from tellsign.report.names import SCHEMA
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
    Region,
    Report,
    Signer,
    Source,
    StatusCode,
    Support,
    TimeSpan,
    TrustListFacts,
    frozen_mapping,
)

Json = Mapping[str, Any]
_ZERO: Final = np.float32(0)
_MAX_CELLS: Final = 2**28  # of a map's stated shape; more than any limit of a policy lets through


@dataclass(frozen=True, slots=True, eq=False)
class StoredMap(Map):
    """A map of which only the facts are known: no cell is valid, so none is ever drawn."""

    stated_coverage: float = 0.0
    file: str | None = None
    sha256: str | None = None

    @property
    def coverage(self) -> float:
        return self.stated_coverage


def from_dict(d: Json) -> Report:
    """Rebuild a report. Raises MalformedMedia when `d` is not `tellsign.report/1`.

    What the JSON does not hold is lost: the bytes, the values of maps, hashes of detectors' code
    and of the provenance everything but the keys of the schema.
    """
    if d.get("schema") != SCHEMA:
        raise MalformedMedia(f"not a {SCHEMA} report: schema {d.get('schema')!r}")
    try:
        return _report(d)
    except (KeyError, TypeError, ValueError) as error:
        raise MalformedMedia(f"broken {SCHEMA} report: {type(error).__name__}: {error}") from error


def maps_written(d: Json) -> dict[str, str]:
    """The names and hashes of map files that a report's JSON states, children included."""
    own = {m["file"]: m["sha256"] for o in d["outcomes"] for m in o["maps"] if m["file"]}
    for child in d["children"]:
        own |= maps_written(child)
    return own


def _report(d: Json) -> Report:
    outcomes = tuple(_outcome(o) for o in d["outcomes"])
    calibrated = {
        e.origin.detector: Calibrated(
            e, o["llr"], (o["interval"][0], o["interval"][1]), o["calibration"], o["condition"]
        )
        for e, o in zip(outcomes, d["outcomes"], strict=True)
        if isinstance(e, Evidence) and o["llr"] is not None
    }
    source = d["source"]
    failures = [o.error for o in outcomes if isinstance(o, Failure)]
    unopened = d["media"] is None
    return Report(
        source=Source(source["name"], source["size"], source["sha256"], b""),
        media=_media(d["media"]),
        provenance=_provenance(d["provenance"]),
        outcomes=outcomes,
        calibrated=frozen_mapping(calibrated),
        conclusions=tuple(_conclusion(c) for c in d["conclusions"]),
        headline=d["headline"],
        plan=d["plan"],
        created=d["created"],
        timings=frozen_mapping(d["timings"]),
        children=tuple(from_dict(c) for c in d["children"]),
        error=(failures or [d["headline"]])[0] if unopened else None,
    )


def _media(d: Json | None) -> MediaFacts | None:
    if d is None:
        return None
    jpeg, camera = d["jpeg"], d["camera"]
    return MediaFacts(
        **{
            **d,
            "jpeg": jpeg and JpegFacts(**jpeg),
            "camera": camera and CameraFacts(**camera),
        }
    )


def _provenance(d: Json) -> Provenance:
    signer, trust, generator = d["signer"], d["trust_list"], d["generator"]
    return Provenance(
        state=ProvenanceState(d["state"]),
        status=tuple(StatusCode(**s) for s in d["status"]),
        signer=signer and Signer(**signer),
        trust_list=trust and TrustListFacts(**trust),
        digital_source_type=d["digital_source_type"],
        generator=generator and GeneratorClaim(**generator),
        claims=(GeneratorClaim(**generator),) if generator else (),
    )


def _outcome(d: Json) -> Outcome:
    artifact = d["artifact"]
    origin = Origin(
        d["detector"], d["version"], Family(d["family"]), "", artifact and ArtifactRef(**artifact)
    )
    question = Question(d["question"])
    if d["kind"] == "abstention":
        return Abstention(origin, question, d["code"], d["text"])
    if d["kind"] == "failure":
        return Failure(origin, question, d["text"], d["code"])
    if d["kind"] != "evidence":
        raise ValueError(f"unknown kind of outcome {d['kind']!r}")
    maps = tuple(_map(m) for m in d["maps"])
    findings = tuple(
        Finding(f["code"], f["text"], _region(f["region"]), frozen_mapping(f["values"]))
        for f in d["findings"]
    )
    return Evidence(origin, question, d["score"], d["unit"], maps, findings)


def _map(d: Json) -> Map:
    shape = (d["shape"][0], d["shape"][1])
    if shape[0] * shape[1] > _MAX_CELLS:
        raise ValueError(f"map of {shape[0]} x {shape[1]} cells")
    return StoredMap(
        MapKind(d["kind"]),
        np.broadcast_to(_ZERO, shape),  # takes no memory, however large the shape
        d["stride"],
        np.broadcast_to(np.False_, shape),
        stated_coverage=d["coverage"],
        file=d["file"],
        sha256=d["sha256"],
    )


def _region(d: Json | None) -> Region | None:
    if d is None:
        return None
    match d["kind"]:
        case "box":
            return Box(d["x"], d["y"], d["width"], d["height"])
        case "polygon":
            return Polygon(tuple((x, y) for x, y in d["points"]))
        case "time":
            return TimeSpan(d["start"], d["end"])
        case "bytes":
            return ByteRange(d["offset"], d["length"])
        case kind:
            raise ValueError(f"unknown kind of region {kind!r}")


def _conclusion(d: Json) -> Conclusion:
    return Conclusion(
        Question(d["question"]),
        d["llr"],
        Support(d["support"]),
        d["direction"],
        d["text"],
        tuple(d["used"]),
        tuple((u["detector"], u["reason"]) for u in d["unused"]),
    )
