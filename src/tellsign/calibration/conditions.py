"""Which calibration applies: the compression a picture shows decides how much a trace can say."""

from __future__ import annotations

from tellsign.types import MediaFacts

# Lower bounds of the IJG quality bands. `web` (60) and `hard` (40) of the evaluation rules fall
# into bands of their own, so that evidence is never weighed by a kinder picture's calibration.
_BANDS = ((90, "jpeg-q90+"), (75, "jpeg-q75-89"), (50, "jpeg-q50-74"), (0, "jpeg-q0-49"))
_LOSSLESS = frozenset({"png", "tiff", "bmp", "gif"})
CONDITIONS = (*(name for _, name in _BANDS), "lossless", "lossy-other")


def condition_of(facts: MediaFacts) -> str:
    """Name the stratum of a picture."""
    return stratum(facts.format, facts.jpeg.quality if facts.jpeg else None)


def stratum(file_format: str | None, quality: int | None) -> str:
    """Name the stratum of a file format and, for JPEG, its IJG quality.

    A JPEG whose tables are near no IJG quality counts as the band its file cannot prove better
    than: ``jpeg-q75-89``, where camera tables of unknown scale mostly lie.
    """
    if file_format == "jpeg":
        if quality is None:
            return "jpeg-q75-89"
        return next(name for bound, name in _BANDS if quality >= bound)
    return "lossless" if file_format in _LOSSLESS else "lossy-other"
