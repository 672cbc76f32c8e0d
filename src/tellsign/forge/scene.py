"""Procedural pictures with the statistics of photographs, never compressed: test material.

Not photographs and not made to pass for them. What they share with photographs is what detectors
of traces look at: 1/f textures, shaded objects that occlude each other, lens blur, and sensor
noise that went through a colour filter array and demosaicing.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy import fft

from tellsign.forge.draws import Draws
from tellsign.forge.region import Pixels

Plane = NDArray[np.float32]

LENS_BLUR = 0.7  # pixels; standard deviation of a sharp lens with an anti-aliasing filter
FULL_WELL = 12_000.0  # electrons at white: photon noise of a mid-size sensor at low ISO
READ_NOISE = 4.0  # electrons


@dataclass(frozen=True, slots=True)
class Scene:
    """A recipe for one picture; equal values give equal pixels.

    Parameters
    ----------
    gain
        ISO gain; photon noise grows with its root.
    noise
        False leaves the sensor out: smooth shading without mosaic and noise.
    """

    width: int = 768
    height: int = 512
    objects: int = 9
    gain: float = 2.0
    noise: bool = True


def render(scene: Scene, seed: int) -> Pixels:
    """(height, width, 3) uint8 sRGB."""
    draws = Draws(f"scene\n{seed}")
    light = _compose(scene, draws)
    light = np.asarray(cv2.GaussianBlur(light, (0, 0), LENS_BLUR), np.float32)
    return _developed(_sensor(light, scene.gain, draws) if scene.noise else light)


def texture(rng: np.random.Generator, height: int, width: int, slope: float) -> Plane:
    """Noise whose amplitude spectrum falls as 1/f**slope, zero mean, unit spread, (h, w).

    A slope near 1 is that of natural scenes (Field, JOSA A 4 (1987),
    :DOI:`10.1364/JOSAA.4.002379`).
    """
    rows, columns = fft.next_fast_len(height, True), fft.next_fast_len(width, True)
    spectrum = fft.rfft2(rng.standard_normal((rows, columns), np.float32))
    down, across = np.fft.fftfreq(rows)[:, None], np.fft.rfftfreq(columns)[None]
    radius = np.hypot(down, across).astype(np.float32)
    radius[0, 0] = 1
    weight = radius ** np.float32(-slope)
    weight[0, 0] = 0
    field = fft.irfft2(spectrum * weight, s=(rows, columns))[:height, :width]
    return np.asarray((field - field.mean()) / (field.std() + 1e-9), np.float32)


def _compose(scene: Scene, draws: Draws) -> Plane:
    """Linear light, (h, w, 3) float32 around 0 to 1."""
    height, width = scene.height, scene.width
    rng = draws.generator("scene")
    coarse = texture(rng, height, width, 1.3)
    fine = texture(rng, height, width, 0.8)
    # Two ground tones that meet at a horizon, under light that falls off to one side.
    horizon = rng.uniform(0.3, 0.7) * height + 8 * coarse[0]
    ground = np.arange(height)[:, None] > horizon[None]
    tones = rng.uniform(0.08, 0.6, (2, 1, 1, 3)).astype(np.float32)
    light = np.where(ground[..., None], tones[0], tones[1]).astype(np.float32)
    contrast = np.where(ground, rng.uniform(0.15, 0.4), rng.uniform(0.03, 0.15))
    light = light * np.exp(contrast * coarse + 0.5 * contrast * fine)[..., None]
    slope = rng.uniform(-0.3, 0.3, 2)
    ramp = np.add.outer(np.linspace(-1, 1, height) * slope[0], np.linspace(-1, 1, width) * slope[1])
    light = light * np.exp(ramp)[..., None].astype(np.float32)
    for _ in range(scene.objects):
        _add_object(light, rng, (coarse, fine))
    return np.asarray(light, np.float32)


def _add_object(light: Plane, rng: np.random.Generator, textures: tuple[Plane, Plane]) -> None:
    height, width = light.shape[:2]
    radius = rng.uniform(0.04, 0.2) * min(height, width)
    centre = rng.uniform((0, 0), (width, height))
    angle = np.linspace(0, 2 * np.pi, 72, endpoint=False)
    reach = np.ones_like(angle)
    for order in range(2, 6):
        reach += rng.uniform(-0.4, 0.4) / order * np.cos(order * angle + rng.uniform(0, 6.28))
    if rng.random() < 0.4:  # straight edges
        keep = np.arange(0, 72, 12)
        angle, reach = angle[keep], reach[keep]
    points = centre + radius * (reach * np.stack([np.cos(angle), np.sin(angle)])).T
    _paint(light, points + radius * rng.uniform(0.05, 0.2, 2), 0.55 * np.ones(3), 0.15 * radius)
    x, y = (
        np.arange(n, dtype=np.float32) - c for n, c in zip((width, height), centre, strict=True)
    )
    lamp = rng.uniform(-0.6, 0.6, 2)
    shade = 1 + np.clip((lamp[0] * x[None] + lamp[1] * y[:, None]) / radius, -0.6, 0.6)
    grain = textures[int(rng.random() < 0.5)] * rng.uniform(0.02, 0.3)
    if rng.random() < 0.4:
        turn, period = rng.uniform(0, np.pi), rng.uniform(5, 25)
        waves = np.cos(turn) * x[None] + np.sin(turn) * y[:, None]
        grain = grain + rng.uniform(0.1, 0.4) * np.sign(np.sin(2 * np.pi * waves / period))
    colour = rng.uniform(0.05, 0.9, 3)
    _paint(light, points, colour, 0.6, np.asarray(shade * np.exp(grain), np.float32))


def _paint(
    light: Plane,
    points: NDArray[np.float64],
    colour: NDArray[np.float64],
    softness: float,
    shade: Plane | None = None,
) -> None:
    """Lay a shaded shape over `light`, or multiply with `colour` (a shadow) without `shade`."""
    mask = np.zeros(light.shape[:2], np.float32)
    cv2.fillPoly(mask, [np.rint(points * 16).astype(np.int32)], 1.0, shift=4)
    rim = int(4 * softness) + 2
    left, top = np.floor(points.min(axis=0)).astype(int) - rim
    right, bottom = np.ceil(points.max(axis=0)).astype(int) + rim
    window = (slice(max(0, top), max(0, bottom)), slice(max(0, left), max(0, right)))
    if not mask[window].size:
        return
    alpha = cv2.GaussianBlur(mask[window], (0, 0), max(softness, 0.3))[..., None]
    under = light[window]
    over = under * colour if shade is None else shade[window][..., None] * colour
    light[window] = (alpha * over + (1 - alpha) * under).astype(np.float32)


def _sensor(light: Plane, gain: float, draws: Draws) -> Plane:
    """Photon and read noise on an RGGB mosaic, then bilinear demosaicing; linear in and out."""
    mosaic = light[..., 1].copy()
    mosaic[0::2, 0::2] = light[0::2, 0::2, 0]
    mosaic[1::2, 1::2] = light[1::2, 1::2, 2]
    electrons = np.clip(mosaic, 0, 1) * np.float32(FULL_WELL / gain)
    rng = draws.generator("sensor")
    # Photon noise as a Gaussian of equal variance: indistinguishable at these counts, much faster.
    spread = np.sqrt(electrons + np.float32(READ_NOISE**2))
    noisy = electrons + spread * rng.standard_normal(mosaic.shape, np.float32)
    raw = np.clip(np.rint(noisy / np.float32(FULL_WELL / gain) * 60_000 + 2_000), 0, 65_535)
    # OpenCV names the pattern by the second row: BG means RGGB.
    colour = cv2.demosaicing(raw.astype(np.uint16), cv2.COLOR_BayerBG2RGB)
    return np.asarray((colour.astype(np.float32) - 2_000) / 60_000, np.float32)


def _developed(light: Plane) -> Pixels:
    """Linear light to 8-bit sRGB (IEC 61966-2-1)."""
    clipped = np.clip(light, 0, 1)
    curve = np.where(
        clipped <= 0.0031308, 12.92 * clipped, 1.055 * np.power(clipped, 1 / 2.4) - 0.055
    )
    return np.asarray(np.rint(curve * 255), np.uint8)
