"""An autoencoder that keeps nothing finer than some pixels, in the form of `forge.generate`."""

from __future__ import annotations

import numpy as np


def files(factor: int) -> dict[str, bytes]:
    form = (
        f'kind = "autoencoder"\nname = "mean{factor}"\nlicence = "Apache-2.0"\n'
        f"range = [0.0, 1.0]\nmultiple_of = {factor}\n"
    )
    return {
        "encoder.onnx": network("encoder", factor),
        "decoder.onnx": network("decoder", factor),
        "generator.toml": form.encode(),
    }


def network(kind: str, factor: int) -> bytes:
    """One layer: means over factor x factor pixels, or each pixel repeated as often."""
    from onnx import TensorProto, helper, numpy_helper

    if kind == "encoder":
        sides = [factor, factor]
        nodes = [helper.make_node("AveragePool", ["x"], ["y"], kernel_shape=sides, strides=sides)]
        constants = []
    else:
        scales = np.array([1, 1, factor, factor], np.float32)
        nodes = [helper.make_node("Resize", ["x", "", "scales"], ["y"], mode="nearest",
                                  coordinate_transformation_mode="asymmetric",
                                  nearest_mode="floor")]  # fmt: skip
        constants = [numpy_helper.from_array(scales, "scales")]
    shape = ["n", 3, "h", "w"]
    ends = [helper.make_tensor_value_info(v, TensorProto.FLOAT, shape) for v in ("x", "y")]
    graph = helper.make_graph(nodes, kind, ends[:1], ends[1:], constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=10)
    return bytes(model.SerializeToString())
