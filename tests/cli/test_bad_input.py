"""The whole command on hostile input: one clear error, within time and memory."""

from __future__ import annotations

import io
import json
import os
import resource
import struct
import subprocess
import sys
import time
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner
from PIL import Image

from tellsign.cli.main import cli

SECONDS = 10
MEMORY = 1_500_000_000  # bytes of peak resident size


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width: int, height: int, rows: bytes) -> bytes:
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def bomb_png(path: Path, _: bytes) -> None:
    path.write_bytes(png(60_000, 60_000, zlib.compress(bytes(1 << 20))))


def wide(path: Path, _: bytes) -> None:
    buffer = io.BytesIO()
    Image.new("RGB", (65_500, 16), (90, 120, 40)).save(buffer, "JPEG")
    path.write_bytes(buffer.getvalue())


def bomb_tiff(path: Path, _: bytes) -> None:
    entries = [(256, 4, 1, 50_000), (257, 4, 1, 50_000), (258, 3, 1, 8), (259, 3, 1, 8)]
    entries += [(262, 3, 1, 1), (273, 4, 1, 8), (278, 4, 1, 50_000), (279, 4, 1, 1000)]
    block = struct.pack("<H", len(entries))
    block += b"".join(struct.pack("<HHII", *e) for e in entries) + struct.pack("<I", 0)
    path.write_bytes(b"II*\0" + struct.pack("<I", 8) + block + zlib.compress(bytes(1 << 20)))


def bomb_webp(path: Path, _: bytes) -> None:
    # VP8L header: 14 bits of width - 1 and of height - 1, both at their largest.
    body = b"\x2f" + struct.pack("<I", 0x0FFFFFFF) + bytes(32)
    payload = b"WEBPVP8L" + struct.pack("<I", len(body)) + body + b"\0" * (len(body) % 2)
    path.write_bytes(b"RIFF" + struct.pack("<I", len(payload)) + payload)


def wrong_size(path: Path, jpeg: bytes) -> None:
    at = jpeg.index(b"\xff\xc0") + 5
    path.write_bytes(jpeg[:at] + struct.pack(">HH", 20_000, 4_000) + jpeg[at + 4 :])


def sparse(path: Path, jpeg: bytes) -> None:
    path.write_bytes(jpeg)
    os.truncate(path, 2 << 30)


def fifo(path: Path, _: bytes) -> None:
    os.mkfifo(path)


CASES: dict[str, Callable[[Path, bytes], object]] = {
    "empty": lambda path, _: path.write_bytes(b""),
    "text": lambda path, _: path.write_text("This is no picture.\n" * 50),
    "one pixel": lambda path, _: Image.new("RGB", (1, 1)).save(path, "JPEG"),
    "wide": wide,
    "bomb png": bomb_png,
    "bomb tiff": bomb_tiff,
    "bomb webp": bomb_webp,
    "wrong SOF": wrong_size,
    "sparse": sparse,
    "directory": lambda path, _: path.mkdir(),
    "dangling link": lambda path, _: path.symlink_to("nowhere"),
    "fifo": fifo,
    **{
        f"truncated at {10 * i} %": lambda path, jpeg, i=i: path.write_bytes(
            jpeg[: len(jpeg) * i // 10]
        )
        for i in range(1, 10)
    },
}


def measured(path: Path) -> tuple[subprocess.CompletedProcess[bytes], float, int]:
    """Run the command; peak memory is the child's own, by a wrapper process."""
    code = (
        "import resource, subprocess, sys;"
        "done = subprocess.run(sys.argv[1:]);"
        "peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss;"
        "print(f'PEAK {peak}', file=sys.stderr); sys.exit(done.returncode)"
    )
    command = [sys.executable, "-c", code, sys.executable, "-m", "tellsign", "examine", "--json"]
    started = time.perf_counter()
    done = subprocess.run([*command, str(path)], capture_output=True, check=False, timeout=60)
    peak = int(done.stderr.rsplit(b"PEAK ", 1)[1]) * 1024
    done.stderr = done.stderr.rsplit(b"PEAK ", 1)[0]
    return done, time.perf_counter() - started, peak


@pytest.mark.parametrize("name", CASES)
def test_one_clear_error(name: str, tmp_path: Path, photo_jpeg: bytes) -> None:
    path = tmp_path / "input.jpg"
    CASES[name](path, photo_jpeg)
    done, seconds, peak = measured(path)
    message = done.stderr.decode()
    assert done.returncode == 3, message
    assert message.count("\n") == 1
    assert message.startswith("tellsign: ")
    assert "input.jpg" in message
    assert "Traceback" not in message
    assert seconds < SECONDS
    assert peak < MEMORY
    report = json.loads(done.stdout)
    assert {o["kind"] for o in report["outcomes"]} == {"failure"}
    assert all(c["support"] == "none" for c in report["conclusions"])
    assert "could not be examined" in report["headline"]


def test_a_file_without_permission(
    tmp_path: Path, photo_jpeg: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Refused by hand, since whoever runs the tests as root may read everything."""
    path = tmp_path / "input.jpg"
    path.write_bytes(photo_jpeg)
    really_open = os.open

    def refuse(name: object, *rest: int, **more: int) -> int:
        if str(name) == str(path):
            raise PermissionError(13, "Permission denied", str(path))
        return really_open(name, *rest, **more)  # type: ignore[call-overload,no-any-return]

    monkeypatch.setattr(os, "open", refuse)
    done = CliRunner().invoke(cli, ["examine", "--json", str(path)])
    assert done.exit_code == 3
    assert "input.jpg" in done.stderr
    assert "permission" in done.stderr.lower()
    assert json.loads(done.stdout)["media"] is None


HOSTILE = "<script>alert(1)</script>\x1b[31mred\x1b]0;title\x07\x00\u202ereversed"


@pytest.mark.parametrize("rendering", ["terminal", "json", "html"])
def test_hostile_strings_never_pass_through(
    rendering: str, tmp_path: Path, photo_jpeg: bytes
) -> None:
    exif = Image.Exif()
    exif[0x010F] = exif[0x0110] = exif[0x0131] = HOSTILE
    path = tmp_path / "in\x1b[32m<b>put.jpg"
    comment = (HOSTILE.encode() * 2000)[:65_000]
    with Image.open(io.BytesIO(photo_jpeg)) as picture:
        picture.save(path, "JPEG", quality=90, exif=exif, comment=comment)
    page = tmp_path / "page.html"
    command = [sys.executable, "-m", "tellsign", "examine", str(path), "--html", str(page)]
    command += ["--json"] if rendering == "json" else []
    done = subprocess.run(command, capture_output=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    shown = page.read_text("utf-8") if rendering == "html" else done.stdout.decode()
    for bad in ("\x1b", "\x07", "\x00", "\u202e"):
        assert bad not in shown
    if rendering == "html":
        assert "<script>alert" not in shown
        assert "<b>put" not in shown


def test_a_large_comment_costs_little(tmp_path: Path, photo_jpeg: bytes) -> None:
    """10 MB of comments, the most a JPEG header is likely to be padded with."""
    part = b"\xff\xfe" + struct.pack(">H", 65_002) + b"A" * 65_000
    path = tmp_path / "input.jpg"
    path.write_bytes(photo_jpeg[:2] + part * 160 + photo_jpeg[2:])
    done, seconds, peak = measured(path)
    assert done.returncode == 0, done.stderr
    assert seconds < SECONDS
    assert peak < MEMORY
    assert len(done.stdout) < 200_000


def test_bit_flips_never_crash(tmp_path: Path, photo_jpeg: bytes) -> None:
    import random

    rng = random.Random(5)
    paths = []
    for i in range(12):
        data = bytearray(photo_jpeg)
        for _ in range(20):
            data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
        paths.append(tmp_path / f"{i}.jpg")
        paths[-1].write_bytes(data)
    command = [sys.executable, "-m", "tellsign", "examine", "--json", *map(str, paths)]
    done = subprocess.run(command, capture_output=True, check=False, timeout=200)
    assert done.returncode in (0, 3), done.stderr
    assert b"Traceback" not in done.stderr
    assert len(done.stdout.splitlines()) == len(paths)
    assert resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024 < MEMORY
