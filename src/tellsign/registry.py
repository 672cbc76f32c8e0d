"""Which detectors there are: found in the package, by entry point, or loaded from a file.

No list is kept by hand. A name that occurs twice is an error, whoever brings it.
"""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import pkgutil
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from importlib.metadata import entry_points
from pathlib import Path
from types import ModuleType

import tellsign.detectors as package
from tellsign.detectors.base import Detector, DetectorInfo
from tellsign.errors import DetectorError, UsageError
from tellsign.types import Question

ENTRY_POINTS = "tellsign.detectors"


class Registry(Mapping[str, type[Detector]]):
    """Detector classes by name, sorted."""

    def __init__(self, classes: Iterable[type[Detector]]) -> None:
        self._classes: dict[str, type[Detector]] = {}
        for cls in classes:
            name = cls.info.name
            if name in self._classes:
                raise DetectorError(f"two detectors are named {name!r}")
            self._classes[name] = cls
        self._classes = dict(sorted(self._classes.items()))

    def __getitem__(self, name: str) -> type[Detector]:
        return self._classes[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._classes)

    def __len__(self) -> int:
        return len(self._classes)

    def infos(self) -> tuple[DetectorInfo, ...]:
        return tuple(cls.info for cls in self.values())

    def select(
        self,
        questions: Sequence[Question] = (),
        names: Sequence[str] = (),
        without: Sequence[str] = (),
    ) -> tuple[str, ...]:
        """Names to run; raises UsageError on an unknown name or an empty selection."""
        unknown = [n for n in (*names, *without) if n not in self]
        if unknown:
            raise UsageError(f"unknown detector {unknown[0]!r}; `tellsign detectors` lists them")
        chosen = tuple(
            n
            for n, cls in self.items()
            if (not names or n in names)
            and n not in without
            and (not questions or cls.info.question in questions)
        )
        if not chosen and (names or without):
            raise UsageError("the options leave no detector to run")
        return chosen


def load(files: Sequence[str] = ()) -> Registry:
    """Every detector of the package, of installed entry points and of `files`."""
    modules = [*_builtin_modules(), *_entry_point_modules(), *map(_file_module, files)]
    return Registry(cls for module in modules for cls in _classes(module))


def _builtin_modules() -> Iterator[ModuleType]:
    for found in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
        # base and the folders themselves hold no detector
        if not found.ispkg and found.name.count(".") > package.__name__.count(".") + 1:
            yield importlib.import_module(found.name)


def _entry_point_modules() -> Iterator[ModuleType]:
    for point in entry_points(group=ENTRY_POINTS):
        loaded = point.load()
        yield loaded if isinstance(loaded, ModuleType) else sys.modules[loaded.__module__]


def _file_module(file: str) -> ModuleType:
    path = Path(file)
    if not path.is_file():
        raise UsageError(f"no detector file at {path}")
    name = f"tellsign_loaded_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path.resolve())
    if spec is None or spec.loader is None:
        raise UsageError(f"{path} is not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # the decorator looks the module up while it runs
    try:
        spec.loader.exec_module(module)
    except (SyntaxError, ImportError) as error:
        del sys.modules[name]
        raise DetectorError(f"{path} cannot be loaded: {error}") from error
    if not list(_classes(module)):
        raise DetectorError(f"{path} defines no detector: decorate a class with @detector")
    return module


def _classes(module: ModuleType) -> Iterator[type[Detector]]:
    for _, value in sorted(vars(module).items()):
        if (
            inspect.isclass(value)
            and issubclass(value, Detector)
            and "info" in vars(value)
            and value.__module__ == module.__name__
        ):
            yield value
