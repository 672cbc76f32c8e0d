from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from tellsign.detectors.base import Abstain
from tellsign.detectors.feature.double_quantisation import DoubleQuantisation, Reading, block_map
from tellsign.forge.codec import encode_jpeg, encode_png
from tellsign.forge.jpeg_history import compressed, with_history
from tellsign.media import Media, from_bytes, from_path, open_media
from tellsign.signal.dq_periods import once_compressed
from tellsign.signal.jpeg_traces import traces, whole_blocks
from tellsign.testing import check_detector
from tellsign.types import Box, Evidence

ROOT = Path(__file__).parents[3]
PYIFD = "reference/pyifd_reference"
REFERENCE = ROOT / "tests/reference/double_quantisation.csv"
Pixels = NDArray[np.uint8]
REGION = (slice(160, 320), slice(240, 432))  # on the 8x8 grid; 5/64 of the picture


def mask_of(pixels: Pixels) -> NDArray[np.bool_]:
    mask = np.zeros(pixels.shape[:2], np.bool_)
    mask[REGION] = True
    return mask


def opened(pixels: Pixels, quality: int) -> Media:
    return open_media(from_bytes(encode_jpeg(pixels, quality, "4:2:0")))


def examine(pixels: Pixels, quality: int) -> Evidence:
    return DoubleQuantisation().examine(opened(pixels, quality))


def auc(positive: NDArray[np.floating], negative: NDArray[np.floating]) -> float:
    order = np.searchsorted(np.sort(negative), positive, "left")
    order = order + np.searchsorted(np.sort(negative), positive, "right")
    return float(order.mean() / (2 * len(negative)))


def block_auc(values: NDArray[np.float32], pixels: Pixels) -> float:
    blocks = mask_of(pixels)[::8, ::8]
    return auc(values[blocks], values[~blocks])


def overlap(found: Box) -> float:
    """Intersection over union with `REGION`."""
    rows, columns = REGION
    height = min(found.y + found.height, rows.stop) - max(found.y, rows.start)
    width = min(found.x + found.width, columns.stop) - max(found.x, columns.start)
    both = max(height, 0) * max(width, 0)
    own = (rows.stop - rows.start) * (columns.stop - columns.start)
    return both / (own + found.width * found.height - both)


def test_keeps_the_detector_contract() -> None:
    check_detector(DoubleQuantisation)


def test_a_never_compressed_paste_is_found_in_a_twice_compressed_picture(photo: Pixels) -> None:
    evidence = examine(with_history(photo, mask_of(photo), 60), 85)
    assert evidence.score > 500
    assert block_auc(-evidence.maps[1].values, photo) > 0.95
    assert block_auc(evidence.maps[0].values, photo) > 0.95
    (finding,) = evidence.findings
    assert finding.code == "jpeg.dq.lacking"
    assert "quality about 60" in finding.text
    assert isinstance(finding.where, Box)
    assert overlap(finding.where) > 0.7


def test_a_paste_from_a_shifted_jpeg_is_found(photo: Pixels) -> None:
    forged = with_history(photo, mask_of(photo), 60, shift=(5, 3), history="region")
    evidence = examine(forged, 85)
    assert evidence.score > 15
    assert block_auc(evidence.maps[2].values, photo) > 0.9
    finding = next(f for f in evidence.findings if f.code == "jpeg.dq.foreign")
    assert (finding.values["shift_x"], finding.values["shift_y"]) == (5, 3)
    assert isinstance(finding.where, Box)
    assert overlap(finding.where) > 0.6


@pytest.mark.parametrize("shift", [(0, 0), (5, 3)])
def test_a_picture_compressed_twice_as_a_whole_accuses_nobody(
    photo: Pixels, shift: tuple[int, int]
) -> None:
    evidence = examine(compressed(photo, 60, shift=shift), 85)
    assert evidence.score < 30
    assert [f.code for f in evidence.findings] == ["jpeg.dq.whole"]


@pytest.mark.parametrize("quality", [60, 90])
def test_a_picture_compressed_once_scores_low(photo: Pixels, quality: int) -> None:
    evidence = examine(photo, quality)
    assert evidence.score < 30
    assert evidence.findings == ()


@pytest.mark.parametrize(("first", "second"), [(85, 85), (95, 60)])
def test_chance_where_theory_says_chance(photo: Pixels, first: int, second: int) -> None:
    forged = with_history(photo, mask_of(photo), first, shift=(5, 3), history="region")
    evidence = examine(forged, second)
    assert evidence.score < 30
    assert evidence.findings == ()
    assert abs(block_auc(evidence.maps[2].values, photo) - 0.5) < 0.2


def test_clipped_and_flat_parts_are_not_valid(photo: Pixels) -> None:
    pixels = photo.copy()
    pixels[:64, :64] = 255
    pixels[:64, 128:192] = 90
    evidence = examine(pixels, 90)
    for shown in evidence.maps:
        assert not shown.valid[:6, :6].any()
        assert not shown.valid[:6, 18:22].any()
        assert shown.valid[20:, 20:].mean() > 0.8


@pytest.mark.parametrize(
    ("make", "code"),
    [
        (lambda p: encode_png(p), "not_jpeg"),
        (lambda p: encode_jpeg(p[:120], 85, "4:2:0"), "too_small"),
        (lambda p: encode_jpeg(p, 20, "4:2:0"), "too_coarse"),
        (lambda p: encode_jpeg(np.full_like(p, 90), 85, "4:2:0"), "too_smooth"),
    ],
)
def test_abstains_with_its_reason(photo: Pixels, make: object, code: str) -> None:
    assert callable(make)
    media = open_media(from_bytes(make(photo)))
    with pytest.raises(Abstain) as reason:
        DoubleQuantisation().examine(media)
    assert reason.value.code == code
    assert code in DoubleQuantisation.info.abstentions


def test_partial_blocks_at_the_edge_are_covered_but_not_valid(photo: Pixels) -> None:
    evidence = examine(photo[:475, :637], 85)
    for shown in evidence.maps:
        assert shown.values.shape == (60, 80)
        assert not shown.valid[59].any()
        assert not shown.valid[:, 79].any()


def test_block_map_fills_invalid_cells_with_zero() -> None:
    valid = np.array([[True, False]])
    shown = block_map(np.array([[2.0, 3.0]], np.float32), valid, (9, 16), "caption")
    np.testing.assert_array_equal(shown.values, [[2, 0], [0, 0]])


def test_the_mean_takes_silent_neighbours_out(photo: Pixels) -> None:
    aligned, _ = traces(opened(compressed(photo, 60), 85))
    reading = Reading.of(aligned)
    assert reading.mostly_carried
    assert reading.speaks[aligned.loglik != 0].all()
    assert (reading.mean[~reading.speaks] == 0).all()
    cells = aligned.loglik[10:13, 20:23] / np.log(10)
    assert reading.mean[11, 21] == pytest.approx(cells.sum() / (cells != 0).sum(), rel=1e-4)
    assert reading.score == min(
        aligned.existence, reading.carrying.decades, reading.lacking.decades
    )


def rows(method: str) -> list[dict[str, str]]:
    with REFERENCE.open(encoding="utf-8") as file:
        return [row for row in csv.DictReader(file) if row["method"] == method]


def reference(core: Path, row: dict[str, str]) -> tuple[Media, NDArray[np.float64]]:
    from scipy.io import loadmat

    published = loadmat(core / PYIFD / row["reference"])["OutputMap"]
    return open_media(from_path(core / PYIFD / row["picture"])), published


@pytest.mark.parametrize("row", rows("ADQ1"), ids=lambda r: r["picture"])
def test_histogram_periods_equal_the_reference(core: Path, row: dict[str, str]) -> None:
    media, published = reference(core, row)
    assert media.dct is not None
    own = once_compressed(whole_blocks(media.dct.planes[0], media.shape))
    difference = float(np.abs(own - published).mean())
    assert abs(difference - float(row["value"])) <= float(row["tolerance"])


@pytest.mark.parametrize("row", rows("ADQ2"), ids=lambda r: r["picture"])
def test_aligned_map_ranks_the_reference_region_first(core: Path, row: dict[str, str]) -> None:
    media, published = reference(core, row)
    aligned, _ = traces(media)
    own, speaks = -Reading.of(aligned).mean, aligned.loglik != 0
    tampered = published[: own.shape[0], : own.shape[1]] > 0.5
    area = auc(own[speaks & tampered], own[speaks & ~tampered])
    assert abs(area - float(row["value"])) <= float(row["tolerance"])


@pytest.mark.parametrize("row", rows("NADQ"), ids=lambda r: r["picture"])
def test_shifted_map_departs_from_the_reference_as_documented(
    core: Path, row: dict[str, str]
) -> None:
    media, published = reference(core, row)
    evidence = DoubleQuantisation().examine(media)
    shown = evidence.maps[2]
    valid = shown.valid
    correlation = float(np.corrcoef(shown.values[valid], published[valid])[0, 1])
    assert abs(correlation - float(row["value"])) <= float(row["tolerance"])
    assert (published > 0).mean() > 0.1
    assert evidence.findings == ()
