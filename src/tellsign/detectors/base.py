"""What a detector is: a class in a file of its own that answers one question, or abstains.

The file's docstring carries the headings of `HEADINGS`: registry, help and docs page come from it.
`@detector` states the rest. No other file has to be touched.
"""

from __future__ import annotations

import hashlib
import inspect
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, TypeVar

import numpy as np
from numpy.typing import NDArray

from tellsign.errors import DetectorError
from tellsign.media.media import Media
from tellsign.types import (
    Abstention,
    ArtifactRef,
    Evidence,
    Family,
    Finding,
    Map,
    Origin,
    Question,
    View,
    frozen_mapping,
)

HEADINGS = ("Question", "How", "Score", "Blind spots", "References")


class Abstain(Exception):
    """Raised inside `examine` when only a closer look shows that the method does not apply."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


@dataclass(frozen=True, slots=True)
class DetectorInfo:
    """What `@detector` states; every finding and abstention code comes with its plain meaning."""

    name: str
    version: str
    family: Family
    question: Question
    needs: frozenset[View]
    unit: str
    abstentions: Mapping[str, str]
    findings: Mapping[str, str]
    artifact: str | None = None  # "name@version"
    sections: Mapping[str, str] = field(default_factory=dict)
    code_sha256: str = ""

    @property
    def title(self) -> str:
        return self.sections["title"]


class Detector(ABC):
    """One method. Stateless between pictures; constructed once per process."""

    info: ClassVar[DetectorInfo]

    def applicable(self, media: Media) -> str | None:
        """A code of `info.abstentions` when the method cannot speak here, else None."""
        return None

    @abstractmethod
    def examine(self, media: Media) -> Evidence:
        """Examine one picture. May raise `Abstain`. Must not write to any view of `media`."""

    def artifact_ref(self) -> ArtifactRef | None:
        """Name, version and hash of the loaded artifact, for detectors that have one."""
        return None

    @property
    def origin(self) -> Origin:
        i = self.info
        return Origin(i.name, i.version, i.family, i.code_sha256, self.artifact_ref())

    def evidence(
        self, score: float, maps: Iterable[Map] = (), findings: Iterable[Finding] = ()
    ) -> Evidence:
        found = tuple(findings)
        i = self.info
        if unknown := [f.code for f in found if f.code not in i.findings]:
            raise DetectorError(f"{i.name}: undeclared finding codes {unknown}")
        return Evidence(self.origin, i.question, float(score), i.unit, tuple(maps), found)

    def abstention(self, code: str) -> Abstention:
        try:
            text = self.info.abstentions[code]
        except KeyError:
            raise DetectorError(f"{self.info.name}: undeclared abstention {code!r}") from None
        return Abstention(self.origin, self.info.question, code, text)


class BatchedDetector(Detector):
    """A detector around a network: three pure steps; batching and `examine` come from here.

    `infer` always sees exactly `MICRO_BATCH` rows: with free batch sizes the sums of a matrix
    product are taken in another order and a picture's score depends on its neighbours.
    """

    MICRO_BATCH: ClassVar[int] = 8

    @abstractmethod
    def prepare(self, media: Media) -> NDArray[np.float32]:
        """Rows for one picture, (k, ...) float32 with k >= 1."""

    @abstractmethod
    def infer(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
        """Map exactly `MICRO_BATCH` rows to as many rows of output."""

    @abstractmethod
    def interpret(self, out: NDArray[np.float32], media: Media) -> Evidence:
        """Turn the k output rows of one picture into evidence."""

    def examine(self, media: Media) -> Evidence:
        return self.interpret(self.infer_rows(self.prepare(media)), media)

    def infer_rows(self, rows: NDArray[np.float32]) -> NDArray[np.float32]:
        """Run `infer` over any number of rows, padded to constant micro-batches."""
        size = self.MICRO_BATCH
        padding = np.zeros((-len(rows) % size, *rows.shape[1:]), rows.dtype)
        padded = np.concatenate([rows, padding])
        parts = [self.infer(padded[i : i + size]) for i in range(0, len(padded), size)]
        return np.concatenate(parts)[: len(rows)]


D = TypeVar("D", bound=type[Detector])


def detector(
    *,
    name: str,
    version: str,
    family: Family,
    question: Question,
    needs: View | Iterable[View],
    unit: str,
    abstentions: Mapping[str, str],
    findings: Mapping[str, str],
    artifact: str | None = None,
) -> Callable[[D], D]:
    """Attach `DetectorInfo` to a class; the file's name and docstring headings are checked."""

    def attach(cls: D) -> D:
        module = inspect.getmodule(cls)
        path = Path(inspect.getfile(cls))
        if path.stem != name:
            raise DetectorError(f"detector {name!r} must live in {name}.py, not {path.name}")
        cls.info = DetectorInfo(
            name=name,
            version=version,
            family=family,
            question=question,
            needs=frozenset([needs] if isinstance(needs, View) else needs),
            unit=unit,
            abstentions=frozen_mapping(abstentions),
            findings=frozen_mapping(findings),
            artifact=artifact,
            sections=frozen_mapping(docstring_sections(name, module.__doc__ if module else None)),
            code_sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
        )
        return cls

    return attach


def docstring_sections(name: str, doc: str | None) -> dict[str, str]:
    """Split a detector file's docstring into its title and the sections of `HEADINGS`.

    Raises DetectorError when a heading is missing, empty or out of order.
    """
    text = inspect.cleandoc(doc or "")
    marks = [re.search(rf"^{heading}\b[ \t]*", text, re.MULTILINE) for heading in HEADINGS]
    starts = [m.start() if m else -1 for m in marks]
    if -1 in starts or starts != sorted(starts):
        raise DetectorError(f"{name}: docstring needs the headings {', '.join(HEADINGS)} in order")
    sections = {"title": text[: starts[0]].strip().rstrip(".")}
    for heading, mark, end in zip(HEADINGS, marks, [*starts[1:], len(text)], strict=True):
        assert mark is not None
        sections[heading] = inspect.cleandoc(
            " " * (mark.end() - mark.start()) + text[mark.end() : end]
        )
    if not all(sections.values()):
        raise DetectorError(f"{name}: empty docstring section")
    return sections
