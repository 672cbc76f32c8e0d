"""The Parquet table: one row per source and outcome, one per source and conclusion."""

from __future__ import annotations

import json
import os
import zlib
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any, Final

from tellsign import __version__
from tellsign.errors import MissingExtra
from tellsign.report.report import to_dict
from tellsign.report.text import clean
from tellsign.types import Report

Row = dict[str, Any]

# Column and Arrow type, in order: the public contract.
COLUMNS: Final = {
    "row": "string",
    "source": "string",
    "sha256": "string",
    "size": "int64",
    "format": "string",
    "width": "int32",
    "height": "int32",
    "duration": "float64",
    "provenance": "string",
    "digital_source_type": "string",
    "question": "string",
    "detector": "string",
    "version": "string",
    "family": "string",
    "artifact_sha256": "string",
    "kind": "string",
    "code": "string",
    "text": "string",
    "score": "float64",
    "unit": "string",
    "llr": "float64",
    "llr_low": "float64",
    "llr_high": "float64",
    "condition": "string",
    "support": "string",
    "direction": "string",
    "findings": "list<string>",
    "seconds": "float64",
    "plan": "string",
    "tool_version": "string",
    "schema": "string",
}

# Characters kept of a path: PATH_MAX, so that none is cut.
_PATH: Final = 4096
# Sources per row group: some ten thousand rows, a few megabytes in memory.
_GROUP: Final = 512


def rows(report: Report) -> list[Row]:
    """The rows of one report without its name (`assemble` adds it), from its public JSON."""
    shown = to_dict(report)
    media, claims = shown["media"] or {}, shown["provenance"]
    common = {
        **dict.fromkeys(COLUMNS),
        "sha256": shown["source"]["sha256"] or None,
        "size": shown["source"]["size"] if shown["source"]["sha256"] else None,
        **{key: media.get(key) for key in ("format", "width", "height", "duration")},
        "provenance": claims["state"] if report.media else None,
        "digital_source_type": claims["digital_source_type"],
        "plan": shown["plan"],
        "tool_version": __version__,
        "schema": shown["schema"],
    }
    seconds = shown["timings"]["detect"]
    found = [{**common, **_outcome(o, seconds)} for o in shown["outcomes"]]
    if not found and report.error is not None:
        # Without any detector in the plan there is no outcome to carry the failure.
        text = clean(report.error, 1000)
        found = [{**common, "row": "outcome", "kind": "failure", "code": "input", "text": text}]
    return found + [{**common, **_conclusion(c)} for c in shown["conclusions"]]


def _outcome(outcome: Row, seconds: Mapping[str, float]) -> Row:
    keys = ("question", "detector", "version", "family", "kind", "code", "text", "score", "unit")
    low, high = outcome["interval"] or (None, None)
    return {
        "row": "outcome",
        **{key: outcome[key] for key in keys},
        "artifact_sha256": outcome["artifact"] and outcome["artifact"]["sha256"],
        "llr": outcome["llr"],
        "llr_low": low,
        "llr_high": high,
        "condition": outcome["condition"],
        "findings": [finding["code"] for finding in outcome["findings"]],
        "seconds": seconds.get(outcome["detector"]),
    }


def _conclusion(conclusion: Row) -> Row:
    keys = ("question", "text", "llr", "support", "direction")
    return {"row": "conclusion", **{key: conclusion[key] for key in keys}}


def packed(found: list[Row]) -> bytes:
    """Rows as they lie in the journal; nulls are left out."""
    slim = [{k: v for k, v in row.items() if v is not None} for row in found]
    return zlib.compress(json.dumps(slim, allow_nan=False).encode())


def unpacked(data: bytes) -> list[Row]:
    nothing = dict.fromkeys(COLUMNS)
    return [{**nothing, **row} for row in json.loads(zlib.decompress(data))]


def require_pyarrow() -> None:
    """Raise MissingExtra before any work is done."""
    try:
        import pyarrow.parquet  # noqa: F401
    except ImportError as error:
        raise MissingExtra("Parquet tables", "batch") from error


def arrow_schema(facts: Mapping[str, str]) -> Any:
    """The Arrow schema; `facts` go into the file's key-value metadata."""
    import pyarrow as pa

    kinds = {
        "string": pa.string(),
        "int32": pa.int32(),
        "int64": pa.int64(),
        "float64": pa.float64(),
        "list<string>": pa.list_(pa.string()),
    }
    fields = [pa.field(name, kinds[kind]) for name, kind in COLUMNS.items()]
    return pa.schema(fields, metadata={f"tellsign.{k}": v for k, v in facts.items()})


def assemble(
    answers: Iterable[tuple[bytes, bytes]], target: Path, facts: Mapping[str, str]
) -> None:
    """Write the (name, packed rows) pairs to `target`, one row group at a time, and fsync it."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema = arrow_schema(facts)
    pending = iter(answers)
    with target.open("wb") as stream:
        with pq.ParquetWriter(stream, schema, compression="zstd") as writer:
            while group := list(islice(pending, _GROUP)):
                writer.write_table(pa.Table.from_pylist(list(_named(group)), schema=schema))
        stream.flush()
        os.fsync(stream.fileno())


def _named(group: Iterable[tuple[bytes, bytes]]) -> Iterator[Row]:
    for name, data in group:
        shown = clean(os.fsdecode(name), _PATH)
        for row in unpacked(data):
            yield {**row, "source": shown}


def facts_of(file: Path) -> dict[str, str]:
    """What `assemble` was told about the run; empty for a file that is no such table."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        metadata = pq.read_schema(file).metadata or {}
    except (pa.ArrowException, OSError):
        return {}
    prefix = b"tellsign."
    return {
        k.removeprefix(prefix).decode(): v.decode()
        for k, v in metadata.items()
        if k.startswith(prefix)
    }
