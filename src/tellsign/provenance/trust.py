"""Trust lists: dated, hashed, replaceable; which signers count as known.

A list is PEM text with the certificates of the authorities (anchors) that a signer's chain must
end in, and beside it a small TOML file of the same stem with its ``name``, ``date`` and
``sha256``. The built-in list is empty: `trusted` can only follow from a list that somebody chose.
"""

from __future__ import annotations

import hashlib
import json
import re
import tomllib
from dataclasses import dataclass
from functools import cached_property
from importlib.resources import files
from pathlib import Path
from typing import Final

from tellsign.errors import ArtifactError, UsageError
from tellsign.types import TrustListFacts

UNDATED: Final = "undated"
_LARGEST: Final = 8 << 20  # bytes; the official list is under 1 MB
_CERTIFICATE: Final = re.compile(
    r"-----BEGIN CERTIFICATE-----[A-Za-z0-9+/=\s]+-----END CERTIFICATE-----"
)


@dataclass(frozen=True)
class TrustPolicy:
    """How signers are judged: against a list, or (``facts`` None) not at all.

    Parameters
    ----------
    anchors_pem
        Certificates only, without comments; may be empty, and then nobody is trusted.
    facts
        Name, date and sha256 of the list; None means integrity only (``--no-trust``).
    """

    anchors_pem: str
    facts: TrustListFacts | None

    @property
    def checked(self) -> bool:
        return self.facts is not None

    @property
    def empty(self) -> bool:
        return not self.anchors_pem

    @cached_property
    def digest(self) -> str:
        """sha256 over the anchors and the facts that a report prints."""
        facts = self.facts
        content = [self.anchors_pem, [facts.name, facts.date, facts.sha256] if facts else None]
        return "sha256:" + hashlib.sha256(json.dumps(content).encode()).hexdigest()


def load(path: Path) -> TrustPolicy:
    """Read a user's list; a TOML file of the same stem beside it gives name and date.

    Raises UsageError when the file cannot be read, holds no usable certificate, or differs from
    the sha256 stated beside it.
    """
    try:
        data = path.read_bytes() if path.stat().st_size <= _LARGEST else b""
        beside = path.with_suffix(".toml")
        stated = beside.read_text("utf-8") if beside.is_file() else ""
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"trust list {path}: {error}") from None
    try:
        policy = _policy(data, stated, path.name)
    except ValueError as error:
        raise UsageError(f"trust list {path}: {error}") from None
    if policy.empty:
        raise UsageError(f"trust list {path}: no PEM certificate in it, or larger than 8 MiB")
    _require_certificates(policy.anchors_pem, path)
    return policy


def _policy(data: bytes, stated: str, name: str) -> TrustPolicy:
    """Raise ValueError when the TOML text is malformed or its sha256 is not that of the list."""
    sha256 = hashlib.sha256(data).hexdigest()
    facts = tomllib.loads(stated)
    if facts and facts.get("sha256") != sha256:
        raise ValueError("its sha256 is not the one stated in the TOML file beside it")
    anchors = "\n".join(_CERTIFICATE.findall(data.decode("utf-8", "replace")))
    name, date = str(facts.get("name", name)), str(facts.get("date", UNDATED))
    return TrustPolicy(anchors, TrustListFacts(name, date, sha256))


def _require_certificates(pem: str, path: Path) -> None:
    from cryptography import x509

    for number, block in enumerate(_CERTIFICATE.findall(pem), 1):
        try:
            x509.load_pem_x509_certificate(block.encode())
        except ValueError:
            raise UsageError(f"trust list {path}: certificate {number} cannot be read") from None


def _built_in() -> TrustPolicy:
    here = files("tellsign.provenance")
    try:
        stated = here.joinpath("trust_list.toml").read_text("utf-8")
        return _policy(here.joinpath("trust_list.pem").read_bytes(), stated, "built-in")
    except (OSError, ValueError) as error:
        raise ArtifactError(f"the built-in trust list was changed or is missing: {error}") from None


DEFAULT: Final = _built_in()
INTEGRITY_ONLY: Final = TrustPolicy("", None)
