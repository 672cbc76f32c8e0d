"""The whole command in a process of its own, on a plan of toys."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tiny_pictures import TROUBLE


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "log"


@pytest.fixture
def start(log: Path) -> Callable[..., subprocess.Popen[str]]:
    """Start ``tellsign batch`` in a process group of its own, with the toy that keeps a log."""

    def started(*arguments: str | Path, plan: tuple[str, ...] = TROUBLE) -> subprocess.Popen[str]:
        pytest.importorskip("pyarrow", reason="pyarrow is not installed")
        command = [sys.executable, "-m", "tellsign", "batch", *map(str, arguments), *plan]
        return subprocess.Popen(
            command,
            env={**os.environ, "TOY_TROUBLE_LOG": str(log)},
            stderr=subprocess.PIPE,
            encoding="utf-8",
            errors="surrogateescape",
            start_new_session=True,
            # A shell that runs tests in the background ignores Ctrl-C, and that is inherited.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )

    return started


@pytest.fixture
def batch(start: Callable[..., subprocess.Popen[str]]) -> Callable[..., tuple[int, str]]:
    """Run it to its end: exit code and what it said."""

    def ran(*arguments: str | Path, **more: Any) -> tuple[int, str]:
        process = start(*arguments, **more)
        _, said = process.communicate(timeout=120)
        return process.returncode, said

    return ran
