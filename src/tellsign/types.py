"""The nouns of tellsign: frozen types whose illegal states cannot be built.

Only the standard library and numpy. Everything that crosses a module boundary is one of these.
"""

from __future__ import annotations

import io
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum, auto
from pathlib import Path
from types import MappingProxyType
from typing import Any, BinaryIO, Literal

import numpy as np
from numpy.typing import NDArray

from tellsign.errors import InputError


class Question(StrEnum):
    """One pair of propositions per question; never fused across questions."""

    SYNTHETIC = auto()  # the whole picture or frame was generated
    MANIPULATED = auto()  # part of it was altered after capture
    FACE = auto()  # a face was swapped or re-enacted
    PROCESSED = auto()  # recompressed, resized, screen-shot: history, not guilt
    SOURCE = auto()  # this camera, this generator: attribution


CONCLUDED = (Question.SYNTHETIC, Question.MANIPULATED, Question.FACE)


class Family(StrEnum):
    FEATURE = auto()
    SUPERVISED = auto()
    UNIVERSAL = auto()


class View(StrEnum):
    """What a detector needs of a `Media`; the engine decodes nothing else."""

    PIXELS = auto()
    LUMA = auto()
    DCT = auto()
    METADATA = auto()
    CLIP = auto()


class MapKind(StrEnum):
    SCORE = auto()  # in the detector's unit
    MASK = auto()  # 0 or 1
    LABEL = auto()  # small integers; 0 is background


class Support(StrEnum):
    NONE = auto()
    WEAK = auto()
    MODERATE = auto()
    STRONG = auto()


class ProvenanceState(StrEnum):
    ABSENT = auto()
    INVALID = auto()
    VALID = auto()
    TRUSTED = auto()


Scalar = float | int | str
Direction = Literal["for", "against"]


def frozen_mapping(values: Mapping[str, Any]) -> Mapping[str, Any]:
    return MappingProxyType(dict(values))


# --- where the bytes are ---------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Source:
    """The bytes of one input: hashed once, opened as often as needed, safe to send to a worker.

    `name` is for display only and never parsed. `uri` is a path (str) or the bytes themselves.
    """

    name: str
    size: int  # bytes
    sha256: str
    uri: str | bytes = field(repr=False)

    def open(self) -> BinaryIO:
        """Open for reading. Raises OSError when a path has gone since."""
        return io.BytesIO(self.uri) if isinstance(self.uri, bytes) else Path(self.uri).open("rb")


@dataclass(frozen=True, slots=True)
class Unopened:
    """An input whose bytes could not be had; it still gets its report."""

    name: str
    error: InputError


# --- what is in the file ---------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class JpegFacts:
    quality: int | None  # nearest IJG quality of the luma table; None when no table is near
    subsampling: str  # "4:2:0", "4:4:4", ..., "grey"
    progressive: bool
    tables_sha256: str  # over all quantisation tables, natural order, in order of id


@dataclass(frozen=True, slots=True)
class CameraFacts:
    """As stated in the file: a claim."""

    make: str | None
    model: str | None
    software: str | None
    taken: str | None  # ISO 8601 without zone


@dataclass(frozen=True, slots=True)
class MediaFacts:
    type: Literal["image", "video"]
    format: str | None
    width: int  # stored pixels, before Exif rotation
    height: int
    orientation: int | None
    mode: str
    bit_depth: int
    frames: int
    duration: float | None  # seconds
    codec: str | None
    jpeg: JpegFacts | None
    camera: CameraFacts | None


# --- who says they made it -------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class StatusCode:
    """A C2PA status code, verbatim."""

    code: str
    kind: Literal["success", "informational", "failure"]
    url: str | None


@dataclass(frozen=True, slots=True)
class Signer:
    name: str | None
    certificate_sha256: str | None
    signed: str | None  # UTC, ISO 8601; as stated or time-stamped


@dataclass(frozen=True, slots=True)
class TrustListFacts:
    name: str
    date: str
    sha256: str


@dataclass(frozen=True, slots=True)
class GeneratorClaim:
    """Metadata or a watermark that names a generator: a claim, not evidence."""

    where: str  # "png:parameters", "exif:UserComment", "watermark:dwtDct", ...
    text: str
    name: str | None = None  # family as claimed: "Stable Diffusion (A1111 web UI)"


@dataclass(frozen=True, slots=True)
class Provenance:
    state: ProvenanceState
    status: tuple[StatusCode, ...] = ()
    signer: Signer | None = None
    trust_list: TrustListFacts | None = None
    digital_source_type: str | None = None
    generator: GeneratorClaim | None = None
    claims: tuple[GeneratorClaim, ...] = ()  # all of them; `generator` is the first
    ingredients: tuple[str, ...] = ()  # titles, as stated in the manifest
    actions: tuple[str, ...] = ()  # c2pa actions, in order, as stated
    reason: str | None = None  # why it could not be read, or where a remote manifest is said to be


# --- what a detector says --------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ArtifactRef:
    name: str
    version: str
    sha256: str


@dataclass(frozen=True, slots=True)
class Origin:
    """Who said it: enough to repeat it."""

    detector: str
    version: str
    family: Family
    code_sha256: str  # of the detector's file
    artifact: ArtifactRef | None = None


@dataclass(frozen=True, slots=True)
class Box:
    """Stored pixels, origin top-left; `x`, `y` is the first pixel inside."""

    x: int
    y: int
    width: int
    height: int

    def __post_init__(self) -> None:
        if self.width < 1 or self.height < 1 or self.x < 0 or self.y < 0:
            raise ValueError(f"empty or negative box: {self}")


@dataclass(frozen=True, slots=True)
class Polygon:
    points: tuple[tuple[float, float], ...]  # (x, y) in stored pixels, at least three

    def __post_init__(self) -> None:
        if len(self.points) < 3:
            raise ValueError("a polygon needs three points")


@dataclass(frozen=True, slots=True)
class TimeSpan:
    start: float  # seconds
    end: float


@dataclass(frozen=True, slots=True)
class ByteRange:
    offset: int
    length: int


Region = Box | Polygon | TimeSpan | ByteRange


@dataclass(frozen=True, slots=True)
class Finding:
    """Something a person can check: what, where, how large."""

    code: str  # stable, dotted: "jpeg.grid.foreign"
    text: str  # plain words, one sentence
    where: Region | None = None
    values: Mapping[str, Scalar] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name, value in self.values.items():
            if isinstance(value, float) and not math.isfinite(value):
                raise ValueError(f"{self.code}: value {name} is not finite")

    def __hash__(self) -> int:
        return hash((self.code, self.text, self.where))


@dataclass(frozen=True, slots=True, eq=False)
class Map:
    """Localisation. Arrays: compare through the report's dict, not with ``==``.

    Parameters
    ----------
    values : (h, w) float32
        In the detector's unit, or 0/1, or small integers, as `kind` says.
    stride
        Image pixels per cell; cell (0, 0) begins at the stored top-left pixel.
    valid : (h, w) bool
        Where the method can speak at all.
    span
        Of scores: the values at both ends of the colours, the same for every picture, so that a
        colour has one meaning. None where the unit has no range of its own: then each map is
        stretched to its own values.
    """

    kind: MapKind
    values: NDArray[np.float32]
    stride: float
    valid: NDArray[np.bool_]
    caption: str = ""
    span: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        if self.values.ndim != 2 or self.values.shape != self.valid.shape:
            raise ValueError(f"map {self.values.shape} and valid {self.valid.shape} differ")
        if not np.isfinite(self.values).all():
            raise ValueError("a map must be finite; mark unknown cells in `valid`")
        if self.span is not None:
            if self.kind is not MapKind.SCORE:
                raise ValueError(f"a {self.kind} map has no scale")
            if not -math.inf < self.span[0] < self.span[1] < math.inf:
                raise ValueError(f"the scale of a map must rise between finite ends: {self.span}")
        self.values.flags.writeable = False
        self.valid.flags.writeable = False

    @property
    def coverage(self) -> float:
        return float(self.valid.mean()) if self.valid.size else 0.0


@dataclass(frozen=True, slots=True)
class Evidence:
    """A raw score in the detector's unit; larger = more support for the question's proposition."""

    origin: Origin
    question: Question
    score: float
    unit: str
    maps: tuple[Map, ...] = ()
    findings: tuple[Finding, ...] = ()

    def __post_init__(self) -> None:
        if not math.isfinite(self.score):
            raise ValueError(f"{self.origin.detector}: score {self.score} is not finite")


@dataclass(frozen=True, slots=True)
class Abstention:
    """The method does not apply here; never 'no sign of'."""

    origin: Origin
    question: Question
    code: str
    text: str


@dataclass(frozen=True, slots=True)
class Failure:
    """A bug or a broken input; never 'clean'."""

    origin: Origin
    question: Question
    error: str
    code: str = "internal"


Outcome = Evidence | Abstention | Failure


@dataclass(frozen=True, slots=True)
class Calibrated:
    """Evidence with its log10 likelihood ratio; the only number fusion accepts."""

    evidence: Evidence
    llr: float
    interval: tuple[float, float]
    calibration: str  # sha256 of calibration.json
    condition: str

    def __post_init__(self) -> None:
        low, high = self.interval
        if not (math.isfinite(self.llr) and low <= self.llr <= high):
            raise ValueError(f"llr {self.llr} outside its interval {self.interval}")


@dataclass(frozen=True, slots=True)
class Conclusion:
    question: Question
    llr: float | None
    support: Support
    direction: Direction | None
    text: str
    used: tuple[str, ...]  # detectors whose llr entered
    unused: tuple[tuple[str, str], ...]  # (detector, reason)

    def __post_init__(self) -> None:
        if (self.support is Support.NONE) != (self.direction is None):
            raise ValueError("a direction exists exactly where there is support")
        if self.llr is None and self.support is not Support.NONE:
            raise ValueError("no support without a likelihood ratio")


@dataclass(frozen=True, slots=True, eq=False)
class Report:
    """All that is handed over; `report.report.to_dict` gives the public JSON."""

    source: Source
    media: MediaFacts | None
    provenance: Provenance
    outcomes: tuple[Outcome, ...]
    calibrated: Mapping[str, Calibrated]  # by detector
    conclusions: tuple[Conclusion, ...]
    headline: str
    plan: str  # Plan.digest
    created: str  # UTC, ISO 8601
    timings: Mapping[str, Any]
    children: tuple[Report, ...] = ()
    error: str | None = None  # why the source could not be opened

    @property
    def examined(self) -> bool:
        """False when the source could not be opened or every detector failed (exit 3)."""
        failed = [isinstance(o, Failure) for o in self.outcomes]
        return self.error is None and not (failed and all(failed))
