from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from numpy.typing import NDArray
from PIL import Image

from tellsign.cli.forge import command
from tellsign.errors import UsageError
from tellsign.forge.codec import encode_png

Pixels = NDArray[np.uint8]


@pytest.fixture
def folder(tmp_path: Path, host: Pixels, donor: Pixels) -> Path:
    (tmp_path / "a.png").write_bytes(encode_png(host))
    (tmp_path / "b.png").write_bytes(encode_png(donor))
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "a.png").write_bytes(encode_png(donor))
    return tmp_path


def run(folder: Path, *arguments: str) -> tuple[int, str, str]:
    out = str(folder / "out")
    result = CliRunner().invoke(command, [*arguments, "--output", out])
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, result.stdout, result.stderr


def test_a_splice_with_laundering_and_twin(folder: Path) -> None:
    code, out, err = run(
        folder, "splice", str(folder / "a.png"), str(folder / "b.png"),
        "--launder", "web", "--launder", "crop-0.5+jpeg-70", "--twin", "--seed", "4",
    )  # fmt: skip
    assert (code, err) == (0, "")
    stems = [f"a.splice{t}{n}" for t in ("", ".twin") for n in ("", ".web", ".crop-0.5+jpeg-70")]
    assert [Path(line).name for line in out.splitlines()] == [f"{s}.jpg" for s in stems]
    written = {p.name for p in (folder / "out").iterdir()}
    assert written == {s + e for s in stems for e in (".jpg", ".mask.png", ".json")}
    for stem in stems:
        record = json.loads((folder / "out" / f"{stem}.json").read_text())
        media = (folder / "out" / record["files"]["media"]).read_bytes()
        assert record["output"]["sha256"] == hashlib.sha256(media).hexdigest()
        mask = np.array(Image.open(folder / "out" / record["files"]["mask"]))
        assert mask.shape == (record["output"]["height"], record["output"]["width"])
        assert record["mask"]["pixels_sha256"] == hashlib.sha256(mask.tobytes()).hexdigest()
        assert str(folder) not in json.dumps(record)
    assert not np.array(Image.open(folder / "out" / "a.splice.twin.mask.png")).any()
    record = json.loads((folder / "out" / "a.splice.crop-0.5+jpeg-70.json").read_text())
    assert [s["step"] for s in record["steps"]][-3:] == ["crop", "png", "jpeg"]


def test_a_second_run_writes_the_same_bytes(folder: Path) -> None:
    arguments = ("copy_move", str(folder / "a.png"), "--launder", "norm", "--seed", "9")
    run(folder, *arguments)
    first = {p.name: p.read_bytes() for p in (folder / "out").iterdir()}
    run(folder, *arguments)
    assert {p.name: p.read_bytes() for p in (folder / "out").iterdir()} == first
    assert len(first) == 6


def test_sources_of_one_name_do_not_overwrite_each_other(folder: Path) -> None:
    _, out, _ = run(folder, "retouch", str(folder / "a.png"), str(folder / "sub" / "a.png"))
    assert [Path(p).name for p in out.splitlines()] == ["a.retouch.jpg", "a.retouch-2.jpg"]


def test_a_broken_source_does_not_stop_the_others(folder: Path) -> None:
    (folder / "tiny.png").write_bytes(encode_png(np.zeros((30, 30, 3), np.uint8)))
    code, out, err = run(
        folder, "retouch", str(folder / "gone.png"), str(folder / "tiny.png"), str(folder / "b.png")
    )
    assert code == 3
    assert Path(out.strip()).name == "b.retouch.jpg"
    assert len(err.splitlines()) == 2
    assert "no such file" in err
    assert "too small to forge in" in err


def test_standard_input(folder: Path) -> None:
    data = (folder / "a.png").read_bytes()
    out = str(folder / "out")
    result = CliRunner().invoke(command, ["retouch", "-", "--output", out], input=data)
    assert result.exit_code == 0
    piped = (folder / "out" / "stdin.retouch.jpg").read_bytes()
    run(folder, "retouch", str(folder / "a.png"))
    assert (folder / "out" / "a.retouch.jpg").read_bytes() == piped


def test_a_hostile_name_stays_in_the_folder(folder: Path) -> None:
    name = folder / "x\x1b[31m<b> ;rm.png"
    name.write_bytes((folder / "a.png").read_bytes())
    code, out, _ = run(folder, "retouch", str(name))
    assert code == 0
    assert "\x1b" not in out
    assert [p.name for p in (folder / "out").glob("*.jpg")] == ["x__31m_b___rm.retouch.jpg"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("nothing", "a.png"), "no recipe 'nothing'"),
        (("splice", "a.png"), "in pairs, host and donor; got 1"),
        (("splice", "-", "-"), "standard input can be given once"),
        (("retouch", "a.png", "--launder", "jpeg-0"), "whole number from 1 to 100"),
        (("retouch", "a.png", "--launder", "magic"), "unknown treatment 'magic'"),
    ],
)
def test_usage_errors_come_before_any_work(
    folder: Path, arguments: tuple[str, ...], words: str
) -> None:
    with pytest.raises(UsageError, match=words):
        run(folder, *arguments)
    assert not (folder / "out").exists()


def test_an_output_that_is_a_file(folder: Path) -> None:
    (folder / "out").write_text("here")
    with pytest.raises(UsageError, match="out: file exists"):
        run(folder, "retouch", str(folder / "a.png"))


def test_the_list_of_recipes() -> None:
    result = CliRunner().invoke(command, ["--list"])
    assert result.exit_code == 0
    names = [line.split()[0] for line in result.stdout.splitlines()]
    assert "splice" in names
    assert names == sorted(names)
