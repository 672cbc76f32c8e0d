"""onnxruntime, one session per process and file; the only place that opens a network."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tellsign.errors import ArtifactError

THREADS = 2  # fixed: the order of a sum, and so its last bits, depends on it


class Network:
    """A loaded ONNX file with one input."""

    def __init__(self, session: Any) -> None:
        self._session = session
        self._input = session.get_inputs()[0].name

    def run(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
        """The first output for ``batch``, (n, ...) float32."""
        return self.run_all(batch)[0]

    def run_all(self, batch: NDArray[np.float32]) -> tuple[NDArray[np.float32], ...]:
        """All outputs, in the order of the file."""
        feed = {self._input: np.ascontiguousarray(batch, np.float32)}
        return tuple(np.asarray(out, np.float32) for out in self._session.run(None, feed))


@cache
def network(path: Path) -> Network:
    """Open a network on the CPU. Raises ArtifactError when the file is none."""
    import onnxruntime as ort
    from onnxruntime.capi import onnxruntime_pybind11_state as states

    options = ort.SessionOptions()
    options.intra_op_num_threads = THREADS
    options.inter_op_num_threads = 1
    options.use_deterministic_compute = True
    options.log_severity_level = 3
    broken = (states.Fail, states.InvalidGraph, states.InvalidProtobuf, states.NoSuchFile)
    try:
        session = ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except broken as error:
        raise ArtifactError(f"{path.name} is no network that can be run: {error}") from error
    return Network(session)
