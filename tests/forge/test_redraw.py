from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("onnx")

from test_generate import autoencoder, picture, still  # noqa: E402

from tellsign.errors import ArtifactError  # noqa: E402
from tellsign.forge.redraw import redraw  # noqa: E402


def test_redrawing_adds_noise_and_takes_it_away(tmp_path: Path) -> None:
    grey = np.full((32, 48, 3), 200, np.uint8)
    folder, until, steps = still(tmp_path), 0.1, 5
    again = redraw(grey, folder, until=until, steps=steps, seed=2)
    # Velocity zero: x shrinks by the cosine of each step's angle, signal and noise alike.
    shrunk = np.cos(np.pi / 2 * until / steps) ** steps
    a, s = np.cos(np.pi / 2 * until) * shrunk, np.sin(np.pi / 2 * until) * shrunk
    level = 255 / 16  # grey levels of one unit
    assert again.mean() == pytest.approx((a * (200 / level - 8) + 8) * level, abs=0.3)
    assert again.std() == pytest.approx(s * level, rel=0.1)
    assert np.array_equal(again, redraw(grey, folder, until=until, steps=steps, seed=2))
    assert not np.array_equal(again, redraw(grey, folder, until=until, steps=steps, seed=3))


def test_redrawing_keeps_the_size(tmp_path: Path) -> None:
    assert redraw(picture(33, 46), still(tmp_path), until=0.2, steps=2, seed=0).shape == (33, 46, 3)


@pytest.mark.parametrize(("until", "steps"), [(0.0, 4), (1.1, 4), (0.2, 0)])
def test_redrawing_within_bounds(tmp_path: Path, until: float, steps: int) -> None:
    with pytest.raises(ArtifactError, match="until must lie"):
        redraw(picture(8, 8), still(tmp_path), until=until, steps=steps, seed=0)


def test_an_autoencoder_does_not_redraw(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="wants a diffusion model"):
        redraw(picture(8, 8), autoencoder(tmp_path), until=0.2, steps=2, seed=0)
