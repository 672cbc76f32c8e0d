"""Names that writers and readers of a report agree on: its schema, and the files of its maps."""

from __future__ import annotations

import re
from typing import Final

SCHEMA: Final = "tellsign.report/1"


def map_name(detector: str, index: int, child: tuple[int, ...] = ()) -> str:
    """Path below DIR: ``maps/<detector>[-i].npz``; children lie in ``maps/child-<i>/``.

    >>> map_name("copy_move", 0), map_name("copy_move", 1), map_name("copy_move", 0, (2,))
    ('maps/copy_move.npz', 'maps/copy_move-1.npz', 'maps/child-2/copy_move.npz')
    """
    folder = "".join(f"child-{i}/" for i in child)
    stem = re.sub(r"[^A-Za-z0-9_]", "_", detector)
    return f"maps/{folder}{stem}{f'-{index}' if index else ''}.npz"


def overlay_name(npz: str) -> str:
    """The picture beside an array file."""
    return npz.removesuffix(".npz") + ".png"
