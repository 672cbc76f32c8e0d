"""C libraries are kept quiet; what others write meanwhile still arrives."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import pytest

from tellsign.media.quiet import quietly

KNOWN = re.compile(rb"Corrupt .*")


def test_known_lines_are_returned_and_others_passed_on(capfd: pytest.CaptureFixture[str]) -> None:
    def call() -> int:
        os.write(2, b"a log line of another thread\nCorrupt data: 7\nCorrupt data: 8\n")
        return 42

    assert quietly(call, KNOWN) == (42, b"Corrupt data: 7")
    assert capfd.readouterr().err == "a log line of another thread\n"


def test_an_exception_restores_the_descriptor(capfd: pytest.CaptureFixture[str]) -> None:
    def call() -> None:
        os.write(2, b"Corrupt data\n")
        raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        quietly(call, KNOWN)
    os.write(2, b"heard\n")
    assert capfd.readouterr().err == "heard\n"


def test_a_process_without_stderr() -> None:
    code = (
        "import os, re; os.close(2)\n"
        "from tellsign.media.quiet import quietly\n"
        "print(quietly(lambda: 1, re.compile(b'x')))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True)
    assert done.stdout.strip() == "(1, b'')"
