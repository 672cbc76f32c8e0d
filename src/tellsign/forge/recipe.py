"""Recipes: what to forge, as a small TOML file checked by one frozen dataclass.

Ranges are ``[low, high]`` or one number, choices one name or a list; one value is drawn for every
forgery. Keys that mean nothing for the operation are errors, not silently ignored.
"""

from __future__ import annotations

import dataclasses
import difflib
import hashlib
import json
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any

from tellsign.errors import UsageError

Range = tuple[float, float]
Span = tuple[int, int]
Names = tuple[str, ...]
Flags = tuple[bool, ...]

OPERATIONS = ("splice", "copy_move", "inpaint", "removal", "retouch", "double_jpeg")
METHODS: Mapping[str, Names] = {
    "inpaint": ("telea", "navier_stokes", "exemplar"),
    "removal": ("telea", "navier_stokes", "exemplar"),
    "retouch": ("median", "gaussian", "sharpen", "contrast", "gamma", "noise", "resample"),
}
PASTED = ("splice", "copy_move")
FILLED = ("inpaint", "removal")


def _range(default: Range, low: float, high: float, *operations: str) -> Any:
    return field(default=default, metadata={"low": low, "high": high, "for": operations})


def _span(default: Span | None, low: int, high: int, *operations: str) -> Any:
    meta = {"low": low, "high": high, "for": operations, "whole": True}
    return field(default=default, metadata=meta)


def _names(default: Names, among: Names, *operations: str) -> Any:
    return field(default=default, metadata={"among": among, "for": operations})


def _flags(default: Flags, *operations: str) -> Any:
    return field(default=default, metadata={"flags": True, "for": operations})


@dataclass(frozen=True, slots=True)
class Recipe:
    """One kind of forgery. Qualities are IJG qualities, areas shares of the picture, sizes pixels.

    An empty ``for`` in a field's metadata means that every operation knows the key.
    """

    name: str
    operation: str
    description: str = ""

    # History of the host before anything is altered.
    reduce: Range = _range((1.0, 1.0), 0.1, 1.0)
    """Area reduction first, so that traces of earlier compression go. Not by simple ratios: after
    halving, the old block edges still fall on the new grid."""
    host_quality: Span | None = _span(None, 1, 100, "splice", "copy_move", *FILLED, "retouch")
    """The host is saved once at this quality before; absent: taken as it comes."""

    # Which part is altered.
    region: Names = _names(("polygon", "ellipse", "blob"), ("polygon", "ellipse", "blob", "box"))
    area: Range = _range((0.02, 0.12), 0.0005, 0.5)
    edge: Range = _range((0.0, 2.0), 0.0, 20.0, *PASTED, "retouch")
    """Standard deviation of the soft edge in pixels; below 0.3 it is hard."""
    texture: Names = _names(("any",), ("any", "textured", "smooth", "object"))
    """Where the region may lie: anywhere, or the best of several places for the content."""

    # Splicing and copy-move.
    blend: Names = _names(("paste", "feather", "poisson"), ("paste", "feather", "poisson"), *PASTED)
    colour_transfer: Flags = _flags((False,), "splice")
    donor_quality: Span | None = _span(None, 1, 100, "splice")
    rotation: Range = _range((0.0, 0.0), -180.0, 180.0, *PASTED)
    scale: Range = _range((1.0, 1.0), 0.25, 4.0, *PASTED)
    flip: Flags = _flags((False,), *PASTED)
    brightness: Range = _range((1.0, 1.0), 0.2, 5.0, *PASTED)
    grid: Names = _names(("any",), ("any", "aligned", "foreign"), *PASTED, "double_jpeg")
    """8x8 grid of the pasted part, or of the first compression, against the final grid."""

    # Filling and retouching.
    method: Names = field(default=(), metadata={"methods": True, "for": (*FILLED, "retouch")})
    grain: Flags = _flags((False,), *FILLED)
    """Whether noise of the surroundings' strength is laid over the fill."""
    kernel: Names = _names(("3", "5"), ("3", "5", "7"), "retouch")
    sigma: Range = _range((0.8, 2.5), 0.1, 20.0, "retouch")
    amount: Range = _range((0.5, 1.5), 0.05, 10.0, "retouch")
    contrast: Range = _range((1.15, 1.6), 0.1, 5.0, "retouch")
    gamma: Range = _range((0.6, 1.5), 0.1, 10.0, "retouch")
    noise: Range = _range((3.0, 8.0), 0.1, 100.0, "retouch")
    factor: Range = _range((1.1, 1.6), 0.25, 4.0, "retouch")

    # Double compression.
    first_quality: Span = _span((50, 90), 1, 100, "double_jpeg")
    history: Names = _names(("background",), ("background", "region", "whole"), "double_jpeg")
    """What the first compression touches: all but the region, the region only, or everything."""

    # The file that is written.
    format: Names = _names(("jpeg",), ("jpeg", "png"))
    quality: Span = _span((90, 98), 1, 100)
    subsampling: Names = _names(("4:2:0", "4:4:4"), ("4:4:4", "4:2:2", "4:2:0"))

    @property
    def sources(self) -> int:
        """Number of pictures one forgery needs."""
        return 2 if self.operation == "splice" else 1

    def to_dict(self) -> dict[str, Any]:
        """Every key that means something for the operation, defaults included."""
        return {
            f.name: getattr(self, f.name)
            for f in dataclasses.fields(self)
            if self.operation in (f.metadata.get("for") or OPERATIONS)
        }

    @property
    def sha256(self) -> str:
        """Digest of what the recipe does; name and description do not enter."""
        told = {k: v for k, v in self.to_dict().items() if k not in ("name", "description")}
        return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()


def recipe_from_mapping(values: Mapping[str, Any], name: str = "recipe") -> Recipe:
    """Check `values` key by key. Raises UsageError naming the recipe, the key and what it wants."""
    fields = {f.name: f for f in dataclasses.fields(Recipe)}
    operation = values.get("operation")
    if operation not in OPERATIONS:
        raise UsageError(
            f"recipe {name!r}: operation must be one of {', '.join(OPERATIONS)}; got {operation!r}"
        )
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}", name):
        raise UsageError(f"recipe {name!r}: a name is made of letters, digits, '-' and '_'")
    checked: dict[str, Any] = {"name": name}
    for key, value in values.items():
        known = fields.get(key)
        if known is None:
            close = difflib.get_close_matches(key, fields, 1)
            hint = f"; did you mean {close[0]!r}?" if close else ""
            raise UsageError(f"recipe {name!r}: unknown key {key!r}{hint}")
        if operation not in (known.metadata.get("for") or OPERATIONS):
            raise UsageError(f"recipe {name!r}: {key!r} means nothing for {operation}")
        try:
            checked[key] = _checked(known.metadata, value, operation)
        except ValueError as error:
            raise UsageError(f"recipe {name!r}: {key!r} {error}; got {value!r}") from None
    checked.setdefault("method", METHODS.get(operation, ()))
    return Recipe(**checked)


def load_recipe(name: str) -> Recipe:
    """A built-in recipe by name, or one from a ``.toml`` file. Raises UsageError."""
    if name in builtin_recipes():
        text = (resources.files(__package__) / "recipes" / f"{name}.toml").read_text("utf-8")
        return recipe_from_toml(text, name)
    if not (name.endswith(".toml") or Path(name).is_file()):
        close = difflib.get_close_matches(name, builtin_recipes(), 1)
        hint = f"did you mean {close[0]!r}? " if close else ""
        raise UsageError(
            f"no recipe {name!r}: {hint}built in are {', '.join(builtin_recipes())}; "
            "a recipe of your own is given as a path to a .toml file"
        )
    try:
        stem = re.sub(r"[^A-Za-z0-9_-]", "_", Path(name).stem)
        return recipe_from_toml(Path(name).read_text("utf-8"), stem)
    except OSError as error:
        raise UsageError(f"recipe file {name!r} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise UsageError(f"recipe file {name!r} is not UTF-8 text") from None


def recipe_from_toml(text: str, name: str) -> Recipe:
    """Parse and check. Raises UsageError."""
    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"recipe {name!r} is not TOML: {error}") from None
    return recipe_from_mapping(values, str(values.get("name", name)))


def builtin_recipes() -> tuple[str, ...]:
    """Names of the recipes that come with tellsign, sorted."""
    folder = resources.files(__package__) / "recipes"
    return tuple(sorted(f.name[:-5] for f in folder.iterdir() if f.name.endswith(".toml")))


def _checked(meta: Mapping[str, Any], value: Any, operation: str) -> Any:
    if "low" in meta:
        return _interval(value, meta["low"], meta["high"], bool(meta.get("whole")))
    if "flags" in meta:
        flags = tuple(value) if isinstance(value, list) else (value,)
        if not flags or not all(isinstance(f, bool) for f in flags):
            raise ValueError("wants true, false or [true, false]")
        return flags
    if "among" in meta or "methods" in meta:
        among = meta.get("among") or METHODS[operation]
        names = tuple(value) if isinstance(value, list) else (value,)
        if not names or not all(isinstance(n, str) and n in among for n in names):
            raise ValueError(f"wants one or several of {', '.join(among)}")
        return names
    if not isinstance(value, str):
        raise ValueError("wants a text")
    return value


def _interval(value: Any, low: float, high: float, whole: bool) -> tuple[float, float]:
    ends = value if isinstance(value, list) else [value, value]
    kinds = (int,) if whole else (int, float)
    number = "whole number" if whole else "number"
    good = len(ends) == 2 and all(isinstance(e, kinds) and not isinstance(e, bool) for e in ends)
    if not good or not low <= ends[0] <= ends[1] <= high:
        raise ValueError(f"wants a {number} or [low, high] within {low:g} to {high:g}")
    return (ends[0], ends[1]) if whole else (float(ends[0]), float(ends[1]))
