from __future__ import annotations

import json

import numpy as np
import pytest

from tellsign.signal.fingerprint import (
    CLIP,
    QUANTILES,
    Fingerprints,
    fit_fingerprints,
    pixel_features,
    residual,
    spectral_features,
)

SIDE = 64


def photographs(n: int, seed: int, face: float = 0.0) -> np.ndarray:
    """Noise with the 1/f fall of photographs; `face` adds the same drawing to each."""
    rng = np.random.default_rng(seed)
    fall = 1 / np.maximum(np.hypot(np.fft.fftfreq(SIDE)[:, None], np.fft.fftfreq(SIDE)), 1 / SIDE)
    white = rng.standard_normal((n, SIDE, SIDE, 3))
    fields = np.fft.ifft2(np.fft.fft2(white, axes=(1, 2)) * fall[..., None], axes=(1, 2)).real
    drawing = np.zeros((SIDE, SIDE, 1))
    drawing[4::6, 5:60] = face
    rough = 128 + 6 * fields + drawing + rng.normal(0, 2, fields.shape)
    return np.clip(np.rint(rough), 0, 255).astype(np.uint8)


def enlarged(pixels: np.ndarray, period: int, strength: float = 4.0) -> np.ndarray:
    """A chequerboard of that period on top, as careless up-sampling leaves it."""
    rows, columns = np.mgrid[:SIDE, :SIDE] % period
    board = np.where((rows == 0) ^ (columns == 0), strength, -strength / period)
    return np.clip(np.rint(pixels + board[..., None]), 0, 255).astype(np.uint8)


def spectra(pixels: np.ndarray) -> np.ndarray:
    return spectral_features(pixels, SIDE)


def test_the_residual_is_what_the_median_takes() -> None:
    flat = np.full((8, 8, 3), 100, np.uint8)
    flat[4, 4] = 255
    left = residual(flat)
    assert left[4, 4, 0] == CLIP
    assert np.count_nonzero(left) == 3
    assert residual(flat[None]).shape == (1, 8, 8, 3)


def test_spectra_average_over_windows() -> None:
    pixels = photographs(4, 0)
    mosaic = np.concatenate([np.concatenate(pixels[:2], 1), np.concatenate(pixels[2:], 1)])
    one = spectral_features(mosaic[None], SIDE)
    assert one.shape == (1, SIDE * (SIDE // 2 + 1))
    # The median sees other neighbours at the seams, so only nearly equal.
    assert np.abs(one[0] - spectra(pixels).mean(axis=0)).mean() < 0.1


@pytest.mark.parametrize("extract", [spectra, pixel_features])
def test_a_generator_is_known_by_its_residuals(extract: object) -> None:
    assert callable(extract)
    families = {f"p{p}": extract(enlarged(photographs(100, p), p)) for p in (2, 3, 4)}
    made = fit_fingerprints(families, extract(photographs(100, 9)), extract(photographs(100, 10)))
    new = np.concatenate([extract(enlarged(photographs(30, 20 + p), p)) for p in (2, 3, 4)])
    right = made.correlations(new).argmax(axis=1) == np.repeat([0, 1, 2], 30)
    assert right.mean() > 0.95
    pristine = made.correlations(extract(photographs(60, 30))).max(axis=1)
    assert np.median(pristine) < np.median(made.correlations(new).max(axis=1)) - 0.1


def test_a_mean_face_is_no_fingerprint() -> None:
    # All pictures show the same thing; only the second family carries a trace.
    families = {
        "none": pixel_features(photographs(100, 1, face=60)),
        "board": pixel_features(enlarged(photographs(100, 2, face=60), 4)),
    }
    pristine = pixel_features(photographs(100, 3, face=60))
    made = fit_fingerprints(families, pristine, pixel_features(photographs(100, 4, face=60)))
    new = pixel_features(photographs(50, 5, face=60))
    alike = [np.corrcoef(row, families["none"].mean(axis=0))[0, 1] for row in new]
    assert np.mean(alike) > 0.3
    # What is left is the error that the estimated mean puts into both sides.
    assert np.abs(made.correlations(new).mean(axis=0)).max() < 0.1


def test_percentiles_are_those_of_the_reference() -> None:
    families = {"board": spectra(enlarged(photographs(50, 1), 4))}
    reference = spectra(photographs(200, 3))
    made = fit_fingerprints(families, spectra(photographs(100, 2)), reference)
    own = made.correlations(reference)[:, 0]
    assert made.pristine.shape == (1, QUANTILES)
    assert made.percentile(0, float(np.median(own))) == pytest.approx(50, abs=1)
    assert made.percentile(0, 2.0) == 100
    assert made.percentile(0, -2.0) == 0


def test_fingerprints_survive_json() -> None:
    families = {"a": spectra(enlarged(photographs(20, 1), 4)), "b": spectra(photographs(20, 2))}
    made = fit_fingerprints(families, spectra(photographs(30, 3)), spectra(photographs(30, 4)))
    again = Fingerprints.from_dict(json.loads(json.dumps(made.to_dict())))
    features = spectra(photographs(10, 5))
    assert again.names == ("a", "b")
    assert np.abs(again.correlations(features) - made.correlations(features)).max() < 2e-3
