"""Take a folder made elsewhere into the user's artifacts: checked first, then copied, never linked.

What is copied is what was hashed: each file is read once. A card names its files and nothing else
may lie beside them, so that a folder cannot bring along what no hash covers.
"""

from __future__ import annotations

import hashlib
import re
import shutil
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

from tellsign.artifacts import card as cards
from tellsign.artifacts.store import CARD, Artifact, forget, open_artifact
from tellsign.errors import ArtifactError, UsageError

# Name and version make up the name of the folder; both go into ``NAME@VERSION``.
_NAME = re.compile(r"[a-z][a-z0-9_]{0,63}")
_VERSION = re.compile(r"[0-9][A-Za-z0-9._+]{0,31}")
_FILE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
# Nothing that runs code when it is loaded; `.bin` holds the numbers of large networks.
SUFFIXES = frozenset({".onnx", ".bin", ".json", ".toml", ".txt", ".md"})


Check = Callable[[cards.ModelCard, Mapping[str, bytes]], None]


def install(
    folder: Path, root: Path, *, replace: bool = False, check: Check | None = None
) -> Artifact:
    """Copy an artifact folder into `root` after checking every byte of it.

    `check` may refuse the content for reasons of its own, before anything is written.

    Raises ArtifactError for what is no proper artifact (a link, an unlisted file, a wrong hash, a
    name that is none), UsageError when `root` holds one of that name and `replace` is false or
    when `root` cannot be written to.
    """
    card, content = read(folder)
    if check is not None:
        check(card, content)
    target = root / f"{card.name}-{card.version}"
    if target.exists() and not replace:
        raise UsageError(f"{target}: is there already; --replace puts the new one in its place")
    return write(content, target)


def read(folder: Path) -> tuple[cards.ModelCard, Mapping[str, bytes]]:
    """The card and the bytes of every file, checked. Raises ArtifactError."""
    try:
        _require_plain(folder)
        listed = (folder / CARD).read_bytes()
        card = cards.parse(listed.decode("utf-8"), folder.name)
        _require_names(card)
        _require_listed(folder, card)
        content = {CARD: listed}
        for record in card.files:
            path = folder / record.name
            if path.stat().st_size != record.bytes:
                raise ArtifactError(f"{folder.name}: {record.name} was changed")
            content[record.name] = data = path.read_bytes()
            if len(data) != record.bytes or hashlib.sha256(data).hexdigest() != record.sha256:
                raise ArtifactError(f"{folder.name}: {record.name} was changed")
    except UnicodeDecodeError as error:
        raise ArtifactError(f"{folder.name}: the card is no UTF-8 text") from error
    except OSError as error:
        raise ArtifactError(f"{folder}: no artifact: {error.strerror}") from error
    return card, content


def _require_plain(folder: Path) -> None:
    if folder.is_symlink() or not folder.is_dir():
        raise ArtifactError(f"{folder}: is no folder")
    for path in folder.iterdir():
        if path.is_symlink() or not path.is_file():
            raise ArtifactError(f"{folder.name}: {path.name!r} is no plain file")


def _require_names(card: cards.ModelCard) -> None:
    if not _NAME.fullmatch(card.name) or not _VERSION.fullmatch(card.version):
        raise ArtifactError(f"{card.name!r} version {card.version!r} cannot name a folder")
    names = [record.name for record in card.files]
    if len({CARD, *(n.lower() for n in names)}) != len(names) + 1:
        raise ArtifactError(f"{card.name}: the card lists a file twice, or itself")
    for name in names:
        if not _FILE.fullmatch(name) or Path(name).suffix not in SUFFIXES:
            allowed = ", ".join(sorted(SUFFIXES))
            raise ArtifactError(f"{card.name}: {name!r} is no file of an artifact ({allowed})")


def _require_listed(folder: Path, card: cards.ModelCard) -> None:
    stray = {p.name for p in folder.iterdir()} - {CARD, *(record.name for record in card.files)}
    if stray:
        raise ArtifactError(f"{folder.name}: the card does not list {sorted(stray)}")


def write(content: Mapping[str, bytes], target: Path) -> Artifact:
    """Write a whole artifact folder, replacing what is there, and open it.

    Beside the target first, then renamed: nobody sees half an artifact. Raises UsageError where it
    cannot be written, ArtifactError where the card does not fit the content.
    """
    try:
        _put(content, target)
    except OSError as error:
        raise UsageError(f"{target}: cannot be written: {error.strerror}") from error
    forget()
    return open_artifact(target)


def _put(content: Mapping[str, bytes], target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".new-") as name:
        made = Path(name) / target.name
        made.mkdir()
        for file, data in content.items():
            (made / file).write_bytes(data)
        if target.is_symlink():
            target.unlink()
        elif target.exists():
            shutil.rmtree(target)
        made.rename(target)
