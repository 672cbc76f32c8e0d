"""The record beside a forgery: all that is needed to make it again and to know what it is."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import PIL
import scipy
from PIL import features

from tellsign.forge.altered import Step
from tellsign.forge.recipe import Recipe
from tellsign.forge.region import ALTERED, COPIED_FROM, Pixels
from tellsign.types import Source

SCHEMA = "tellsign.forge/1"
Record = Mapping[str, Any]


def build_record(
    recipe: Recipe,
    seed: int,
    sources: Sequence[Source],
    parameters: Mapping[str, Any],
    steps: Sequence[Step],
    data: bytes,
    kind: str,
    mask: Pixels,
) -> Record:
    """Plain values ready for JSON. No clock and no path enters, so it repeats bit for bit."""
    return {
        "schema": SCHEMA,
        "tool": {"name": "tellsign", "version": metadata.version("tellsign")},
        "recipe": _plain(recipe.to_dict()),
        "recipe_sha256": recipe.sha256,
        "seed": seed,
        "sources": [
            {"name": Path(s.name).name, "size": s.size, "sha256": s.sha256} for s in sources
        ],
        "parameters": _plain(parameters),
        "steps": [_plain(s) for s in steps],
        "output": _output(data, kind, mask),
        "mask": mask_facts(mask),
        "libraries": libraries(),
    }


def laundered_record(
    record: Record, steps: Sequence[Step], data: bytes, kind: str, mask: Pixels
) -> Record:
    """The record of a forgery after laundering: further steps, another output and mask."""
    return {
        **record,
        "steps": [*record["steps"], *(_plain(s) for s in steps)],
        "output": _output(data, kind, mask),
        "mask": mask_facts(mask),
    }


def _output(data: bytes, kind: str, mask: Pixels) -> Record:
    return {
        "format": kind,
        "width": int(mask.shape[1]),
        "height": int(mask.shape[0]),
        "size": len(data),
        "sha256": hashlib.sha256(data).hexdigest(),
    }


def mask_facts(mask: Pixels) -> Record:
    """Labels, altered share of the picture, bounding box and hash of a mask's pixels."""
    altered = mask == ALTERED
    rows, columns = np.flatnonzero(altered.any(axis=1)), np.flatnonzero(altered.any(axis=0))
    box = None
    if rows.size:
        box = {
            "x": int(columns[0]), "y": int(rows[0]),
            "width": int(columns[-1] - columns[0] + 1), "height": int(rows[-1] - rows[0] + 1),
        }  # fmt: skip
    return {
        "labels": {"altered": ALTERED, "copied_from": COPIED_FROM},
        "altered_share": round(float(altered.mean()), 6),
        "copied_from_share": round(float((mask == COPIED_FROM).mean()), 6),
        "altered_box": box,
        "pixels_sha256": hashlib.sha256(np.ascontiguousarray(mask).tobytes()).hexdigest(),
    }


def libraries() -> Mapping[str, str]:
    """Versions that can change bytes: another version may draw, filter or encode differently."""
    encoders = {
        name: str(features.version(name) or "absent")
        for name in ("libjpeg_turbo", "webp", "avif", "zlib_ng", "zlib")
    }
    return {
        "numpy": np.__version__,
        "scipy": scipy.__version__,
        "opencv": cv2.__version__,
        "pillow": PIL.__version__,
        **encoders,
    }


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {k: _plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(v) for v in value]
    return value
