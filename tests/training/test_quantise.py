"""Matrix products in int8, but for those that are left; large float32 tensors in float16."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

onnx = pytest.importorskip("onnx")

from onnx import TensorProto, helper, numpy_helper  # noqa: E402

from tellsign.errors import ArtifactError  # noqa: E402
from tellsign.nn.runtime import network  # noqa: E402
from tellsign.training.quantise import PART, quantise  # noqa: E402

SIDE = 640  # a product of so many inputs and outputs is large as float32


def two_products(path: Path) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    first, second = (rng.normal(0, SIDE**-0.5, (SIDE, SIDE)).astype(np.float32) for _ in range(2))
    graph = helper.make_graph(
        [
            helper.make_node("MatMul", ["x", "first"], ["y"], "/trunk/MatMul"),
            helper.make_node("MatMul", ["y", "second"], ["z"], "/top/MatMul"),
        ],
        "two",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", SIDE])],
        [helper.make_tensor_value_info("z", TensorProto.FLOAT, ["n", SIDE])],
        [numpy_helper.from_array(first, "first"), numpy_helper.from_array(second, "second")],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)]), path)
    return first, second


def test_only_what_is_not_left_is_rounded_to_int8(tmp_path: Path) -> None:
    first, second = two_products(tmp_path / "whole.onnx")
    files = quantise(tmp_path / "whole.onnx", tmp_path / "out", leave="/top/")
    kinds = [node.op_type for node in onnx.load(files[0]).graph.node]
    assert kinds.count("MatMulInteger") == 1
    assert kinds.count("MatMul") == 1
    # A byte a weight, two a weight that is left, and little else.
    assert sum(f.stat().st_size for f in files) == pytest.approx(3 * SIDE**2, rel=0.05)
    x = np.random.default_rng(1).normal(size=(1, SIDE)).astype(np.float32)
    x[0, 0] = 60.0  # one that is far larger than the rest: the first product suffers
    told = network(files[0]).run(x)
    rounded = np.abs(told - x @ first @ second).max()
    assert 1e-3 < rounded < 1.0


def test_a_product_that_is_left_loses_nothing_to_a_large_activation(tmp_path: Path) -> None:
    first, second = two_products(tmp_path / "whole.onnx")
    x = np.random.default_rng(1).normal(size=(1, SIDE)).astype(np.float32)
    x[0, 0] = 60.0
    gaps = []
    for leave in (None, "MatMul"):
        files = quantise(tmp_path / "whole.onnx", tmp_path / str(leave), leave=leave)
        gaps.append(float(np.abs(network(files[0]).run(x) - x @ first @ second).max()))
    assert gaps[1] < gaps[0] / 20


def test_weights_are_cut_into_files(tmp_path: Path) -> None:
    two_products(tmp_path / "whole.onnx")
    files = quantise(tmp_path / "whole.onnx", tmp_path / "out", "tower")
    assert [f.name for f in files] == ["tower.onnx", "tower-0.bin"]
    assert all(f.stat().st_size <= PART for f in files)


def test_a_graph_without_weights_is_refused(tmp_path: Path) -> None:
    graph = helper.make_graph(
        [helper.make_node("Relu", ["x"], ["y"])],
        "none",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 4])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 4])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    onnx.save(model, tmp_path / "whole.onnx")
    with pytest.raises(ArtifactError, match="no weights"):
        quantise(tmp_path / "whole.onnx", tmp_path / "out")
