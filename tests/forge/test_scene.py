from __future__ import annotations

import numpy as np
import pytest

from tellsign.forge.scene import Scene, render, texture


def test_equal_seeds_give_equal_pictures_and_others_do_not() -> None:
    scene = Scene(width=160, height=120)
    assert np.array_equal(render(scene, 1), render(scene, 1))
    assert not np.array_equal(render(scene, 1), render(scene, 2))


@pytest.mark.parametrize("seed", range(4))
def test_pictures_use_the_tonal_range_without_clipping_much(seed: int) -> None:
    picture = render(Scene(width=320, height=240), seed)
    assert picture.shape == (240, 320, 3)
    assert picture.dtype == np.uint8
    assert picture.std() > 15
    assert ((picture == 0) | (picture == 255)).mean() < 0.15


def test_the_texture_falls_as_asked() -> None:
    for slope in (0.8, 1.3):
        field = texture(np.random.default_rng(3), 256, 256, slope)
        power = np.abs(np.fft.rfft2(field)) ** 2
        radius = np.hypot(np.fft.fftfreq(256)[:, None], np.fft.rfftfreq(256)[None])
        low, high = (
            power[(radius > a) & (radius < b)].mean() for a, b in ((0.02, 0.04), (0.2, 0.4))
        )
        # Amplitude 1/f**slope over a factor of ten in frequency.
        assert np.log10(low / high) / 2 == pytest.approx(slope, abs=0.15)
        assert field.std() == pytest.approx(1, abs=1e-3)


def test_sensor_noise_grows_with_gain_and_can_be_left_out() -> None:
    clean = render(Scene(width=256, height=256, noise=False), 5).astype(float)
    errors = [
        np.abs(render(Scene(width=256, height=256, gain=g), 5) - clean).mean() for g in (1.0, 16.0)
    ]
    assert 0 < errors[0] < errors[1]


def test_noise_is_correlated_by_demosaicing() -> None:
    """Interpolated colours share neighbours; independent noise would not."""
    noisy = render(Scene(width=256, height=256, gain=16.0), 6).astype(float)
    residual = (noisy - render(Scene(width=256, height=256, noise=False), 6))[..., 0]
    residual = residual[80:180, 80:180] - residual[80:180, 80:180].mean()
    beside = (residual[:, :-1] * residual[:, 1:]).mean() / (residual**2).mean()
    assert beside > 0.15
