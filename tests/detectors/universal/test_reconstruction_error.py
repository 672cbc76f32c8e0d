from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from mean_autoencoder import files
from tellsign.artifacts import card as cards
from tellsign.artifacts.card import FileRecord, ModelCard
from tellsign.artifacts.install import write
from tellsign.artifacts.store import CARD, ENVIRONMENT, forget
from tellsign.detectors.universal.reconstruction_error import (
    CELL,
    GRID,
    SIDE,
    ReconstructionError,
    bytes_per_pixel,
    gradient_distance,
    grid_crops,
)
from tellsign.forge.codec import encode_png
from tellsign.forge.generate import reconstruct
from tellsign.media import from_bytes, open_media
from tellsign.media.media import Media
from tellsign.plan import Plan
from tellsign.testing import check_detector, run
from tellsign.types import Abstention, Evidence

onnx = pytest.importorskip("onnx")

Pixels = NDArray[np.uint8]


def install(root: Path, version: str, factor: int) -> Path:
    """An autoencoder that keeps nothing finer than `factor` pixels."""
    content = files(factor)
    texts = dict.fromkeys(
        ("summary", "licence_code", "licence_weights", "licence_data", "training_data",
         "intended_use", "measured", "made"), "toy",
    )  # fmt: skip
    card = ModelCard(
        name="autoencoder",
        version=version,
        detector="reconstruction_error",
        detector_version="1",
        known_failures=("all",),
        files=tuple(
            FileRecord(n, hashlib.sha256(d).hexdigest(), len(d)) for n, d in content.items()
        ),
        **texts,
    )
    folder = root / f"autoencoder-{version}"
    write({**content, CARD: cards.render(card).encode()}, folder)
    return folder


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(ENVIRONMENT, str(tmp_path))
    forget()
    return tmp_path


def media(pixels: Pixels) -> Media:
    return open_media(from_bytes(encode_png(pixels), "test.png"))


def examined(pixels: Pixels) -> Evidence:
    found = run(ReconstructionError(), media(pixels))
    assert isinstance(found, Evidence)
    return found


def test_without_an_autoencoder_it_abstains(photo: Pixels, root: Path) -> None:
    found = run(ReconstructionError(), media(photo))
    assert isinstance(found, Abstention)
    assert found.code == "no_autoencoder"
    assert ReconstructionError().artifact_ref() is None


def test_what_came_out_of_the_autoencoder_scores_above_its_source(
    photo: Pixels, root: Path
) -> None:
    folder = install(root, "1", 2)
    again = reconstruct(photo, folder)
    assert examined(again).score > examined(photo).score + 2


def test_the_autoencoder_that_reproduces_best_decides(photo: Pixels, root: Path) -> None:
    folder = install(root, "1", 2)
    again = reconstruct(photo, folder)
    alone = examined(again)
    install(root, "2", 8)
    both = examined(again)
    assert both.score == alone.score
    assert both.findings[0].values["autoencoder"] == "autoencoder@1"


def test_the_autoencoders_are_named_and_are_part_of_the_plan(root: Path) -> None:
    install(root, "1", 2)
    first, one = Plan.select(detectors=["reconstruction_error"]).digest, ReconstructionError()
    before = one.artifact_ref()
    install(root, "2", 8)
    after = one.artifact_ref()
    assert before is not None
    assert after is not None
    assert after.version == "1+2"
    assert before.sha256 != after.sha256
    assert Plan.select(detectors=["reconstruction_error"]).digest != first


def test_the_map_shows_where_a_reproduced_piece_lies(photo: Pixels, root: Path) -> None:
    folder = install(root, "1", 2)
    mixed = photo.copy()
    mixed[:256, :256] = reconstruct(photo, folder)[:256, :256]
    found = examined(mixed).maps[0]
    inside = np.zeros(found.values.shape, np.bool_)
    inside[1 : 256 // CELL - 1, 1 : 256 // CELL - 1] = True
    values = found.values
    assert values[inside & found.valid].min() > np.median(values[~inside & found.valid])
    assert found.span == (0, 2)


def test_the_contract_holds_with_an_autoencoder(root: Path) -> None:
    install(root, "1", 2)
    check_detector(ReconstructionError)


def test_the_distance_is_zero_for_the_same_and_grows_with_the_loss(photo: Pixels) -> None:
    import cv2

    part = photo[:SIDE, :SIDE]
    losses = [np.asarray(cv2.GaussianBlur(part, (0, 0), s), np.uint8) for s in (0.6, 1.5, 4.0)]
    distances = [float(gradient_distance(part, other).mean()) for other in (part, *losses)]
    assert distances[0] == 0
    assert distances == sorted(distances)
    assert distances[-1] < 1.5


def test_contrast_hardly_matters(photo: Pixels) -> None:
    """The distance is relative: half the contrast of both leaves it nearly as it was."""
    import cv2

    part = photo[:SIDE, :SIDE]
    blurred = np.asarray(cv2.GaussianBlur(part, (0, 0), 1.5), np.uint8)
    full = gradient_distance(part, blurred).mean()
    half = gradient_distance(part // 2 + 64, blurred // 2 + 64).mean()
    assert half == pytest.approx(full, rel=0.25)


def test_crops_lie_on_the_grid_and_complexity_follows_detail(photo: Pixels) -> None:
    cut, corners = grid_crops(photo)
    assert (corners % GRID == 0).all()
    assert cut.shape[1:] == (SIDE, SIDE, 3)
    assert bytes_per_pixel(cut) > bytes_per_pixel(cut // 8 + 100)
