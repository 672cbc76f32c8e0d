"""Recipes: what to train, as a small TOML file; unknown keys fail, paths never stand in it.

::

    learner = "network"                # training/learners/network.py
    detector = "residual_network"      # whose artifact is made, and which version of it
    version = "1"
    description = "..."
    minutes = 20                       # default of --minutes
    [settings]                         # the learner's own table, checked by its own dataclass
    [card]                             # what cannot be computed: see `CardText`
"""

from __future__ import annotations

import dataclasses
import difflib
import hashlib
import tomllib
import typing
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import import_module, resources
from pathlib import Path
from typing import Any, TypeVar

from tellsign.artifacts import card as cards
from tellsign.artifacts.card import FileRecord, ModelCard
from tellsign.artifacts.store import CARD
from tellsign.errors import MissingExtra, UsageError
from tellsign.training.bank import Bank

S = TypeVar("S")


@dataclass(frozen=True, slots=True)
class CardText:
    """The part of a card that a person writes."""

    intended_use: str
    known_failures: tuple[str, ...]
    licence_weights: str = "Apache-2.0"
    licence_data: str = "see the manifest of the training pictures"


@dataclass(frozen=True, slots=True)
class Recipe:
    name: str
    learner: str
    detector: str
    version: str
    description: str
    minutes: float
    settings: Mapping[str, Any]
    card: CardText


@dataclass(frozen=True, slots=True)
class Job:
    """One run of a recipe. The learner trains from `bank` and writes into `out`."""

    recipe: Recipe
    bank: Bank
    out: Path  # artifact folder, named "<detector>-<version>"
    checkpoints: Path
    seed: int
    minutes: float  # stop and export when over
    weights: Path | None = None  # pretrained weights that the user brought
    command: str = ""  # as typed; goes into the card

    @property
    def settings(self) -> Mapping[str, Any]:
        return self.recipe.settings

    def checked(self, cls: type[S]) -> S:
        """The recipe's settings as the learner's own frozen dataclass. Raises UsageError."""
        return checked(cls, self.settings, f"recipe {self.recipe.name!r}, [settings]")

    def finish(
        self, summary: str, training_data: str, files: Iterable[str], failures: Iterable[str] = ()
    ) -> None:
        """Write the card over `files`, which lie in `out` already."""
        recipe = self.recipe
        records = []
        for name in files:
            data = (self.out / name).read_bytes()
            records.append(FileRecord(name, hashlib.sha256(data).hexdigest(), len(data)))
        card = ModelCard(
            name=recipe.detector,
            version=recipe.version,
            detector=recipe.detector,
            detector_version=recipe.version,
            summary=summary,
            licence_code="Apache-2.0",
            licence_weights=recipe.card.licence_weights,
            licence_data=recipe.card.licence_data,
            training_data=training_data,
            intended_use=recipe.card.intended_use,
            known_failures=(*recipe.card.known_failures, *failures),
            measured=self.command or f"tellsign train {recipe.name} --seed {self.seed}",
            made=datetime.now(UTC).date().isoformat(),
            files=tuple(records),
        )
        write_whole(self.out / CARD, cards.render(card).encode("utf-8"))


def run(
    recipe: Recipe,
    bank: Bank,
    output: Path,
    *,
    seed: int = 0,
    minutes: float | None = None,
    checkpoints: Path | None = None,
    weights: Path | None = None,
    command: str = "",
) -> Path:
    """Train and write the artifact folder, which is returned.

    Raises UsageError for settings that the learner does not know and MissingExtra without torch.
    """
    try:
        module = import_module(f"tellsign.training.learners.{recipe.learner}")
    except ModuleNotFoundError as error:
        if error.name and error.name.startswith("tellsign"):
            raise UsageError(f"recipe {recipe.name!r}: no learner {recipe.learner!r}") from None
        raise MissingExtra("Trained detectors", "train") from error
    out = output / f"{recipe.detector}-{recipe.version}"
    kept = checkpoints or output / "checkpoints" / recipe.name
    out.mkdir(parents=True, exist_ok=True)
    kept.mkdir(parents=True, exist_ok=True)
    limit = recipe.minutes if minutes is None else minutes
    module.fit(Job(recipe, bank, out, kept, seed, limit, weights, command))
    return out


def builtin_recipes() -> tuple[str, ...]:
    """Names of the recipes that come with tellsign, sorted."""
    folder = resources.files(__package__) / "recipes"
    return tuple(sorted(f.name[:-5] for f in folder.iterdir() if f.name.endswith(".toml")))


def load_recipe(name: str) -> Recipe:
    """A built-in recipe by name, or one from a ``.toml`` file. Raises UsageError."""
    if name in builtin_recipes():
        text = (resources.files(__package__) / "recipes" / f"{name}.toml").read_text("utf-8")
        return recipe_from_toml(text, name)
    if not name.endswith(".toml"):
        raise UsageError(f"no recipe {name!r}: built in are {', '.join(builtin_recipes())}")
    try:
        return recipe_from_toml(Path(name).read_text("utf-8"), Path(name).stem)
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"recipe file {name!r} cannot be read: {error}") from None


def recipe_from_toml(text: str, name: str) -> Recipe:
    """Parse and check everything but the learner's own settings. Raises UsageError."""
    where = f"recipe {name!r}"
    try:
        raw = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{where} is not TOML: {error}") from None
    card = raw.get("card")
    if not isinstance(card, dict) or not isinstance(raw.get("settings", {}), dict):
        raise UsageError(f"{where} needs a table [card], and [settings] must be a table")
    values = {**raw, "name": name, "settings": raw.get("settings", {})}
    values["card"] = checked(CardText, card, f"{where}, [card]")
    return checked(Recipe, values, where)


def checked(cls: type[S], values: Mapping[str, Any], where: str) -> S:
    """Build a dataclass from a table key by key. Raises UsageError naming the key.

    TOML lists become tuples, whole numbers become floats where a float is wanted.
    """
    kinds = typing.get_type_hints(cls)
    fields = {f.name: f for f in dataclasses.fields(cls)}  # type: ignore[arg-type]
    taken = {}
    for key, value in values.items():
        if key not in fields:
            close = difflib.get_close_matches(key, fields, 1)
            hint = f"; did you mean {close[0]!r}?" if close else ""
            raise UsageError(f"{where}: unknown key {key!r}{hint}")
        taken[key] = _converted(kinds[key], value, f"{where}: {key!r}")
    needed = [
        f.name
        for f in fields.values()
        if f.default is dataclasses.MISSING and f.default_factory is dataclasses.MISSING
    ]
    if missing := [name for name in needed if name not in taken]:
        raise UsageError(f"{where}: missing {', '.join(missing)}")
    return cls(**taken)


def _converted(kind: Any, value: Any, where: str) -> Any:
    if kind is float and type(value) is int:
        return float(value)
    if typing.get_origin(kind) is tuple and isinstance(value, list):
        item = typing.get_args(kind)[0]
        return tuple(_converted(item, v, where) for v in value)
    if kind in (str, int, float, bool) and type(value) is not kind:
        raise UsageError(f"{where} wants {kind.__name__}; got {value!r}")
    return value


def write_whole(path: Path, data: bytes) -> None:
    """Write a file that is there entirely or not at all, also when the process is killed."""
    part = path.with_name(path.name + ".part")
    part.write_bytes(data)
    part.replace(path)
