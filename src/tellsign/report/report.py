"""Report -> the public JSON, `tellsign.report/1`, and back.

`to_dict` always gives every key of the schema (schema/report-1.json), finite numbers rounded to six
significant digits, and strings that went through `text.clean`.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from importlib.resources import files
from typing import Any, Final

import numpy as np

from tellsign import __version__
from tellsign.report.names import SCHEMA, map_name
from tellsign.report.stored import from_dict
from tellsign.report.text import clean
from tellsign.types import (
    Abstention,
    Box,
    Calibrated,
    Conclusion,
    Evidence,
    Finding,
    Map,
    MediaFacts,
    Outcome,
    Polygon,
    Provenance,
    Region,
    Report,
    Scalar,
    TimeSpan,
)

__all__ = ["SCHEMA", "from_dict", "number", "region_dict", "schema", "to_dict", "to_json"]

DIGITS: Final = 6

# Characters kept of a string: of names and single facts; of sentences; of what a generator wrote,
# which is often a whole prompt with its settings.
NAME: Final = 200
SENTENCE: Final = 1000
PROMPT: Final = 4000

Json = dict[str, Any]


def to_json(report: Report, maps_written: Mapping[str, str] | None = None) -> str:
    """One line of pure ASCII: no terminal, pipe or encoding can be hurt by it."""
    return json.dumps(to_dict(report, maps_written), allow_nan=False)


def schema() -> Json:
    """The JSON schema (draft 2020-12) of what `to_dict` returns."""
    text = files("tellsign.report").joinpath("schema/report-1.json").read_text("utf-8")
    loaded: Json = json.loads(text)
    return loaded


def to_dict(
    report: Report, maps_written: Mapping[str, str] | None = None, *, child: tuple[int, ...] = ()
) -> Json:
    """Return the report as plain dicts, lists, strings, finite numbers, booleans and None.

    Parameters
    ----------
    report
        The report; its children are nested.
    maps_written
        What `maps.write` returned for the same report: sha256 by file name.
    child
        Position below the outermost report; used by the recursion.
    """
    source = report.source
    written = maps_written or {}
    return {
        "schema": SCHEMA,
        "tool": {"name": "tellsign", "version": __version__},
        "plan": clean(report.plan, NAME),
        "created": clean(report.created, NAME),
        "headline": clean(report.headline, SENTENCE),
        "source": {
            "name": clean(source.name, NAME),
            "size": source.size,
            "sha256": clean(source.sha256, NAME),
        },
        "media": _media(report.media),
        "provenance": _provenance(report.provenance),
        "outcomes": [
            _outcome(o, report.calibrated.get(o.origin.detector), written, child)
            for o in report.outcomes
        ],
        "conclusions": [_conclusion(c) for c in report.conclusions],
        "timings": _timings(report.timings),
        "children": [
            to_dict(c, maps_written, child=(*child, i)) for i, c in enumerate(report.children)
        ],
    }


def number(value: float | None) -> float | int | None:
    """Round to six significant digits; integers stay as they are; None where not finite."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int | np.integer):
        return int(value)
    if not math.isfinite(value):
        return None
    return float(f"{float(value):.{DIGITS}g}") + 0.0  # + 0.0 turns -0.0 into 0.0


def region_dict(where: Region | None) -> Json | None:
    match where:
        case None:
            return None
        case Box(x, y, width, height):
            return {
                "kind": "box",
                "x": int(x),
                "y": int(y),
                "width": int(width),
                "height": int(height),
            }
        case Polygon(points):
            return {"kind": "polygon", "points": [[number(x), number(y)] for x, y in points]}
        case TimeSpan(start, end):
            return {"kind": "time", "start": number(start), "end": number(end)}
    return {"kind": "bytes", "offset": int(where.offset), "length": int(where.length)}


def _text(value: str | None, limit: int = NAME) -> str | None:
    return None if value is None else clean(value, limit)


def _media(media: MediaFacts | None) -> Json | None:
    if media is None:
        return None
    jpeg, camera = media.jpeg, media.camera
    return {
        "type": media.type,
        "format": _text(media.format),
        "width": int(media.width),
        "height": int(media.height),
        "orientation": media.orientation,
        "mode": clean(media.mode, NAME),
        "bit_depth": media.bit_depth,
        "frames": int(media.frames),
        "duration": number(media.duration),
        "codec": _text(media.codec),
        "jpeg": jpeg
        and {
            "quality": jpeg.quality,
            "subsampling": clean(jpeg.subsampling, NAME),
            "progressive": jpeg.progressive,
            "tables_sha256": clean(jpeg.tables_sha256, NAME),
        },
        "camera": camera
        and {
            "make": _text(camera.make),
            "model": _text(camera.model),
            "software": _text(camera.software),
            "taken": _text(camera.taken),
        },
    }


def _provenance(claims: Provenance) -> Json:
    signer, trust, generator = claims.signer, claims.trust_list, claims.generator
    return {
        "state": str(claims.state),
        "status": [
            {"code": clean(s.code, NAME), "kind": s.kind, "url": _text(s.url, SENTENCE)}
            for s in claims.status
        ],
        "signer": signer
        and {
            "name": _text(signer.name),
            "certificate_sha256": _text(signer.certificate_sha256),
            "signed": _text(signer.signed),
        },
        "trust_list": trust
        and {
            "name": clean(trust.name, NAME),
            "date": clean(trust.date, NAME),
            "sha256": clean(trust.sha256, NAME),
        },
        "digital_source_type": _text(claims.digital_source_type, SENTENCE),
        "generator": generator
        and {"where": clean(generator.where, NAME), "text": clean(generator.text, PROMPT)},
    }


def _outcome(
    outcome: Outcome,
    calibrated: Calibrated | None,
    written: Mapping[str, str],
    child: tuple[int, ...],
) -> Json:
    origin, artifact = outcome.origin, outcome.origin.artifact
    common: Json = {
        "kind": type(outcome).__name__.lower(),
        "detector": clean(origin.detector, NAME),
        "version": clean(origin.version, NAME),
        "family": str(origin.family),
        "question": str(outcome.question),
        "artifact": artifact
        and {"name": artifact.name, "version": artifact.version, "sha256": artifact.sha256},
        "score": None,
        "unit": None,
        "llr": None,
        "interval": None,
        "condition": None,
        "calibration": None,
        "code": None,
        "text": None,
        "findings": [],
        "maps": [],
    }
    if not isinstance(outcome, Evidence):
        text = outcome.text if isinstance(outcome, Abstention) else outcome.error
        return {**common, "code": clean(outcome.code, NAME), "text": clean(text, SENTENCE)}
    if calibrated:
        common |= {
            "llr": number(calibrated.llr),
            "interval": [number(v) for v in calibrated.interval],
            "condition": clean(calibrated.condition, NAME),
            "calibration": clean(calibrated.calibration, NAME),
        }
    names = [map_name(origin.detector, i, child) for i in range(len(outcome.maps))]
    return {
        **common,
        "score": number(outcome.score),
        "unit": clean(outcome.unit, NAME),
        "findings": [_finding(f) for f in outcome.findings],
        "maps": [
            _map(m, name, written.get(name)) for m, name in zip(outcome.maps, names, strict=True)
        ],
    }


def _finding(finding: Finding) -> Json:
    return {
        "code": clean(finding.code, NAME),
        "text": clean(finding.text, SENTENCE),
        "region": region_dict(finding.where),
        "values": {clean(k, NAME): _scalar(v) for k, v in finding.values.items()},
    }


def _scalar(value: Scalar) -> Scalar | None:
    return clean(value, NAME) if isinstance(value, str) else number(value)


def _map(shown: Map, name: str, sha256: str | None) -> Json:
    return {
        "kind": str(shown.kind),
        "file": name if sha256 else None,
        "sha256": sha256,
        "stride": number(shown.stride),
        "shape": [int(n) for n in shown.values.shape],
        "coverage": number(shown.coverage),
    }


def _conclusion(conclusion: Conclusion) -> Json:
    return {
        "question": str(conclusion.question),
        "llr": number(conclusion.llr),
        "support": str(conclusion.support),
        "direction": conclusion.direction,
        "text": clean(conclusion.text, SENTENCE),
        "used": [clean(name, NAME) for name in conclusion.used],
        "unused": [
            {"detector": clean(name, NAME), "reason": clean(reason, NAME)}
            for name, reason in conclusion.unused
        ],
    }


def _timings(timings: Mapping[str, Any]) -> Json:
    return {
        "open": number(timings.get("open")),
        "detect": {clean(k, NAME): number(v) for k, v in timings.get("detect", {}).items()},
        "total": number(timings.get("total")),
    }
