from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tellsign.errors import UsageError
from tellsign.forge.recipe import (
    METHODS,
    OPERATIONS,
    builtin_recipes,
    load_recipe,
    recipe_from_mapping,
    recipe_from_toml,
)


def test_builtin_recipes_load_and_cover_every_operation() -> None:
    recipes = [load_recipe(name) for name in builtin_recipes()]
    assert {r.operation for r in recipes} == set(OPERATIONS)
    assert [r.name for r in recipes] == list(builtin_recipes())
    assert all(r.description for r in recipes)
    assert len({r.sha256 for r in recipes}) == len(recipes)


def test_numbers_lists_and_defaults() -> None:
    recipe = recipe_from_mapping({"operation": "splice", "area": 0.1, "quality": [80, 90]})
    assert recipe.area == (0.1, 0.1)
    assert recipe.quality == (80, 90)
    assert recipe.sources == 2
    assert recipe_from_mapping({"operation": "inpaint"}).method == METHODS["inpaint"]
    assert recipe_from_mapping({"operation": "inpaint", "method": "telea"}).method == ("telea",)


def test_the_digest_is_of_what_it_does() -> None:
    plain = {"operation": "retouch", "area": 0.1}
    same = recipe_from_mapping({**plain, "name": "other", "description": "words"})
    assert same.sha256 == recipe_from_mapping(plain).sha256
    assert recipe_from_mapping({**plain, "area": 0.2}).sha256 != same.sha256


def test_a_record_of_a_recipe_leaves_out_foreign_keys() -> None:
    told = recipe_from_mapping({"operation": "inpaint"}).to_dict()
    assert "method" in told
    assert not {"rotation", "blend", "first_quality"} & set(told)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({}, ("operation must be one of", "splice")),
        ({"operation": "morph"}, ("'morph'", "copy_move")),
        ({"operation": "splice", "aera": 0.1}, ("unknown key 'aera'", "did you mean 'area'")),
        ({"operation": "inpaint", "rotation": 3}, ("'rotation' means nothing for inpaint",)),
        ({"operation": "splice", "area": 0.9}, ("'area'", "0.0005 to 0.5", "0.9")),
        ({"operation": "splice", "area": [0.2, 0.1]}, ("'area'", "[low, high]")),
        ({"operation": "splice", "area": float("nan")}, ("'area'",)),
        ({"operation": "splice", "area": "big"}, ("'area'", "number")),
        ({"operation": "splice", "area": True}, ("'area'", "number")),
        ({"operation": "splice", "quality": 90.5}, ("'quality'", "whole number")),
        ({"operation": "splice", "quality": [1, 2, 3]}, ("'quality'",)),
        ({"operation": "splice", "blend": "magic"}, ("'blend'", "poisson")),
        ({"operation": "splice", "blend": []}, ("'blend'",)),
        ({"operation": "retouch", "method": "telea"}, ("'method'", "median")),
        ({"operation": "copy_move", "flip": "yes"}, ("'flip'", "true, false")),
        ({"operation": "copy_move", "description": 3}, ("'description'", "text")),
    ],
)
def test_mistakes_name_the_key_and_what_it_wants(
    values: dict[str, Any], words: tuple[str, ...]
) -> None:
    with pytest.raises(UsageError) as caught:
        recipe_from_mapping(values, "mine")
    assert "\n" not in str(caught.value)
    for word in ("'mine'", *words):
        assert word in str(caught.value)


@pytest.mark.parametrize("name", ["../up", "", "a/b", "x" * 65, "a\nb"])
def test_a_name_cannot_leave_the_output_folder(name: str) -> None:
    with pytest.raises(UsageError, match="a name is made of"):
        recipe_from_mapping({"operation": "inpaint"}, name)


def test_files(tmp_path: Path) -> None:
    path = tmp_path / "my own.toml"
    path.write_text('operation = "inpaint"\narea = 0.03\n')
    assert load_recipe(str(path)).name == "my_own"
    path.write_text('operation = "inpaint"\nname = "named"\n')
    assert load_recipe(str(path)).name == "named"
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(UsageError, match="not UTF-8"):
        load_recipe(str(path))
    with pytest.raises(UsageError, match=r"cannot be read: No such file"):
        load_recipe(str(tmp_path / "absent.toml"))
    with pytest.raises(UsageError, match="is not TOML"):
        recipe_from_toml("operation = ", "broken")


def test_an_unknown_name_lists_what_there_is() -> None:
    with pytest.raises(UsageError, match=r"did you mean 'splice'\? built in are copy_move"):
        load_recipe("splise")
