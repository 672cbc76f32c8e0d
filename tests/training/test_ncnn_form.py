from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("onnx")

from tellsign.errors import ArtifactError  # noqa: E402
from tellsign.forge.enlarge import enlarge  # noqa: E402
from tellsign.forge.generate import read_form  # noqa: E402
from tellsign.training.ncnn_form import HALF, Enlarger, Weights, convert, parse  # noqa: E402


def param(*layers: str) -> str:
    return "\n".join(["7767517", f"{len(layers)} 9", *layers]) + "\n"


def floats(values: np.ndarray) -> bytes:
    return values.astype("<f4").tobytes()


def halves(values: np.ndarray) -> bytes:
    data = values.astype("<f2").tobytes()
    return struct.pack("<I", HALF) + data + b"\0" * (-len(data) % 4)


INPUT = "Input in 0 1 x"
rng = np.random.default_rng(3)


def run(text: str, weights: bytes, x: np.ndarray) -> np.ndarray:
    with torch.no_grad():
        found: np.ndarray = Enlarger(parse(text), Weights(weights))(torch.from_numpy(x)).numpy()
    return found


def picture(channels: int = 3, side: int = 6) -> np.ndarray:
    return rng.normal(size=(1, channels, side, side)).astype(np.float32)


def test_a_convolution_by_hand() -> None:
    kernel = rng.normal(size=(2, 3, 3, 3)).astype(np.float16).astype(np.float32)
    bias = np.array([0.5, -9.0], np.float32)
    text = param(INPUT, "Convolution c 1 1 x y 0=2 1=3 4=1 5=1 6=54 9=2 -23310=1,0.1")
    x = picture()
    out = run(text, halves(kernel) + floats(bias), x)
    wide = np.pad(x[0], ((0, 0), (1, 1), (1, 1)))
    for channel in range(2):
        raw = (wide[:, 2:5, 3:6] * kernel[channel]).sum() + bias[channel]
        assert out[0, channel, 2, 3] == pytest.approx(raw if raw > 0 else 0.1 * raw, abs=1e-5)


def test_a_deconvolution_keeps_outputs_first_in_the_file() -> None:
    kernel = rng.normal(size=(3, 2, 2, 2)).astype(np.float32)  # outputs, inputs, rows, columns
    text = param(INPUT, "Deconvolution d 1 1 x y 0=3 1=2 3=2 5=0 6=24")
    x = picture(2, 4)
    out = run(text, struct.pack("<I", 0) + floats(kernel), x)
    assert out.shape == (1, 3, 8, 8)
    wanted = np.einsum("i,oiab->oab", x[0, :, 1, 2], kernel)
    assert np.allclose(out[0, :, 2:4, 4:6], wanted, atol=1e-5)


def test_layers_without_weights() -> None:
    x = picture(4, 4)
    text = param(
        INPUT,
        "Split s 1 3 x a b c",
        "BinaryOp m 1 1 a a2 0=2 1=1 2=0.5",
        "Eltwise e 2 1 a2 b sum 0=1 -23301=2,2.0,1.0",
        "Concat j 2 1 sum c both",
        "PixelShuffle p 1 1 both y 0=2",
    )
    out = run(text, b"", x)
    assert np.allclose(out, torch.pixel_shuffle(torch.from_numpy(np.concatenate([2 * x, x], 1)), 2))
    grown = run(param(INPUT, "Interp i 1 1 x y 0=1 1=2.0 2=2.0"), b"", x)
    assert np.array_equal(grown, x.repeat(2, 2).repeat(2, 3))


def test_channels_weighted_by_their_mean() -> None:
    x = picture(2, 4)
    text = param(
        INPUT, "Split s 1 2 x a b", "Pooling p 1 1 a mean 0=1 4=1",
        "InnerProduct f 1 1 mean gate 0=2 1=0 2=4 9=4", "Scale g 2 1 b gate y 0=-233",
    )  # fmt: skip
    matrix = np.array([[1.0, 0.0], [0.0, -1.0]], np.float32)
    gate = 1 / (1 + np.exp(-(matrix @ x[0].mean((1, 2)))))
    out = run(text, struct.pack("<I", 0) + floats(matrix), x)
    assert np.allclose(out[0], x[0] * gate[:, None, None], atol=1e-6)


def test_a_crop_takes_the_size_of_its_second_input() -> None:
    text = param(
        INPUT, "Split s 1 2 x a b", "Convolution c 1 1 a small 0=1 1=3 5=0 6=9",
        "Crop k 2 1 b small y 0=1 1=1",
    )  # fmt: skip
    x = picture(1, 5)
    out = run(text, struct.pack("<I", 0) + floats(np.ones(9)), x)
    assert np.array_equal(out, x[:, :, 1:4, 1:4])


def test_converted_and_used(tmp_path: Path) -> None:
    text = param(
        INPUT, "Convolution c 1 1 x m 0=12 1=1 5=0 6=36", "PixelShuffle p 1 1 m y 0=2"
    )  # fmt: skip
    repeat = np.repeat(np.eye(3, dtype=np.float32), 4, axis=0)  # each channel four times
    (tmp_path / "two.param").write_text(text, "ascii")
    (tmp_path / "two.bin").write_bytes(halves(repeat))
    assert convert(tmp_path / "two.param", tmp_path / "net", "two", "none") < 1e-5
    assert read_form(tmp_path / "net").factor == 2
    pixels = rng.integers(0, 256, (20, 30, 3), np.uint8)
    grown = enlarge(pixels, tmp_path / "net")
    assert np.array_equal(grown, pixels.repeat(2, 0).repeat(2, 1))


@pytest.mark.parametrize(
    ("text", "weights", "said"),
    [
        ("hello\n", b"", "text form"),
        (param(INPUT, "Softmax s 1 1 x y 0=0"), b"", "kind Softmax is not known"),
        (param(INPUT, "Convolution c 1 1 x y 0=3 1=1 6=9"), b"\1\0\0\0", "quantised"),
        (param(INPUT, "Convolution c 1 1 x y 0=3 1=1 6=9"), bytes(8), "end early"),
        (param(INPUT, "Interp i 1 1 x y 0=1 1=2 2=2"), b"more", "belong to no layer"),
        (param(INPUT, "Concat c 2 1 x z y"), b"", "no network that is known: 'z'"),
        (param(INPUT, "Eltwise e 2 1 x x y 0=2"), b"", "only sums"),
        (param(INPUT, "Crop c 2 1 x x y -23309=2,2,2"), b"", "crop"),
    ],
)
def test_other_files_are_refused(tmp_path: Path, text: str, weights: bytes, said: str) -> None:
    (tmp_path / "odd.param").write_text(text, "ascii")
    (tmp_path / "odd.bin").write_bytes(weights)
    with pytest.raises(ArtifactError, match=said):
        convert(tmp_path / "odd.param", tmp_path / "net", "odd", "none")


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "odd.param").write_text(param(INPUT), "ascii")
    with pytest.raises(ArtifactError, match=r"odd\.bin"):
        convert(tmp_path / "odd.param", tmp_path / "net", "odd", "none")
