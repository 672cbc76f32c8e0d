from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from tellsign.errors import ArtifactError, ForgeError
from tellsign.forge.enlarge import LARGEST, MARGIN, again, enlarge

pytest.importorskip("ncnn", reason="ncnn is not installed")

BILINEAR = "Interp grow 1 1 data output 0=2 1=2.0 2=2.0"
VALID = "Pooling eat 1 1 data output 0=1 1=3 2=1 5=1"  # a mean over 3 x 3 without padding


def written(folder: Path, layer: str, name: str = "net") -> Path:
    lines = ["7767517", "2 2", "Input input 0 1 data", layer]
    (folder / f"{name}.param").write_text("\n".join(lines) + "\n", "ascii")
    (folder / f"{name}.bin").write_bytes(b"")
    return folder / f"{name}.param"


def noise(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)


def test_a_bilinear_network_gives_what_bilinear_resizing_gives(tmp_path: Path) -> None:
    picture = noise(40, 56)
    grown = enlarge(picture, written(tmp_path, BILINEAR))
    assert grown.shape == (80, 112, 3)
    wide = cv2.copyMakeBorder(picture, *(MARGIN,) * 4, cv2.BORDER_REFLECT)
    wanted = cv2.resize(wide, None, fx=2, fy=2, interpolation=cv2.INTER_LINEAR)
    inside = wanted[2 * MARGIN : 2 * MARGIN + 80, 2 * MARGIN : 2 * MARGIN + 112]
    assert np.abs(grown.astype(int) - inside).max() <= 1


def test_a_network_without_padding_stays_in_place(tmp_path: Path) -> None:
    picture = noise(33, 47)
    smooth = enlarge(picture, written(tmp_path, VALID))
    wanted = cv2.blur(picture, (3, 3), borderType=cv2.BORDER_REFLECT)
    assert smooth.shape == picture.shape
    assert np.abs(smooth.astype(int) - wanted).max() <= 1


def test_small_and_large_again(tmp_path: Path) -> None:
    net = written(tmp_path, BILINEAR)
    smooth = cv2.GaussianBlur(noise(64, 96), (0, 0), 8)
    drawn = again(smooth, [net, net], 4)
    assert drawn.shape == smooth.shape
    assert 0 < np.abs(drawn.astype(int) - smooth).mean() < 4
    rough = again(smooth, [net, net], 4, noise=20.0, seed=1)
    assert np.abs(rough.astype(int) - drawn).mean() > 4
    assert np.array_equal(rough, again(smooth, [net, net], 4, noise=20.0, seed=1))
    with pytest.raises(ArtifactError, match=r"net\.param do not enlarge by 4"):
        again(smooth, [net], 4)


def test_a_network_of_other_conventions_is_refused(tmp_path: Path) -> None:
    inverted = written(tmp_path, "Power turn 1 1 data output 0=1.0 1=-1.0 2=1.0", "inverted")
    with pytest.raises(ArtifactError, match=r"inverted\.param drew another picture"):
        again(np.full((64, 64, 3), 40, np.uint8), [inverted], 1)


def test_what_is_no_network_is_refused(tmp_path: Path) -> None:
    picture = noise(32, 32)
    with pytest.raises(ArtifactError, match=r"none\.param, none\.bin missing"):
        enlarge(picture, tmp_path / "none.param")
    (tmp_path / "odd.param").write_text("hello\n", "ascii")
    (tmp_path / "odd.bin").write_bytes(b"")
    with pytest.raises(ArtifactError, match="no network that ncnn reads"):
        enlarge(picture, tmp_path / "odd.param")
    shrinks = written(tmp_path, "Reduction mean 1 1 data output 0=3 1=0 -23303=1,0", "grey")
    with pytest.raises(ArtifactError, match="grey"):
        enlarge(picture, shrinks)


def test_a_large_picture_is_refused_before_any_work(tmp_path: Path) -> None:
    with pytest.raises(ForgeError, match="too many to enlarge"):
        enlarge(np.zeros((8, LARGEST + 1, 3), np.uint8), tmp_path / "none.param")
