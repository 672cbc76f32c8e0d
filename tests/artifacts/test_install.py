"""Folders from elsewhere: what is taken in, and everything that is not."""

from __future__ import annotations

import hashlib
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from tellsign.artifacts import card as cards
from tellsign.artifacts.card import FileRecord, ModelCard
from tellsign.artifacts.install import install
from tellsign.artifacts.store import ENVIRONMENT, Store, user_folder
from tellsign.cli.main import cli
from tellsign.errors import ArtifactError, UsageError

HEAD = json.dumps({"weight": [1.0]}).encode()


def made(
    root: Path, *, name: str = "toy", version: str = "1", file: str = "head.json", sha: str = ""
) -> Path:
    """An artifact folder as an adaptation leaves it behind."""
    record = FileRecord(file, sha or hashlib.sha256(HEAD).hexdigest(), len(HEAD))
    card = ModelCard(
        name=name,
        version=version,
        detector=name,
        detector_version=version,
        summary="A toy",
        licence_code="Apache-2.0",
        licence_weights="Apache-2.0",
        licence_data="none",
        training_data="made up",
        intended_use="tests",
        known_failures=("all",),
        measured="pytest",
        made="2026-11-22",
        files=(record,),
    )
    folder = root / "toy-1"
    folder.mkdir(parents=True)
    (folder / "card.toml").write_text(cards.render(card), "utf-8")
    (folder / "head.json").write_bytes(HEAD)
    return folder


def test_a_proper_folder_is_copied_and_opens(tmp_path: Path) -> None:
    folder = made(tmp_path / "from")
    added = install(folder, tmp_path / "mine")
    assert added.folder == tmp_path / "mine" / "toy-1"
    assert added.path("head.json").read_bytes() == HEAD
    assert [p.name for p in (tmp_path / "mine").iterdir()] == ["toy-1"]


def test_one_that_is_there_is_replaced_on_request_only(tmp_path: Path) -> None:
    folder = made(tmp_path / "from")
    install(folder, tmp_path / "mine")
    (tmp_path / "mine" / "toy-1" / "old.txt").write_text("old", "utf-8")
    with pytest.raises(UsageError, match="--replace"):
        install(folder, tmp_path / "mine")
    install(folder, tmp_path / "mine", replace=True)
    assert not (tmp_path / "mine" / "toy-1" / "old.txt").exists()


def test_what_a_caller_refuses_is_not_written(tmp_path: Path) -> None:
    def no(card: ModelCard, content: object) -> None:
        raise ArtifactError(f"not {card.name}")

    with pytest.raises(ArtifactError, match="not toy"):
        install(made(tmp_path / "from"), tmp_path / "mine", check=no)
    assert not (tmp_path / "mine").exists()


def linked_file(folder: Path) -> None:
    outside = folder.parent / "outside.json"
    (folder / "head.json").rename(outside)
    (folder / "head.json").symlink_to(outside)


def changed_file(folder: Path) -> None:
    (folder / "head.json").write_bytes(HEAD.replace(b"1", b"2"))


def stray_file(folder: Path) -> None:
    (folder / "more.json").write_text("{}", "utf-8")


def nested(folder: Path) -> None:
    (folder / "inner").mkdir()


def no_card(folder: Path) -> None:
    (folder / "card.toml").unlink()


def binary_card(folder: Path) -> None:
    (folder / "card.toml").write_bytes(b"\xff\xfe")


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (linked_file, "no plain file"),
        (changed_file, "was changed"),
        (stray_file, "does not list"),
        (nested, "no plain file"),
        (no_card, "no artifact"),
        (binary_card, "no UTF-8"),
    ],
)
def test_a_spoilt_folder_is_refused(
    tmp_path: Path, spoil: Callable[[Path], None], words: str
) -> None:
    folder = made(tmp_path / "from")
    spoil(folder)
    with pytest.raises(ArtifactError, match=words):
        install(folder, tmp_path / "mine")
    assert not (tmp_path / "mine").exists()


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"name": "../toy"}, "cannot name a folder"),
        ({"name": "/etc/toy"}, "cannot name a folder"),
        ({"version": "1/../../x"}, "cannot name a folder"),
        ({"version": ".."}, "cannot name a folder"),
        ({"file": "../head.json"}, "no plain file|not a plain file name"),
        ({"file": "head.pkl"}, "no file of an artifact"),
        ({"file": "head.json:x"}, "no file of an artifact"),
        ({"file": "card.toml"}, "twice, or itself"),
        ({"sha": "0" * 64}, "was changed"),
    ],
)
def test_a_card_that_reaches_out_is_refused(
    tmp_path: Path, fields: dict[str, str], words: str
) -> None:
    try:
        folder = made(tmp_path / "from", **fields)
    except ArtifactError:
        folder = made(tmp_path / "again")
        text = (folder / "card.toml").read_text("utf-8")
        (folder / "card.toml").write_text(text.replace("head.json", fields["file"]), "utf-8")
    with pytest.raises(ArtifactError, match=words):
        install(folder, tmp_path / "mine")
    assert not (tmp_path / "mine").exists()


def test_a_link_in_the_place_of_the_folder_is_refused(tmp_path: Path) -> None:
    folder = made(tmp_path / "from")
    (tmp_path / "toy-1").symlink_to(folder)
    with pytest.raises(ArtifactError, match="no folder"):
        install(tmp_path / "toy-1", tmp_path / "mine")


def test_a_link_in_the_users_folder_is_replaced_not_followed(tmp_path: Path) -> None:
    folder, elsewhere = made(tmp_path / "from"), tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "keep.txt").write_text("keep", "utf-8")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "toy-1").symlink_to(elsewhere)
    install(folder, tmp_path / "mine", replace=True)
    assert (elsewhere / "keep.txt").read_text("utf-8") == "keep"
    assert not (tmp_path / "mine" / "toy-1").is_symlink()


def test_the_command_puts_it_where_the_store_looks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = tmp_path / "mine"
    monkeypatch.setenv(ENVIRONMENT, os.pathsep.join([str(mine), str(tmp_path / "second")]))
    folder = made(tmp_path / "from")
    shown = CliRunner().invoke(cli, ["models", "add", str(folder)])
    assert shown.exit_code == 0
    assert shown.stdout.startswith("toy@1  ")
    listed = CliRunner().invoke(cli, ["models", "list"])
    assert "toy@1" in listed.stdout


def test_the_command_refuses_a_calibration_of_something_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(ENVIRONMENT, str(tmp_path / "mine"))
    folder = made(tmp_path / "from", file="calibration.json")
    (folder / "head.json").rename(folder / "calibration.json")
    done = CliRunner().invoke(cli, ["models", "add", str(folder)])
    assert isinstance(done.exception, ArtifactError)
    assert not (tmp_path / "mine").exists()


def test_the_users_folder_follows_the_rule(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(ENVIRONMENT, os.pathsep.join(["", str(tmp_path / "a"), str(tmp_path / "b")]))
    assert user_folder() == tmp_path / "a"
    monkeypatch.setenv(ENVIRONMENT, "")
    with pytest.raises(UsageError, match=ENVIRONMENT):
        user_folder()


@pytest.mark.skipif(sys.platform in ("darwin", "win32"), reason="the rule of free desktops")
def test_without_a_variable_the_platform_says_where(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(ENVIRONMENT, raising=False)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    assert user_folder() == tmp_path / "tellsign" / "artifacts"
    install(made(tmp_path / "from"), user_folder())
    assert Store.default().get("toy", "1") is not None
    monkeypatch.setenv("XDG_DATA_HOME", "relative")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert user_folder() == tmp_path / "home" / ".local" / "share" / "tellsign" / "artifacts"


def test_a_card_cannot_colour_a_terminal(tmp_path: Path) -> None:
    folder = made(tmp_path)
    text = (folder / "card.toml").read_text("utf-8").replace("A toy", "A \\u001b[31m \\u202etoy")
    rendered = cards.render(cards.parse(text, "toy"))
    assert all(c.isprintable() or c == "\n" for c in rendered)
    assert cards.parse(rendered, "toy") == cards.parse(text, "toy")
