from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from tellsign.forge.codec import encode_jpeg
from tellsign.forge.jpeg_history import compressed
from tellsign.media import from_bytes, open_media
from tellsign.media.jpeg import ijg_table
from tellsign.signal.dq import (
    FREQUENCIES,
    MAX_BLOCKS,
    REACH,
    Trace,
    bands,
    corners,
    disturbed_below,
    fit_share,
    prior,
)
from tellsign.signal.dq_aligned import compare
from tellsign.signal.dq_shifted import file_grid, find_shift, mirrors, nearness, pyramid, reference
from tellsign.signal.jpeg_traces import Untraceable, clipped_pixels, traces, unclipped

Pixels = NDArray[np.uint8]


def read(pixels: Pixels, quality: int) -> tuple[Trace, Trace]:
    return traces(open_media(from_bytes(encode_jpeg(pixels, quality, "4:2:0"))))


def steps_of(quality: int) -> tuple[int, ...]:
    return tuple(int(ijg_table(quality)[u, v]) for u, v in FREQUENCIES)


def test_aligned_former_table_is_recovered_exactly(photo: Pixels) -> None:
    aligned, shifted = read(compressed(photo, 60), 85)
    assert aligned.steps == steps_of(60)
    assert aligned.quality == 60
    assert aligned.existence > 1000
    assert aligned.share > 0.95
    assert (aligned.loglik[aligned.loglik != 0] > 0).mean() > 0.95
    assert shifted.existence < 30


def test_shifted_former_table_and_grid_are_recovered(photo: Pixels) -> None:
    aligned, shifted = read(compressed(photo, 60, shift=(5, 3)), 85)
    assert shifted.shift == (3, 5)
    assert shifted.quality == 60
    assert shifted.existence > 1000
    assert aligned.existence < 100


@pytest.mark.parametrize("first", [None, 85])
def test_once_compressed_or_twice_alike_shows_no_trace(photo: Pixels, first: int | None) -> None:
    before = photo if first is None else compressed(photo, first)
    aligned, shifted = read(before, 85)
    assert aligned.existence < 60
    assert shifted.existence < 15


def test_a_coarser_last_compression_hides_a_finer_first_one(photo: Pixels) -> None:
    _, shifted = read(compressed(photo, 95, shift=(5, 3)), 60)
    assert shifted.existence < 15


def test_untraceable_names_its_reason(photo: Pixels) -> None:
    flat = np.full((256, 256, 3), 90, np.uint8)
    for pixels, quality, code in (
        (photo, 25, "too_coarse"),
        (flat, 90, "too_smooth"),
        (photo[:100], 90, "too_small"),
    ):
        with pytest.raises(Untraceable) as reason:
            read(pixels, quality)
        assert reason.value.code == code


def test_traces_are_fitted_once_per_picture(photo: Pixels) -> None:
    media = open_media(from_bytes(encode_jpeg(photo, 85, "4:2:0")))
    assert traces(media) is traces(media)


def test_unclipped_leaves_out_black_white_and_saturated_blocks() -> None:
    pixels = np.full((20, 32, 3), 128, np.uint8)
    pixels[3, 3] = (0, 128, 128)
    pixels[9, 12, 2] = 254
    pixels[9, 20] = (3, 252, 128)
    expected = np.ones((2, 4), bool)
    expected[0, 0] = expected[1, 1] = False
    np.testing.assert_array_equal(unclipped(clipped_pixels(pixels)), expected)


def laplacian(scale: float = 12.0, count: int = 200_000) -> NDArray[np.float32]:
    return np.random.default_rng(3).laplace(0, scale, count).astype(np.float32)


def test_prior_is_a_distribution_and_keeps_no_period() -> None:
    multiples = np.rint(laplacian() / 7) * 7
    smooth, lumpy = prior(laplacian()), prior(multiples.astype(np.float32))
    assert smooth.mass.sum() == pytest.approx(1)
    assert smooth.below(np.array([-REACH - 1.0, 0.0, REACH + 1.0])) == pytest.approx([0, 0.5, 1])
    far = slice(REACH + 60, REACH + 90)
    assert np.abs(np.diff(np.log(lumpy.mass[far]))).max() < 0.8


def test_disturbed_multiples_match_a_simulation() -> None:
    values = laplacian()
    rng = np.random.default_rng(4)
    seen = np.rint(values / 9) * 9 + rng.normal(0, 1.5, values.shape)
    at = np.array([-20.5, -9.0, -4.5, 0.0, 3.5, 8.5, 10.5, 30.0])
    expected = (seen[:, None] < at).mean(axis=0)
    np.testing.assert_allclose(disturbed_below(prior(values), 9, 1.5, at), expected, atol=0.01)


def test_aligned_model_matches_a_simulation() -> None:
    values = laplacian()
    rng = np.random.default_rng(5)
    twice = np.rint((np.rint(values / 13) * 13 + rng.normal(0, 0.5, values.shape)) / 5)
    twice = twice[(twice != 0) & (np.abs(twice) <= 12)]
    carried, _ = compare(prior(values), np.array([13]), 5, 12)
    counts = np.delete(np.bincount(twice.astype(int) + 12, minlength=25), 12) / len(twice)
    np.testing.assert_allclose(carried[0], counts, atol=0.02)


def test_fit_share_recovers_a_mixture() -> None:
    carried = np.array([[0.5, 0.1, 0.4], [0.1, 0.8, 0.1]])
    without = np.array([0.2, 0.3, 0.5])
    counts = 10_000 * (0.7 * carried[0] + 0.3 * without)
    share, gain = fit_share(counts, carried, without)
    assert share[0] == pytest.approx(0.7, abs=1e-3)
    assert gain[0] > 100
    assert share[1] == 0.0
    assert gain[1] == pytest.approx(0, abs=1e-6)


def test_nearness_rewards_multiples_only_and_never_zero() -> None:
    ratio = nearness(prior(laplacian()), 10, 1.5)
    assert (ratio[REACH - 5 : REACH + 5] == 0).all()
    assert ratio[REACH + 10] > 0.5
    assert ratio[REACH - 20] > 0.5
    assert ratio[REACH + 15] < -1


def test_every_shift_has_other_shifts_for_reference() -> None:
    assert mirrors((3, 5)) == ((3, 3), (5, 3), (5, 5))
    assert mirrors((0, 3)) == ((0, 5),)
    for k in range(1, 64):
        shift = divmod(k, 8)
        assert shift not in mirrors(shift)
        assert (0, 0) not in mirrors(shift)
    np.testing.assert_allclose(reference()[1:].sum(axis=1), 1)
    np.testing.assert_allclose(pyramid(16).sum(axis=1)[:5], [16, 4, 4, 4, 4])


def test_noise_holds_no_grid() -> None:
    rng = np.random.default_rng(6)
    pixels = rng.normal(0, 20, (256, 320)).astype(np.float32)
    found = find_shift(pixels, np.ones((31, 39), bool), None)
    assert found.existence < 1


def test_file_grid_weighs_by_overlap() -> None:
    cells = np.arange(6, dtype=np.float32).reshape(2, 3)
    whole = file_grid(cells, (2, 0), (3, 3))
    np.testing.assert_allclose(whole[0], cells[0])
    np.testing.assert_allclose(whole[1, 1:], 0.75 * cells[1, 1:] + 0.25 * cells[0, 1:])
    assert whole[1, 0] == cells[1, 0]  # the former block above it does not speak
    np.testing.assert_allclose(whole[2], cells[1])


def test_bands_are_bounded_spread_and_whole_for_small_pictures() -> None:
    np.testing.assert_array_equal(bands(40, 50, 4), np.arange(40))
    rows = bands(400, 500, 4)
    assert len(rows) * 500 <= MAX_BLOCKS
    assert rows[0] == 0
    assert rows[-1] == 399
    assert corners(np.array([[True, True, True], [True, False, True]])).sum() == 0


def test_a_prior_without_samples_prefers_nothing() -> None:
    found = prior(np.zeros((0,), np.float32))
    assert np.isfinite(found.mass).all()
    assert np.ptp(found.mass) < 1e-9
