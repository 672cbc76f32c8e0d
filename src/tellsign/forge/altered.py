"""What every operation returns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from tellsign.forge.draws import Value
from tellsign.forge.region import Pixels

Step = Mapping[str, Value]


@dataclass(frozen=True, slots=True, eq=False)
class Altered:
    """A picture before its final save.

    Parameters
    ----------
    pixels : (H, W, 3) uint8
    mask : (H, W) uint8
        255 where pixels were written, 128 where a copy-move took them, else 0.
    before : (H, W, 3) uint8
        The pristine twin: equals `pixels`, bit for bit, wherever the mask is not 255.
    steps
        What was done, in order.
    shared
        The steps that made the pristine twin, too; mostly none.
    """

    pixels: Pixels
    mask: Pixels
    before: Pixels
    steps: tuple[Step, ...]
    shared: tuple[Step, ...] = ()
