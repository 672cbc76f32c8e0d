"""`--maps DIR`: every map as arrays for programs and as a picture for people."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import numpy as np

from tellsign.errors import UsageError
from tellsign.report.names import map_name, overlay_name
from tellsign.report.overlay import overlay_png
from tellsign.report.stored import StoredMap
from tellsign.types import Evidence, Map, Report

_SIDE: Final = 4096  # longest side of an overlay; arrays are never reduced


def write(report: Report, directory: str | Path) -> dict[str, str]:
    """Write all maps of a report and of its children below `directory`.

    Each map gives ``maps/<detector>[-i].npz`` with the arrays ``values`` (float32) and ``valid``
    (bool), readable with ``allow_pickle=False``, and beside it a ``.png`` overlay in stored axes.
    Returns the sha256 of each file by its name relative to `directory`, which is what `to_dict`
    takes. The same report gives the same bytes. Raises UsageError where nothing can be written.
    """
    written: dict[str, str] = {}
    root = Path(directory)
    try:
        for name, shown, shape in _maps(report, ()):
            for file, data in (
                (name, _npz(shown)),
                (overlay_name(name), overlay_png(shown, shape, _SIDE)),
            ):
                target = root / file
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(data)
                written[file] = hashlib.sha256(data).hexdigest()
    except OSError as error:
        raise UsageError(f"maps cannot be written to {root}: {error.strerror}") from error
    return written


def _maps(report: Report, child: tuple[int, ...]) -> Iterator[tuple[str, Map, tuple[int, int]]]:
    for outcome in report.outcomes:
        if isinstance(outcome, Evidence) and report.media is not None:
            for i, shown in enumerate(outcome.maps):
                if not isinstance(shown, StoredMap):
                    shape = (report.media.height, report.media.width)
                    yield map_name(outcome.origin.detector, i, child), shown, shape
    for i, below in enumerate(report.children):
        yield from _maps(below, (*child, i))


def _npz(shown: Map) -> bytes:
    buffer = io.BytesIO()
    np.savez_compressed(buffer, values=shown.values, valid=shown.valid)
    return buffer.getvalue()
