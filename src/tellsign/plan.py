"""`Plan`: what will be run, with what, under which limits; its digest names a result for good."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

from tellsign import __version__, registry
from tellsign.artifacts.store import Store
from tellsign.fusion import policy as policies
from tellsign.fusion.fuse import FUSION, stored_weights
from tellsign.provenance.trust import DEFAULT, TrustPolicy
from tellsign.types import CONCLUDED, Question

# Code outside a detector's own file that can change its answer.
_SHARED_CODE = ("media", "signal", "nn", "faces", "provenance", "calibration", "fusion")


@dataclass(frozen=True)
class Plan:
    """Immutable and picklable: workers rebuild the engine from it.

    `detectors` are names in the order of the registry; `loaded` are files given by
    ``--load-detector``; `asked` are the questions a conclusion is wanted for.
    """

    detectors: tuple[str, ...]
    policy: policies.Policy
    trust: TrustPolicy = DEFAULT
    loaded: tuple[str, ...] = ()
    asked: tuple[Question, ...] = CONCLUDED

    @classmethod
    def default(cls) -> Plan:
        """Every question, without the detectors that the fusion gives no weight."""
        return cls.select()

    @classmethod
    def select(
        cls,
        *,
        questions: Sequence[Question] = (),
        detectors: Sequence[str] = (),
        without: Sequence[str] = (),
        loaded: Sequence[str] = (),
        policy: str | Path | None = None,
        trust: TrustPolicy = DEFAULT,
        everything: bool = False,
    ) -> Plan:
        """Build a plan from the command line's selection. Raises UsageError, PolicyError.

        Detectors to which fusion gives no weight cost time and change no conclusion: they run when
        they are named or with `everything`.
        """
        paths = tuple(str(Path(f).resolve()) for f in loaded)
        found = registry.load(paths)
        names = found.select(questions, detectors, without)
        if not (detectors or everything):
            weights = stored_weights(Store.default())
            names = tuple(n for n in names if weights.get(found[n].info.question, {}).get(n, 1.0))
        asked = tuple(q for q in CONCLUDED if not questions or q in questions)
        return cls(names, policies.load(policy), trust, paths, asked)

    @cached_property
    def registry(self) -> registry.Registry:
        return registry.load(self.loaded)

    def __getstate__(self) -> dict[str, object]:
        # Classes loaded from a file cannot be pickled; the worker loads them again.
        return {k: v for k, v in self.__dict__.items() if k != "registry"}

    @cached_property
    def digest(self) -> str:
        """sha256 over everything that can change a result, except the input."""
        store = Store.default()
        parts = []
        for name in self.detectors:
            info = self.registry[name].info
            found = store.get(name, info.version)
            artifact = found.sha256 if found else None
            part = [name, info.version, info.code_sha256, info.artifact, artifact]
            used = self.registry[name]().artifact_ref()
            # Some use artifacts of other names: autoencoders a user has.
            others = [used.sha256] if used and used.sha256 != artifact else []
            parts.append([*part, *others])
        content = {
            "tool": __version__,
            "detectors": parts,
            "fusion": fusion.sha256 if (fusion := store.get(*FUSION)) else None,
            "policy": self.policy.digest,
            "trust": self.trust.digest,
            "asked": list(self.asked),
            "code": shared_code_sha256(),
        }
        text = json.dumps(content, sort_keys=True, separators=(",", ":"))
        return "sha256:" + hashlib.sha256(text.encode()).hexdigest()


def shared_code_sha256() -> str:
    """Hash of the engine's shared code, in a fixed order of paths."""
    root = files("tellsign")
    digest = hashlib.sha256()
    # What stands directly in `detectors` is shared; a detector's own file is hashed with it.
    beside = (f.name for f in root.joinpath("detectors").iterdir() if f.name.endswith(".py"))
    common = sorted(f"detectors/{name}" for name in beside)
    for name in ("examiner.py", "detection.py", *common, *_SHARED_CODE):
        for path, item in sorted(_python_files(root.joinpath(name), name)):
            digest.update(path.encode() + b"\0" + item.read_bytes())
    return digest.hexdigest()


def _python_files(item: Traversable, path: str) -> list[tuple[str, Traversable]]:
    if item.is_file():
        return [(path, item)]
    if not item.is_dir():
        return []
    found: list[tuple[str, Traversable]] = []
    for child in item.iterdir():
        below = f"{path}/{child.name}"
        if child.is_dir() or child.name.endswith((".py", ".toml", ".json", ".pem")):
            found += _python_files(child, below)
    return found
