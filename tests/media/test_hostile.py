"""The heaviest inputs: bounded time and memory, measured in processes of their own."""

from __future__ import annotations

import subprocess
import sys
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from media_pictures import SAMPLES, chunk, encode, scene, segment, with_chunks, with_segments
from PIL import Image

SECONDS = 10.0  # of processor time: the machine may be shared
MEMORY = 1500 << 20

CODE = """
import resource, sys, time
from pathlib import Path
from tellsign.errors import InputError
from tellsign.media import from_path, open_media
try:
    media = open_media(from_path(sys.argv[1]))
    media.luma, media.alpha, media.dct, media.children, [e.key for e in media.metadata.entries]
    print("opened")
except InputError as error:
    print(type(error).__name__, error)
used = resource.getrusage(resource.RUSAGE_SELF)
# Linux hands the peak of the process that forked on to ru_maxrss, across exec; VmHWM is our own.
status = Path("/proc/self/status")
lines = status.read_text().splitlines() if status.is_file() else []
own = [int(line.split()[1]) for line in lines if line.startswith("VmHWM")]
print(used.ru_utime + used.ru_stime, (own[0] if own else used.ru_maxrss) * 1024)
"""

BIG = 60 << 20


def wide(_: Path) -> bytes:
    return encode(np.full((16, 65_500), 90, np.uint8), "JPEG")


def large_colour(_: Path) -> bytes:
    tile = np.tile(scene(512, 512), (16, 24, 1))  # 8192 x 12288: 100 megapixels
    return encode(tile[:8000], "JPEG", quality=40)


def large_grey_progressive(_: Path) -> bytes:
    tile = np.tile(scene(512, 512)[..., 0], (16, 24))
    return encode(tile[:8000], "JPEG", quality=20, progressive=True)


def large_png(_: Path) -> bytes:
    return encode(Image.new("RGBA", (10_000, 9_900)), "PNG", compress_level=1)


CASES: dict[str, tuple[Callable[[Path], bytes], str]] = {
    "wide": (wide, "LimitExceeded"),
    "100 megapixels, 4:2:0": (large_colour, "opened"),
    "100 megapixels, progressive": (large_grey_progressive, "opened"),
    "99 megapixels, RGBA": (large_png, "opened"),
    "fill bytes": (lambda _: b"\xff\xd8" + b"\xff" * BIG, "MalformedMedia"),
    "restart markers": (lambda _: b"\xff\xd8" + b"\xff\xd0" * (BIG // 2), "MalformedMedia"),
    "empty segments": (
        lambda _: with_segments(SAMPLES["jpeg"](), segment(0xFE, b"") * (BIG // 4)),
        "LimitExceeded",
    ),
    "comments": (
        lambda _: with_segments(SAMPLES["jpeg"](), segment(0xFE, b"A" * 65_000) * 160),
        "opened",
    ),
    "inflated text": (
        lambda _: with_chunks(
            SAMPLES["png"](), chunk(b"zTXt", b"k\0\0" + zlib.compress(bytes(BIG))) * 500
        ),
        "opened",
    ),
    "inflated profile": (
        lambda _: with_chunks(
            SAMPLES["png"](), chunk(b"iCCP", b"k\0\0" + zlib.compress(bytes(10 * BIG)))
        ),
        "opened",
    ),
    "zeros in a GIF": (lambda _: SAMPLES["gif"]()[:-1] + bytes(BIG) + b";", "opened"),
}


@pytest.mark.parametrize("name", CASES)
def test_time_and_memory(name: str, tmp_path: Path) -> None:
    make, expected = CASES[name]
    path = tmp_path / "input"
    path.write_bytes(make(tmp_path))
    command = [sys.executable, "-W", "error", "-c", CODE, str(path)]
    done = subprocess.run(command, capture_output=True, check=False, timeout=120, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    outcome, used = done.stdout.strip().splitlines()
    assert outcome.startswith(expected)
    seconds, memory = (float(x) for x in used.split())
    assert seconds < SECONDS
    assert memory < MEMORY


def test_the_fuzz_script_finds_nothing_in_a_short_run() -> None:
    script = Path(__file__).resolve().parents[2] / "scripts" / "fuzz"
    command = [sys.executable, str(script), "--count", "400", "--seed", "ci", "--seconds", "60"]
    done = subprocess.run(command, capture_output=True, check=False, timeout=200, text=True)
    assert done.returncode == 0, done.stderr
    assert "refused" in done.stdout


def test_the_fuzz_script_can_fail(tmp_path: Path) -> None:
    script = Path(__file__).resolve().parents[2] / "scripts" / "fuzz"
    done = subprocess.run(
        [sys.executable, str(script), "--count", "1", str(tmp_path / "missing")],
        capture_output=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 1
