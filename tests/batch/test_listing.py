"""Folders and lists, with names as hostile as a file system allows."""

from __future__ import annotations

import io
import os
from itertools import islice
from pathlib import Path

import pytest

from tellsign.batch.listing import Listing, opened
from tellsign.errors import LimitExceeded, UnreadableSource, UsageError
from tellsign.media.limits import Limits
from tellsign.types import Source, Unopened

HOSTILE = [b"a.png", b"\xff\xfe.png", b"\x1b[31mred.png", b"with space .png", b"-option", b"x\r"]


def names(target: Path | str, skipped: frozenset[str] = frozenset()) -> list[bytes]:
    return sorted(Listing(str(target), skipped))


def test_a_folder_is_walked_to_its_leaves_and_nothing_is_left_out(tmp_path: Path) -> None:
    base = os.fsencode(tmp_path)
    (tmp_path / "sub" / "deep").mkdir(parents=True)
    wanted = [base + b"/" + name for name in HOSTILE] + [base + b"/sub/deep/a\nb.png"]
    for name in wanted:
        Path(os.fsdecode(name)).write_bytes(b"x")
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "loop").symlink_to(tmp_path, target_is_directory=True)
    (tmp_path / "dangling").symlink_to("nowhere")
    odd = [base + b"/pipe", base + b"/loop", base + b"/dangling"]
    assert names(tmp_path) == sorted(wanted + odd)
    assert all(isinstance(opened(name, Limits()), Unopened) for name in odd)
    assert all(isinstance(opened(name, Limits()), Source) for name in wanted)


def test_the_runs_own_files_are_no_sources(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"x")
    (tmp_path / "out.parquet.parts").mkdir()
    (tmp_path / "out.parquet.parts" / "journal.sqlite").write_bytes(b"x")
    own = frozenset({str(tmp_path / "out.parquet.parts")})
    assert names(tmp_path, own) == [os.fsencode(tmp_path / "a.png")]


def test_a_folder_is_walked_lazily(tmp_path: Path) -> None:
    for number in range(50):
        (tmp_path / str(number)).write_bytes(b"x")
    assert len(list(islice(Listing(str(tmp_path)), 3))) == 3


def test_a_list_is_read_as_bytes(tmp_path: Path) -> None:
    target = tmp_path / "list"
    target.write_bytes(b"\n".join([*HOSTILE[:5], b"", b"dos.png\r", b"last"]))
    assert list(Listing(str(target))) == [*HOSTILE[:5], b"dos.png", b"last"]


def test_a_list_on_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    class Stdin:
        buffer = io.BytesIO(b"a.png\nb.png\n")

    monkeypatch.setattr("sys.stdin", Stdin)
    assert list(Listing("-")) == [b"a.png", b"b.png"]


def test_what_is_no_list(tmp_path: Path, photo_jpeg: bytes) -> None:
    with pytest.raises(UsageError, match="no such folder or list"):
        Listing(str(tmp_path / "gone"))
    (tmp_path / "a.jpg").write_bytes(photo_jpeg)
    with pytest.raises(UsageError, match="is not a list of paths"):
        list(Listing(str(tmp_path / "a.jpg")))


def test_a_source_that_cannot_be_read_says_why(tmp_path: Path) -> None:
    gone = opened(b"gone.png", Limits())
    assert isinstance(gone, Unopened)
    assert isinstance(gone.error, UnreadableSource)
    (tmp_path / "big").write_bytes(bytes(100))
    big = opened(os.fsencode(tmp_path / "big"), Limits(max_bytes=99))
    assert isinstance(big, Unopened)
    assert isinstance(big.error, LimitExceeded)
