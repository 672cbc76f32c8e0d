"""tellsign tells real media from fake, with evidence a person can check.

>>> import tellsign
>>> tellsign.__version__
'0.1.0'
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from tellsign.examiner import Examiner
    from tellsign.media import from_bytes, from_path, from_stream
    from tellsign.plan import Plan
    from tellsign.types import Question, Report, Source

_HOMES = {
    "Examiner": "tellsign.examiner",
    "Plan": "tellsign.plan",
    "Question": "tellsign.types",
    "Report": "tellsign.types",
    "Source": "tellsign.types",
    "from_bytes": "tellsign.media",
    "from_path": "tellsign.media",
    "from_stream": "tellsign.media",
}

__all__ = [
    "Examiner",
    "Plan",
    "Question",
    "Report",
    "Source",
    "from_bytes",
    "from_path",
    "from_stream",
]


def __getattr__(name: str) -> Any:
    # Lazy, so that `import tellsign` costs nothing and the command line starts at once.
    if name not in _HOMES:
        raise AttributeError(f"module 'tellsign' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
