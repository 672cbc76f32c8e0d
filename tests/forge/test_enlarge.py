from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from tellsign.errors import ArtifactError, ForgeError
from tellsign.forge.enlarge import LARGEST, MARGIN, again, enlarge
from tellsign.forge.generate import Form, read_form, write_form

onnx = pytest.importorskip("onnx")


def written(
    folder: Path, operator: str, factor: int, inputs: tuple[str, ...] = ("x",), **more: object
) -> Path:
    """A generator folder whose network is one operator."""
    made, kind = onnx.helper, onnx.TensorProto.FLOAT
    folder.mkdir(parents=True)
    x, y = (made.make_tensor_value_info(n, kind, ["n", "c", "h", "w"]) for n in "xy")
    constants = [
        made.make_tensor("s", kind, [4], [1.0, 1.0, factor, factor]),
        made.make_tensor("one", kind, [1], [1.0]),
    ]
    node = made.make_node(operator, list(inputs), ["y"], **more)
    used = [c for c in constants if c.name in inputs]
    graph = made.make_graph([node], "one", [x], [y], used)
    model = made.make_model(graph, opset_imports=[made.make_opsetid("", 17)], ir_version=9)
    (folder / "enlarger.onnx").write_bytes(model.SerializeToString())
    write_form(folder, Form("enlarger", folder.name, "none", 0.0, 1.0, factor=factor))
    return folder


def bilinear(folder: Path) -> Path:
    return written(folder, "Resize", 2, ("x", "", "s"), mode="linear")


def noise(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)


def test_the_form_keeps_its_factor(tmp_path: Path) -> None:
    form = read_form(bilinear(tmp_path / "two"))
    assert (form.kind, form.factor) == ("enlarger", 2)


def test_a_bilinear_network_gives_what_bilinear_resizing_gives(tmp_path: Path) -> None:
    picture = noise(40, 56)
    grown = enlarge(picture, bilinear(tmp_path / "two"))
    assert grown.shape == (80, 112, 3)
    wide = cv2.copyMakeBorder(picture, *(MARGIN,) * 4, cv2.BORDER_REFLECT)
    wanted = cv2.resize(wide, None, fx=2, fy=2, interpolation=cv2.INTER_LINEAR)
    inside = wanted[2 * MARGIN : 2 * MARGIN + 80, 2 * MARGIN : 2 * MARGIN + 112]
    assert np.abs(grown.astype(int) - inside).max() <= 1


def test_a_network_without_padding_stays_in_place(tmp_path: Path) -> None:
    picture = noise(33, 47)
    smooth = enlarge(picture, written(tmp_path / "eat", "AveragePool", 1, kernel_shape=[3, 3]))
    wanted = cv2.blur(picture, (3, 3), borderType=cv2.BORDER_REFLECT)
    assert smooth.shape == picture.shape
    assert np.abs(smooth.astype(int) - wanted).max() <= 1


def test_small_and_large_again(tmp_path: Path) -> None:
    net = bilinear(tmp_path / "two")
    smooth = cv2.GaussianBlur(noise(64, 96), (0, 0), 8)
    drawn = again(smooth, [net, net])
    assert drawn.shape == smooth.shape
    assert 0 < np.abs(drawn.astype(int) - smooth).mean() < 4
    with pytest.raises(ArtifactError, match="62 x 64 pixels are no multiples of 4"):
        again(smooth[:, :62], [net, net])


def test_a_network_of_other_conventions_is_refused(tmp_path: Path) -> None:
    inverted = written(tmp_path / "inverted", "Sub", 1, ("one", "x"))
    with pytest.raises(ArtifactError, match="inverted drew another picture: 175 grey levels"):
        again(np.full((64, 64, 3), 40, np.uint8), [inverted])


def test_what_does_not_enlarge_is_refused(tmp_path: Path) -> None:
    picture = noise(80, 80)
    with pytest.raises(ArtifactError, match="no generator"):
        enlarge(picture, tmp_path / "none")
    shrinks = written(tmp_path / "less", "AveragePool", 1, kernel_shape=[2, 2], strides=[2, 2])
    with pytest.raises(ArtifactError, match=r"less: \(144, 144\) pixels became \(3, 72, 72\)"):
        enlarge(picture, shrinks)
    draws = tmp_path / "less" / "generator.toml"
    draws.write_text(draws.read_text().replace("enlarger", "gan").replace("factor", "steps"))
    with pytest.raises(ArtifactError, match=r"generator\.onnx missing"):
        enlarge(picture, tmp_path / "less")


def test_a_large_picture_is_refused_before_any_work(tmp_path: Path) -> None:
    with pytest.raises(ForgeError, match="too many to enlarge"):
        enlarge(np.zeros((8, LARGEST + 1, 3), np.uint8), tmp_path / "none")
