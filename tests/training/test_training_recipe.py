from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest
from small_bank import small_bank

from tellsign.artifacts.store import open_artifact
from tellsign.errors import UsageError
from tellsign.training import recipe as recipes
from tellsign.training.recipe import Job, Recipe, builtin_recipes, checked, load_recipe

TEXT = """
learner = "network"
detector = "neighbouring_pixels"
version = "3"
description = "d"
minutes = 2
[settings]
network = "neighbouring_pixels"
[card]
intended_use = "u"
known_failures = ["f"]
"""


@dataclass(frozen=True)
class Table:
    name: str
    rate: float = 0.5
    many: tuple[str, ...] = ()
    on: bool = False


def test_a_recipe_is_read() -> None:
    found = recipes.recipe_from_toml(TEXT, "own")
    assert (found.name, found.learner, found.minutes) == ("own", "network", 2.0)
    assert found.card.known_failures == ("f",)
    assert found.settings == {"network": "neighbouring_pixels"}


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ("minutes = 2", "minuts = 2", "did you mean 'minutes'"),
        ("minutes = 2", 'minutes = "2"', "wants float"),
        ("minutes = 2", "", "missing minutes"),
        ("[card]", "[cards]", r"needs a table \[card\]"),
        ('intended_use = "u"', "intended_use = 1", "wants str"),
        ("[card]", "[card", "not TOML"),
    ],
)
def test_what_a_recipe_does_not_know_fails(before: str, after: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        recipes.recipe_from_toml(TEXT.replace(before, after), "own")


def test_settings_are_checked_key_by_key() -> None:
    table = checked(Table, {"name": "a", "rate": 1, "many": ["x", "y"]}, "here")
    assert table == Table("a", 1.0, ("x", "y"))
    assert isinstance(table.rate, float)
    for wrong in ({"name": "a", "on": 1}, {"name": 2}, {"name": "a", "many": [1]}):
        with pytest.raises(UsageError, match="here"):
            checked(Table, wrong, "here")


@pytest.mark.parametrize("name", builtin_recipes())
def test_every_recipe_of_ours_is_valid(name: str) -> None:
    found = load_recipe(name)
    folder = Path(recipes.__file__).parent / "learners"
    assert (folder / f"{found.learner}.py").is_file()
    assert found.card.known_failures


def test_a_recipe_of_ones_own_comes_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(TEXT, "utf-8")
    assert load_recipe(str(path)).name == "mine"
    with pytest.raises(UsageError, match="built in are"):
        load_recipe("nothing")
    with pytest.raises(UsageError, match="cannot be read"):
        load_recipe(str(tmp_path / "absent.toml"))


def test_an_unknown_learner_is_named(tmp_path: Path) -> None:
    text = TEXT.replace('"network"\ndetector', '"alchemy"\ndetector')
    with pytest.raises(UsageError, match="no learner 'alchemy'"):
        recipes.run(recipes.recipe_from_toml(text, "own"), small_bank(), tmp_path)


def test_a_finished_job_is_an_artifact(tmp_path: Path) -> None:
    recipe: Recipe = recipes.recipe_from_toml(TEXT, "own")
    out = tmp_path / "neighbouring_pixels-3"
    out.mkdir()
    (out / "head.json").write_text("[1]", "utf-8")
    job = Job(recipe, small_bank(), out, tmp_path, seed=4, minutes=1.0)
    job.finish("summary", "data", ["head.json"], ["weak on x."])
    opened = open_artifact(out)
    assert opened.json("head.json") == [1]
    assert opened.card.known_failures == ("f", "weak on x.")
    assert opened.card.measured == "tellsign train own --seed 4"


def test_a_file_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "x"
    recipes.write_whole(path, b"one")
    recipes.write_whole(path, b"two")
    assert path.read_bytes() == b"two"
    assert [p.name for p in tmp_path.iterdir()] == ["x"]
