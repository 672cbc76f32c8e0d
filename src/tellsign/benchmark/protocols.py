"""Protocols: what is measured on which pictures, as small TOML files; unknown keys fail.

Kinds differ in what `tellsign bench render` makes of the scores:

``conditions``   detectors under the laundering conditions of the evaluation rules
``sweep``        the same over a family of treatments, drawn as curves
``matrix``       each detector on each generator
``held_out``     generators that the detectors' training left out, named by `groups`
``leave_one_out``  heads of detectors fitted again without each generator in turn
``adaptation``   how fast detectors that can be adapted learn each generator
"""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields
from importlib import resources
from pathlib import Path
from typing import Any, Literal, get_args

from tellsign.errors import UsageError
from tellsign.forge import launder
from tellsign.types import Question

Kind = Literal["conditions", "sweep", "matrix", "held_out", "leave_one_out", "adaptation"]
Sizes = Literal["matched", "own"]
DEVTEST = "devtest"
FITTED = ("leave_one_out", "adaptation")  # kinds that fit heads to the pictures


@dataclass(frozen=True, slots=True)
class Protocol:
    """A checked protocol."""

    name: str
    kind: Kind
    description: str
    question: Question
    split: str
    conditions: tuple[str, ...]
    groups: tuple[str, ...] = ()  # empty: all
    without: tuple[str, ...] = ()
    apart: tuple[str, ...] = ()  # pristine groups told by themselves, never the negatives
    styles: tuple[str, ...] = ("photo", "art")
    per_group: int = 0
    least_side: int = 256
    # "matched": both classes cut to sizes of one law, so that size tells nothing; "own": as they
    # are.
    sizes: Sizes = "matched"
    seed: int = 0

    def __post_init__(self) -> None:
        if self.kind not in get_args(Kind):
            raise UsageError(f"protocol {self.name!r}: kind is one of {', '.join(get_args(Kind))}")
        if self.sizes not in get_args(Sizes):
            raise UsageError(f"protocol {self.name!r}: sizes is 'matched' or 'own'")
        if self.kind in FITTED and self.split == DEVTEST:
            raise UsageError(f"protocol {self.name!r}: nothing is fitted to the split {DEVTEST}")
        if not self.conditions or len(set(self.conditions)) != len(self.conditions):
            raise UsageError(f"protocol {self.name!r}: conditions must be named once each")
        for condition in self.conditions:
            launder.parse(condition)
        if min(self.per_group, self.least_side) < 0:
            raise UsageError(f"protocol {self.name!r}: numbers must not be negative")


def load(name: str) -> Protocol:
    """A protocol of the package by name, or one from a ``.toml`` file. Raises UsageError."""
    if name in names():
        return parse((_folder() / f"{name}.toml").read_text("utf-8"), name)
    if not name.endswith(".toml"):
        close = difflib.get_close_matches(name, names(), 1)
        hint = f"; did you mean {close[0]!r}?" if close else ""
        raise UsageError(f"no protocol {name!r}{hint}; `tellsign bench list` shows them")
    try:
        return parse(Path(name).read_text("utf-8"), Path(name).stem)
    except OSError as error:
        raise UsageError(f"{name}: {(error.strerror or 'cannot be read').lower()}") from None
    except UnicodeDecodeError:
        raise UsageError(f"{name} is not UTF-8 text") from None


def names() -> tuple[str, ...]:
    """The protocols that come with tellsign, sorted."""
    return tuple(sorted(f.name[:-5] for f in _folder().iterdir() if f.name.endswith(".toml")))


def parse(text: str, name: str) -> Protocol:
    """Raises UsageError for what is not TOML, an unknown or missing key, a wrong type."""
    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"protocol {name!r} is not TOML: {error}") from None
    return from_mapping(values, name)


def from_mapping(values: Mapping[str, Any], name: str) -> Protocol:
    """Raises UsageError."""
    known = {f.name: f for f in fields(Protocol) if f.name != "name"}
    for key in values:
        if key not in known:
            raise UsageError(
                f"protocol {name!r}: unknown key {key!r}; there are {', '.join(known)}"
            )
    needed = [k for k, f in known.items() if f.default is MISSING and k not in values]
    if needed:
        raise UsageError(f"protocol {name!r}: needs the key {needed[0]!r}")
    return Protocol(name=name, **{k: _checked(name, k, v) for k, v in values.items()})


def as_mapping(protocol: Protocol) -> dict[str, Any]:
    """What `from_mapping` reads back; for the meta file of a run."""
    values = {f.name: getattr(protocol, f.name) for f in fields(protocol) if f.name != "name"}
    return {k: list(v) if isinstance(v, tuple) else v for k, v in values.items()}


def _checked(name: str, key: str, value: Any) -> Any:
    lists = ("conditions", "groups", "without", "apart", "styles")
    kind = list if key in lists else int if key in ("per_group", "least_side", "seed") else str
    good = type(value) is kind or (kind is str and isinstance(value, str))
    if not good or (kind is list and not all(isinstance(v, str) for v in value)):
        wanted = {list: "a list of texts", int: "a whole number", str: "a text"}[kind]
        raise UsageError(f"protocol {name!r}: {key} wants {wanted}, not {value!r}")
    if key == "question":
        try:
            return Question(value)
        except ValueError:
            raise UsageError(f"protocol {name!r}: no question {value!r}") from None
    return tuple(value) if kind is list else value


def _folder() -> resources.abc.Traversable:
    return resources.files("tellsign.benchmark") / "protocols"
