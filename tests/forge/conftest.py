"""Two never-compressed pictures and their sources."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from tellsign.forge.codec import encode_jpeg, encode_png
from tellsign.forge.scene import Scene, render
from tellsign.media import from_bytes
from tellsign.types import Source


@pytest.fixture(scope="session")
def host() -> NDArray[np.uint8]:
    return render(Scene(width=320, height=256), 1)


@pytest.fixture(scope="session")
def donor() -> NDArray[np.uint8]:
    return render(Scene(width=288, height=240), 2)


@pytest.fixture(scope="session")
def sources(host: NDArray[np.uint8], donor: NDArray[np.uint8]) -> tuple[Source, Source]:
    first = from_bytes(encode_jpeg(host, 85, "4:2:0"), "host.jpg")
    return first, from_bytes(encode_png(donor), "donor.png")
