from __future__ import annotations

import numpy as np

from tellsign.nn.cells import cell_map, crop_box, network_input
from tellsign.nn.views import LOG_ODDS, corners
from tellsign.types import Box


def test_the_input_keeps_grey_levels_and_moves_channels_first() -> None:
    crop = np.zeros((2, 8, 8, 3), np.uint8)
    crop[1, 3, 5, 2] = 255
    rows = network_input(crop)
    assert rows.shape == (2, 3, 8, 8)
    assert rows.dtype == np.float32
    assert rows[1, 2, 3, 5] == 255
    assert rows.sum() == 255


def test_a_cell_lands_where_its_crop_lies() -> None:
    logits = np.zeros((1, 7, 7), np.float32)
    logits[0, 2, 4] = 3.0
    shown = cell_map(logits, np.array([[64, 96]]), 224, (448, 448))
    assert shown.values.shape == (14, 14)
    assert shown.values[2 + 2, 4 + 3] == 3.0
    assert np.count_nonzero(shown.values) == 1
    assert shown.valid.sum() == 49
    assert shown.span == LOG_ODDS


def test_cells_in_the_reflection_are_left_out() -> None:
    """A picture of 130 x 224 pixels holds five rows of cells; the rest is reflection."""
    logits = np.zeros((1, 7, 7), np.float32)
    logits[:, :5] = 1.0
    logits[:, 5:] = -50.0
    shown = cell_map(logits, corners((130, 224), 224, 6), 224, (130, 224))
    assert shown.values.shape == (5, 7)
    assert shown.valid.all()
    assert (shown.values == 1).all()


def test_a_crop_larger_than_the_picture_is_boxed_by_the_picture() -> None:
    assert crop_box(np.array([0, 40]), 224, (130, 300)) == Box(40, 0, 224, 130)
    assert crop_box(np.array([0, 0]), 224, (130, 150)) == Box(0, 0, 150, 130)
