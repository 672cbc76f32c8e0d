"""Only regular, non-empty, readable files of bounded size become sources."""

from __future__ import annotations

import hashlib
import io
import os
import socket
import time
from pathlib import Path

import pytest
from media_pictures import encode, scene

from tellsign.errors import LimitExceeded, UnreadableSource
from tellsign.media import Limits, from_bytes, from_path, from_stream, open_media
from tellsign.media.source import open_regular


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "picture.png"
    path.write_bytes(encode(scene(), "PNG"))
    return path


def test_path_bytes_and_stream_agree(file: Path) -> None:
    data = file.read_bytes()
    sources = [from_path(file), from_bytes(data), from_stream(io.BytesIO(data))]
    assert {s.sha256 for s in sources} == {hashlib.sha256(data).hexdigest()}
    assert {s.size for s in sources} == {len(data)}
    assert [s.name for s in sources] == [str(file), "bytes", "stdin"]
    for source in sources:
        with source.open() as stream:
            assert stream.read() == data


def test_a_link_to_a_file_is_followed(file: Path) -> None:
    link = file.with_name("link")
    link.symlink_to(file)
    assert from_path(link).sha256 == from_path(file).sha256


def test_a_relative_path_survives_a_change_of_directory(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    source = from_path("picture.png")
    monkeypatch.chdir("/")
    assert source.name == "picture.png"
    assert open_media(source).shape == (64, 96)


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda p: None, "no such file"),
        (lambda p: p.mkdir(), "is a directory"),
        (lambda p: p.symlink_to("nowhere"), "no such file"),
        (lambda p: p.symlink_to(p.name), "symbolic links"),
        (lambda p: os.mkfifo(p), "is a named pipe"),
        (lambda p: p.symlink_to("/dev/zero"), "is a device"),
        (lambda p: p.write_bytes(b""), "empty"),
    ],
    ids=["missing", "directory", "dangling", "loop", "fifo", "device", "empty"],
)
def test_what_is_no_file_is_refused_at_once(make: object, reason: str, tmp_path: Path) -> None:
    path = tmp_path / "input.jpg"
    make(path)  # type: ignore[operator]
    began = time.monotonic()
    with pytest.raises(UnreadableSource, match=reason) as caught:
        from_path(path)
    assert str(path) in str(caught.value)
    assert time.monotonic() - began < 2


def test_a_socket_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # socket paths are short
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("socket")
        with pytest.raises(UnreadableSource, match="socket"):
            from_path("socket")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_no_permission(file: Path) -> None:
    file.chmod(0)
    with pytest.raises(UnreadableSource, match="permission"):
        from_path(file)


def test_a_path_that_no_system_can_hold() -> None:
    with pytest.raises(UnreadableSource):
        from_path("a\0b")
    with pytest.raises(UnreadableSource):
        from_path("x" * 5000)


def test_a_sparse_giant_is_refused_from_its_size_alone(tmp_path: Path) -> None:
    path = tmp_path / "sparse.jpg"
    with path.open("wb") as stream:
        stream.truncate(2 << 30)
    began = time.process_time()
    with pytest.raises(LimitExceeded, match="2147483648 bytes"):
        from_path(path)
    assert time.process_time() - began < 0.2


def test_limits_of_bytes_and_streams() -> None:
    small = Limits(max_bytes=100)
    with pytest.raises(LimitExceeded):
        from_bytes(bytes(101), limits=small)
    with pytest.raises(LimitExceeded, match="stdin"):
        from_stream(io.BytesIO(bytes(101)), limits=small)
    assert from_stream(io.BytesIO(bytes(100)), limits=small).size == 100
    with pytest.raises(UnreadableSource, match="no bytes"):
        from_bytes(b"")


def test_an_endless_stream_is_given_up() -> None:
    class Endless(io.RawIOBase):
        served = 0

        def readable(self) -> bool:
            return True

        def read(self, size: int = -1) -> bytes:
            Endless.served += size
            return bytes(size)

    with pytest.raises(LimitExceeded):
        from_stream(Endless(), limits=Limits(max_bytes=5_000_000))  # type: ignore[arg-type]
    assert Endless.served < 8_000_000


def test_a_stream_that_fails() -> None:
    class Broken(io.RawIOBase):
        def read(self, size: int = -1) -> bytes:
            raise OSError(5, "Input/output error")

    with pytest.raises(UnreadableSource, match="input/output error"):
        from_stream(Broken())  # type: ignore[arg-type]


def test_a_file_that_changes_before_it_is_examined(file: Path) -> None:
    source = from_path(file)
    file.write_bytes(file.read_bytes()[:-1] + b"x")
    with pytest.raises(UnreadableSource, match="changed"):
        open_media(source)
    file.unlink()
    with pytest.raises(UnreadableSource):
        open_media(source)
    os.mkfifo(file)
    with pytest.raises(UnreadableSource, match="named pipe"):
        open_media(source)


def test_open_regular_leaves_no_descriptor_behind(tmp_path: Path) -> None:
    folder = Path("/proc/self/fd")
    if not folder.is_dir():
        pytest.skip("this system does not list descriptors")
    before = len(list(folder.iterdir()))
    for _ in range(20):
        with pytest.raises(UnreadableSource):
            open_regular(str(tmp_path))
    assert len(list(folder.iterdir())) == before
