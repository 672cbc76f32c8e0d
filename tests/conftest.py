"""Pictures that the tests make for themselves, and where the shared pack lies, if it is there."""

from __future__ import annotations

import io
import os
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

ROOT = Path(__file__).resolve().parent.parent
TOYS = Path(__file__).parent / "toys"

# What the developer has installed for their own use is not under test.
os.environ.setdefault("TELLSIGN_ARTIFACTS", "")


@pytest.fixture(scope="session")
def core() -> Path:
    """The shared test pack; tests that need it skip where it is absent."""
    folder = ROOT.parent / "shared" / "data" / "core"
    if not folder.is_dir():
        pytest.skip("the shared data pack is not beside the repository")
    return folder


@pytest.fixture(scope="session")
def regenerate() -> bool:
    """True when golden files are to be rewritten: `scripts/test --regenerate`."""
    return os.environ.get("TELLSIGN_REGENERATE") == "1"


@pytest.fixture(scope="session")
def photo() -> NDArray[np.uint8]:
    """A photo-like picture (480, 640, 3): 1/f texture, shapes, a little noise."""
    rng = np.random.default_rng(11)
    height, width = 480, 640
    fy = np.fft.fftfreq(height)[:, None]
    fx = np.fft.rfftfreq(width)[None, :]
    amplitude = 1 / np.maximum(np.hypot(fy, fx), 1 / width)
    planes = []
    for _ in range(3):
        spectrum = amplitude * np.exp(2j * np.pi * rng.random(amplitude.shape))
        plane = np.fft.irfft2(spectrum, (height, width))
        planes.append(plane / plane.std())
    texture = 128 + 38 * (0.8 * planes[0][..., None] + 0.3 * np.stack(planes, axis=-1))
    yy, xx = np.mgrid[:height, :width]
    for _ in range(12):
        cy, cx, radius = rng.integers(0, height), rng.integers(0, width), rng.integers(20, 80)
        inside = (yy - cy) ** 2 + (xx - cx) ** 2 < radius**2
        texture[inside] = 0.5 * texture[inside] + 0.5 * rng.integers(0, 256, 3)
    texture += rng.normal(0, 2, texture.shape)
    return np.clip(texture, 0, 255).astype(np.uint8)


@pytest.fixture(scope="session")
def photo_jpeg(photo: NDArray[np.uint8]) -> bytes:
    """The same picture, compressed once at quality 90."""
    buffer = io.BytesIO()
    Image.fromarray(photo).save(buffer, "JPEG", quality=90)
    return buffer.getvalue()
