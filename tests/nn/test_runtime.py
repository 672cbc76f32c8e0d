"""A network file is opened once; what is none is an artifact's error."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tellsign.errors import ArtifactError
from tellsign.nn.runtime import network


def test_a_network_runs_and_is_kept(tmp_path: Path) -> None:
    onnx = pytest.importorskip("onnx")
    helper, kind = onnx.helper, onnx.TensorProto.FLOAT
    graph = helper.make_graph(
        [helper.make_node("Mul", ["x", "x"], ["y"]), helper.make_node("Neg", ["x"], ["z"])],
        "square",
        [helper.make_tensor_value_info("x", kind, ["n", 2])],
        [helper.make_tensor_value_info(name, kind, ["n", 2]) for name in ("y", "z")],
    )
    opset = [helper.make_opsetid("", 17)]
    path = tmp_path / "square.onnx"
    onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=9), path)
    batch = np.array([[1, -2], [3, 4]], np.float32)
    net = network(path)
    np.testing.assert_array_equal(net.run(batch), batch**2)
    np.testing.assert_array_equal(net.run_all(batch)[1], -batch)
    assert network(path) is net


def test_another_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(b"no network")
    with pytest.raises(ArtifactError, match=r"model\.onnx"):
        network(path)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError):
        network(tmp_path / "none.onnx")
