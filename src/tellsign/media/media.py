"""`Media`: one decoded picture that all detectors share, as lazy, cached, read-only views."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tellsign.media.limits import Limits
from tellsign.media.metadata import Metadata
from tellsign.types import MediaFacts, Source


@dataclass(frozen=True, slots=True)
class Dct:
    """Quantised DCT coefficients as stored in a JPEG file; never from re-decoded pixels.

    `planes[0]` is luma: (blocks down, blocks across, 8, 8) int16, natural (not zig-zag) order.
    `tables[i]` is the (8, 8) uint16 quantisation table of plane i, natural order.
    `sampling[i]` is (vertical, horizontal) sampling factor.
    """

    planes: tuple[NDArray[np.int16], ...]
    tables: tuple[NDArray[np.uint16], ...]
    sampling: tuple[tuple[int, int], ...]
