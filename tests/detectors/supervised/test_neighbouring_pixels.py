"""What it has of its own; `test_crop_network` has the rest."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from tellsign.detectors.supervised.neighbouring_pixels import NeighbouringPixels
from tellsign.forge.codec import encode_png
from tellsign.media import from_bytes, open_media
from tellsign.testing import run
from tellsign.types import Evidence


def examined(pixels: NDArray[np.uint8]) -> Evidence:
    outcome = run(NeighbouringPixels(), open_media(from_bytes(encode_png(pixels))))
    assert isinstance(outcome, Evidence)
    return outcome


def test_cells_of_an_up_sampler_change_the_score(photo: NDArray[np.uint8]) -> None:
    """The photograph against itself through halving and enlargement."""
    small = Image.fromarray(photo).resize((320, 240), Image.Resampling.BOX)
    again = np.asarray(small.resize((640, 480), Image.Resampling.NEAREST))
    plain, celled = examined(photo), examined(again)
    assert celled.score != plain.score
    assert plain.origin.artifact is not None
    assert plain.origin.artifact.name == "neighbouring_pixels"


def test_its_sentence() -> None:
    assert NeighbouringPixels().sentence("The crop", "logit 1.00") == (
        "The crop has differences between neighbouring pixels that resemble those of generators "
        "most: logit 1.00."
    )
