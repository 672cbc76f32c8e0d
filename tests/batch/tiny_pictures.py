"""Tiny pictures, the toy that reads its orders from their width, and tables read back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from PIL import Image

TOYS = Path(__file__).resolve().parent.parent / "toys"
TROUBLE = ("--load-detector", str(TOYS / "toy_trouble.py"), "--detector", "toy_trouble")
CRASHING, HANGING, SLOW = 101, 102, 103  # widths that toy_trouble knows


def picture(path: Path, width: int, shade: int = 0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (width, 32), (shade, 90, 30)).save(path, "PNG")
    return path


def table(path: Path) -> list[dict[str, Any]]:
    parquet = pytest.importorskip("pyarrow.parquet", reason="pyarrow is not installed")
    found: list[dict[str, Any]] = parquet.read_table(path).to_pylist()
    return found


def outcomes(path: Path) -> dict[str, dict[str, Any]]:
    """The outcome rows by source; the toy plan has one for each."""
    return {row["source"]: row for row in table(path) if row["row"] == "outcome"}


def without_times(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{k: v for k, v in row.items() if k != "seconds"} for row in rows]
