from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tellsign.errors import ArtifactError
from tellsign.forge import generate
from tellsign.forge.generate import Form, digest, read_form, reconstruct, sample, write_form

onnx = pytest.importorskip("onnx")


def network(path: Path, operator: str, channels: tuple[int, int], **attributes: object) -> None:
    """A file with one operator between x and y, four-dimensional."""
    made = onnx.helper
    shapes = [["n", c, "h", "w"] for c in channels]
    values = [
        made.make_tensor_value_info(name, onnx.TensorProto.FLOAT, shape)
        for name, shape in zip("xy", shapes, strict=True)
    ]
    node = made.make_node(operator, ["x"], ["y"], **attributes)
    graph = made.make_graph([node], "one", values[:1], values[1:])
    opset = [made.make_opsetid("", 17)]
    path.write_bytes(made.make_model(graph, opset_imports=opset, ir_version=9).SerializeToString())


def autoencoder(folder: Path, **changes: object) -> Path:
    """Averages of 2 x 2 pixels and back: SpaceToDepth would keep all, a pool loses detail."""
    network(folder / "encoder.onnx", "AveragePool", (3, 3), kernel_shape=[2, 2], strides=[2, 2])
    enlarge = {"scales": [1.0, 1.0, 2.0, 2.0]}
    upsample(folder / "decoder.onnx", enlarge["scales"])
    fields = {"kind": "autoencoder", "name": "pool", "licence": "none", "low": -1.0, "high": 1.0}
    write_form(folder, Form(**{**fields, "multiple_of": 2, **changes}))
    return folder


def upsample(path: Path, scales: list[float]) -> None:
    made, kind = onnx.helper, onnx.TensorProto.FLOAT
    x, y = (made.make_tensor_value_info(n, kind, ["n", 3, "h", "w"]) for n in "xy")
    constant = made.make_tensor("s", kind, [4], scales)
    node = made.make_node("Resize", ["x", "", "s"], ["y"], mode="nearest",
                          coordinate_transformation_mode="asymmetric",
                          nearest_mode="floor")  # fmt: skip
    graph = made.make_graph([node], "two", [x], [y], [constant])
    opset = [made.make_opsetid("", 17)]
    path.write_bytes(made.make_model(graph, opset_imports=opset, ir_version=9).SerializeToString())


def picture(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)


def pooled(pixels: np.ndarray) -> np.ndarray:
    height, width = pixels.shape[:2]
    even = np.pad(pixels, ((0, height % 2), (0, width % 2), (0, 0)), "symmetric").astype(float)
    rows, columns = even.shape[0] // 2, even.shape[1] // 2
    means = even.reshape(rows, 2, columns, 2, 3).mean(axis=(1, 3))
    return means.repeat(2, 0).repeat(2, 1)[:height, :width]


@pytest.mark.parametrize("shape", [(32, 48), (33, 47), (1, 1)])
def test_a_picture_comes_back_as_its_autoencoder_sees_it(
    tmp_path: Path, shape: tuple[int, int]
) -> None:
    pixels = picture(*shape)
    again = reconstruct(pixels, autoencoder(tmp_path))
    assert again.dtype == np.uint8
    assert again.shape == pixels.shape
    assert np.abs(again - pooled(pixels)).max() <= 0.51  # rounding


def test_large_pictures_go_in_tiles_without_seams(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pixels, folder = picture(300, 401), autoencoder(tmp_path)
    whole = reconstruct(pixels, folder)
    monkeypatch.setattr(generate, "TILE", 128)
    assert np.array_equal(reconstruct(pixels, folder), whole)


def test_the_scale_lies_between_encoder_and_decoder(tmp_path: Path) -> None:
    grey = np.full((16, 16, 3), 191, np.uint8)
    halved = reconstruct(grey, autoencoder(tmp_path, scale=0.5))
    assert int(halved[0, 0, 0]) == round((191 - 127.5) / 2 + 127.5)


def test_a_gan_draws_reproducibly(tmp_path: Path) -> None:
    network(tmp_path / "generator.onnx", "Tanh", (3, 3))
    write_form(tmp_path, Form("gan", "tanh", "none", -1.0, 1.0, latent=(3, 8, 8)))
    first = sample(tmp_path, 20, 1)
    assert first.shape == (20, 8, 8, 3)
    assert np.array_equal(sample(tmp_path, 18, 1), first[:18])
    assert not np.array_equal(sample(tmp_path, 20, 2), first)
    assert first.std() > 30


def still(folder: Path) -> Path:
    """A diffusion model whose velocity is zero."""
    made, kind = onnx.helper, onnx.TensorProto.FLOAT
    x = made.make_tensor_value_info("x", kind, ["n", 4, "h", "w"])
    y = made.make_tensor_value_info("y", kind, ["n", 3, "h", "w"])
    tensors = [
        made.make_tensor(name, onnx.TensorProto.INT64, [1], [value])
        for name, value in (("start", 0), ("end", 3), ("axis", 1))
    ]
    zero = made.make_tensor("zero", kind, [1], [0.0])
    nodes = [
        made.make_node("Slice", ["x", "start", "end", "axis"], ["planes"]),
        made.make_node("Mul", ["planes", "zero"], ["y"]),
    ]
    graph = made.make_graph(nodes, "nothing", [x], [y], [*tensors, zero])
    model = made.make_model(graph, opset_imports=[made.make_opsetid("", 17)], ir_version=9)
    (folder / "denoiser.onnx").write_bytes(model.SerializeToString())
    form = Form("diffusion", "white", "none", -8.0, 8.0, latent=(3, 16, 16), steps=10)
    write_form(folder, form)
    return folder


def test_diffusion_follows_the_known_solution(tmp_path: Path) -> None:
    # Where pictures are white noise, the best velocity is zero: each step turns x by one angle and
    # the projection shortens it by that angle's cosine.
    drawn = sample(still(tmp_path), 4, 3) * (16 / 255) - 8
    assert drawn.std() == pytest.approx(np.cos(np.pi / 20) ** 10, abs=0.03)


def test_the_form_survives_writing(tmp_path: Path) -> None:
    autoencoder(tmp_path)
    form = read_form(tmp_path)
    write_form(tmp_path, form)
    assert read_form(tmp_path) == form
    assert form.multiple_of == 2


def test_the_digest_is_of_the_networks(tmp_path: Path) -> None:
    first = digest(autoencoder(tmp_path))
    assert digest(autoencoder(tmp_path)) == first
    assert digest(autoencoder(tmp_path, scale=2.0)) != first


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("kind = ", "generator.toml"),
        ('kind = "morph"\nname = "x"\nlicence = ""\nrange = [0, 1]', "kind must be one of"),
        ('kind = "gan"\nname = "x"\nlicence = ""\nrange = [0, 1]\nlatent = [4]', "generator.onnx"),
        ('kind = "autoencoder"\nname = "x"\nlicence = ""\nrange = [1, 0]', "range"),
        ('kind = "autoencoder"\nname = "x"\nlicence = ""\nrange = [0, 1]\nodd = 1', "odd"),
    ],
)
def test_a_bad_folder_is_refused(tmp_path: Path, text: str, words: str) -> None:
    autoencoder(tmp_path)
    (tmp_path / "generator.toml").write_text(text, "utf-8")
    with pytest.raises(ArtifactError, match=words):
        read_form(tmp_path)


def test_kinds_are_not_mixed_up(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="does not draw"):
        sample(autoencoder(tmp_path), 1, 0)
    network(tmp_path / "generator.onnx", "Tanh", (3, 3))
    write_form(tmp_path, Form("gan", "tanh", "none", -1.0, 1.0, latent=(3, 8, 8)))
    with pytest.raises(ArtifactError, match="does not reconstruct"):
        reconstruct(picture(8, 8), tmp_path)
    with pytest.raises(ArtifactError, match="no generator"):
        read_form(tmp_path / "absent")


def test_an_autoencoder_of_another_size_is_refused(tmp_path: Path) -> None:
    folder = autoencoder(tmp_path)
    upsample(folder / "decoder.onnx", [1.0, 1.0, 4.0, 4.0])
    with pytest.raises(ArtifactError, match="became"):
        reconstruct(picture(8, 8), folder)
