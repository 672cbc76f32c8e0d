"""The error tree. Everything tellsign raises on purpose is one of these.

::

    TellsignError
    ├── UsageError               the call is wrong; nothing was examined           (exit 2)
    │   ├── MissingExtra         an optional part is not installed
    │   └── PolicyError          policy.toml cannot be used
    ├── InputError               one input cannot be used; the others still are    (exit 3)
    │   ├── UnreadableSource     missing, a directory, a FIFO, no permission
    │   ├── UnsupportedFormat    the content is no format that tellsign knows
    │   ├── MalformedMedia       known format, broken content
    │   └── LimitExceeded        too large, too many, too deep to examine safely
    ├── ArtifactError            a weights, card or calibration file is missing or changed (exit 3)
    ├── DetectorError            a detector breaks its contract, or two share a name (exit 2)
    └── ForgeError               a forgery recipe cannot be carried out            (exit 2)

Messages are one line, name the input and say what to do where something can be done.
"""

from __future__ import annotations

EXIT_USAGE = 2
EXIT_INPUT = 3


class TellsignError(Exception):
    """Root of the tree; ``exit_code`` is what the command line returns for it."""

    exit_code: int = EXIT_INPUT


class UsageError(TellsignError):
    """The call itself is wrong: unknown option value, detector, model, recipe."""

    exit_code = EXIT_USAGE


class MissingExtra(UsageError):
    """An optional dependency is not installed.

    Parameters
    ----------
    what
        What the caller wanted, in plain words ("HEIF pictures").
    extra
        Name of the extra that brings it.
    """

    def __init__(self, what: str, extra: str) -> None:
        super().__init__(f"{what} need an optional part: pip install 'tellsign[{extra}]'")
        self.extra = extra


class PolicyError(UsageError):
    """``policy.toml`` is missing a key or holds an impossible value."""


class InputError(TellsignError):
    """One input cannot be used."""


class UnreadableSource(InputError):
    """The bytes cannot be had: missing, a directory, a device, no permission."""


class UnsupportedFormat(InputError):
    """The content is no format tellsign can examine."""


class MalformedMedia(InputError):
    """The format is known but the content is broken."""


class LimitExceeded(InputError):
    """A safety limit was reached before decoding."""


class ArtifactError(TellsignError):
    """An artifact is missing, malformed, or its hash does not match."""


class DetectorError(TellsignError):
    """A detector breaks its contract."""

    exit_code = EXIT_USAGE


class ForgeError(TellsignError):
    """A forgery recipe cannot be carried out on this picture."""

    exit_code = EXIT_USAGE
