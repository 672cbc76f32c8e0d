"""A user's autoencoder as an artifact, so that `reconstruction_error` finds it.

Any number may be installed: they share the artifact's name and differ in version.
"""

from __future__ import annotations

import hashlib
import re
import tempfile
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from tellsign.artifacts import card as cards
from tellsign.artifacts.card import FileRecord, ModelCard
from tellsign.artifacts.install import install
from tellsign.artifacts.store import CARD, Artifact
from tellsign.detectors.universal.reconstruction_error import AUTOENCODER, SIDE, ReconstructionError
from tellsign.errors import ArtifactError, UsageError
from tellsign.forge.generate import FILES, FORM, Form, read_form, reconstruct

KIND = "autoencoder"
FAR = 40.0  # grey levels; a flat grey would be 64 off


def is_generator(folder: Path) -> bool:
    """Whether the folder is a generator's (`tellsign.forge.generate`) and no artifact yet."""
    return (folder / FORM).is_file() and not (folder / CARD).exists()


def install_autoencoder(folder: Path, root: Path, *, replace: bool = False) -> Artifact:
    """Try an autoencoder on one crop, write a card for it and copy both into `root`.

    Parameters
    ----------
    folder
        Holds ``generator.toml`` of the kind autoencoder, ``encoder.onnx`` and ``decoder.onnx``;
        what else lies there is left behind.

    Raises ArtifactError for networks that do not run or give another picture, UsageError for
    another kind of generator and as `tellsign.artifacts.install.install`.
    """
    form = read_form(folder)
    if form.kind != KIND:
        raise UsageError(
            f"{folder}: a generator of kind {form.kind}; only an {KIND} is of use here"
        )
    _try(folder)
    content = {name: (folder / name).read_bytes() for name in (FORM, *FILES[KIND])}
    records = tuple(
        FileRecord(name, hashlib.sha256(data).hexdigest(), len(data))
        for name, data in sorted(content.items())
    )
    card = card_of(form, records)
    with tempfile.TemporaryDirectory() as scratch:
        made = Path(scratch) / f"{card.name}-{card.version}"
        made.mkdir()
        for name, data in {**content, CARD: cards.render(card).encode()}.items():
            (made / name).write_bytes(data)
        return install(made, root, replace=replace)


def card_of(form: Form, records: tuple[FileRecord, ...]) -> ModelCard:
    """What can be said of weights that only the user knows."""
    info = ReconstructionError.info
    return ModelCard(
        name=AUTOENCODER,
        # What a version may hold; the digit in front is asked for.
        version="1+" + (re.sub(r"[^A-Za-z0-9._]+", ".", str(form.name)).strip(".")[:24] or "own"),
        detector=info.name,
        detector_version=info.version,
        summary=f"The autoencoder {form.name}: pictures go through it and back.",
        licence_code="none: no code",
        licence_weights=str(form.licence),
        licence_data="not known: the weights are the user's",
        training_data="not known: the weights are the user's",
        intended_use="Reconstructions by reconstruction_error.",
        known_failures=(
            "Not measured: how far its distances tell generated pictures from photographs depends "
            "on how near it is to the autoencoder of the generator.",
        ),
        measured="tellsign bench run PROTOCOL --detector reconstruction_error, with it installed",
        made=datetime.now(UTC).strftime("%Y-%m-%d"),
        files=records,
    )


def _try(folder: Path) -> None:
    """A slope from black to white comes back much as it was, from any autoencoder that works."""
    from onnxruntime.capi import onnxruntime_pybind11_state as states

    slope = np.linspace(0, 255, SIDE).astype(np.uint8)
    crop = np.ascontiguousarray(np.broadcast_to(slope[:, None, None], (SIDE, SIDE, 3)))
    try:
        again = reconstruct(crop, folder)
    # ValueError: a network that wants a second input.
    except (ValueError, states.Fail, states.InvalidArgument, states.RuntimeException) as error:
        raise ArtifactError(f"{folder}: the networks do not run: {error}") from error
    apart = float(np.abs(again.astype(float) - crop).mean())
    if apart > FAR:
        raise ArtifactError(
            f"{folder}: a slope from black to white comes back {apart:.0f} grey levels off; "
            f"are range and scale in {FORM} right?"
        )
