from __future__ import annotations

from pathlib import Path

import pytest

from tellsign.benchmark import protocols
from tellsign.errors import UsageError
from tellsign.training.bank import HELD_OUT
from tellsign.types import Question

GOOD = """
kind = "conditions"
description = "d"
question = "synthetic"
split = "train"
conditions = ["raw", "norm"]
"""


@pytest.mark.parametrize("name", protocols.names())
def test_every_protocol_of_the_package_loads_and_survives_a_round_trip(name: str) -> None:
    protocol = protocols.load(name)
    assert protocol.name == name
    assert protocols.from_mapping(protocols.as_mapping(protocol), name) == protocol


def test_the_headline_conditions_are_covered() -> None:
    for name in ("held_out", "devtest", "train_all"):
        assert {"norm", "web", "hard"} <= set(protocols.load(name).conditions)
    assert protocols.load("devtest").split == protocols.DEVTEST


def test_a_file_of_ones_own(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(GOOD, "utf-8")
    protocol = protocols.load(str(path))
    assert (protocol.name, protocol.question) == ("mine", Question.SYNTHETIC)
    assert protocol.sizes == "matched"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("colour = 1", "unknown key 'colour'"),
        ("per_group = 'two'", "whole number"),
        ("per_group = true", "whole number"),
        ("per_group = -1", "negative"),
        ("apart = 'x'", "list of texts"),
        ("sizes = 'huge'", "matched"),
        ("= 1", "not TOML"),
    ],
)
def test_what_is_wrong_is_named(change: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        protocols.parse(GOOD + change, "bad")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('kind = "conditions"', 'kind = "dance"', "kind is one of"),
        ('question = "synthetic"', 'question = "who"', "no question"),
        ('"raw", "norm"', '"raw", "melt"', "unknown treatment"),
        ('"raw", "norm"', "", "named once each"),
        ('"raw", "norm"', '"raw", "raw"', "named once each"),
        ('split = "train"', "", "needs the key 'split'"),
    ],
)
def test_values_are_checked(old: str, new: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        protocols.parse(GOOD.replace(old, new), "bad")


def test_unknown_names_and_unreadable_files(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="did you mean 'devtest'"):
        protocols.load("devtset")
    with pytest.raises(UsageError, match="no such file"):
        protocols.load(str(tmp_path / "none.toml"))
    path = tmp_path / "latin.toml"
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(UsageError, match="UTF-8"):
        protocols.load(str(path))


@pytest.mark.parametrize("name", ["calibration", "held_out", "sweep_held_out"])
def test_what_is_said_to_be_held_out_is(name: str) -> None:
    assert set(protocols.load(name).groups) <= HELD_OUT
