"""Write a C2PA manifest into a copy of a picture."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, NoReturn

from tellsign import __version__
from tellsign.errors import UnsupportedFormat, UsageError
from tellsign.media.media import Media
from tellsign.provenance.c2pa import MIME, offline

# IPTC NewsCodes digitalsourcetype, and the two terms that C2PA adds.
_IPTC: Final = "http://cv.iptc.org/newscodes/digitalsourcetype/"
_C2PA: Final = "http://c2pa.org/digitalsourcetype/"
SOURCE_TYPES: Final[Mapping[str, str]] = {
    **{
        name: _IPTC + name
        for name in (
            "algorithmicMedia",
            "algorithmicallyEnhanced",
            "composite",
            "compositeCapture",
            "compositeSynthetic",
            "compositeWithTrainedAlgorithmicMedia",
            "computationalCapture",
            "dataDrivenMedia",
            "digitalCapture",
            "digitalCreation",
            "humanEdits",
            "negativeFilm",
            "positiveFilm",
            "print",
            "screenCapture",
            "trainedAlgorithmicMedia",
            "virtualRecording",
        )
    },
    **{name: _C2PA + name for name in ("empty", "trainedAlgorithmicData")},
}


def sign(
    media: Media,
    key: bytes,
    certificates: bytes,
    *,
    manifest: Mapping[str, Any] | None = None,
    source_type: str | None = None,
) -> bytes:
    """Return the bytes of `media` with a signed manifest in them.

    Without a source type (and without actions in `manifest`) the picture is recorded as opened,
    with itself as parent ingredient; with one, as created in that way. No time stamp is fetched.

    Parameters
    ----------
    key
        PEM, unencrypted. EC P-256, P-384, P-521 sign as ES256, ES384, ES512; RSA as PS256; Ed25519.
    certificates
        PEM chain, the signer's certificate first.
    manifest
        Manifest definition of the C2PA library; what it lacks is filled in.
    source_type
        Name or URI of `SOURCE_TYPES`.

    Raises
    ------
    UsageError
        The key, chain, manifest or source type cannot be used.
    UnsupportedFormat
        No manifest can be written into this format.
    """
    import c2pa

    mime = MIME.get(media.facts.format or "")
    if mime is None or mime not in c2pa.Builder.get_supported_mime_types():
        raise UnsupportedFormat(
            f"{media.source.name}: no manifest can be written into {media.facts.format} files"
        )
    algorithm, pkcs8 = _key(key, certificates)
    definition = _definition(media.source.name, mime, manifest or {}, source_type)
    # A thumbnail more than doubles a small file and says nothing that the file does not.
    settings = {**offline(), "builder": {"thumbnail": {"enabled": False}}}
    target = io.BytesIO()
    try:
        context = c2pa.Context(c2pa.Settings.from_dict(settings))
        builder = c2pa.Builder(json.dumps(definition), context=context)
        if not _has_actions(definition):
            parent = {"title": definition["title"], "relationship": "parentOf"}
            builder.add_ingredient(json.dumps(parent), mime, io.BytesIO(media.data))
            builder.set_intent(c2pa.C2paBuilderIntent.EDIT)
        info = c2pa.C2paSignerInfo(algorithm, certificates, pkcs8, None)
        with c2pa.Signer.from_info(info) as signer:
            builder.sign(signer, mime, io.BytesIO(media.data), target)
    except c2pa.C2paError as error:
        raise UsageError(f"{media.source.name}: could not be signed: {error}") from None
    return target.getvalue()


def read_manifest_file(path: Path) -> dict[str, Any]:
    """Read a manifest definition (JSON object). Raises UsageError."""
    try:
        definition = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise UsageError(f"manifest {path}: {error}") from None
    if not isinstance(definition, dict):
        raise UsageError(f"manifest {path}: not a JSON object")
    return definition


def _definition(
    name: str, mime: str, given: Mapping[str, Any], source_type: str | None
) -> dict[str, Any]:
    definition = {
        "title": Path(name).name,
        "format": mime,
        "claim_generator_info": [{"name": "tellsign", "version": __version__}],
        "assertions": [],
        **given,
    }
    if not isinstance(definition["assertions"], list):
        raise UsageError("manifest: `assertions` is not a list")
    if source_type is not None:
        if _has_actions(definition):
            raise UsageError("the manifest has actions of its own; put the source type there")
        created = {"action": "c2pa.created", "digitalSourceType": _source_type(source_type)}
        actions = {"label": "c2pa.actions.v2", "data": {"actions": [created]}}
        definition["assertions"] = [*definition["assertions"], actions]
    return definition


def _has_actions(definition: Mapping[str, Any]) -> bool:
    labels = (a.get("label") for a in definition["assertions"] if isinstance(a, dict))
    return any(isinstance(label, str) and label.startswith("c2pa.actions") for label in labels)


def _source_type(name: str) -> str:
    if name in SOURCE_TYPES.values():
        return name
    try:
        return SOURCE_TYPES[name]
    except KeyError:
        known = ", ".join(sorted(SOURCE_TYPES))
        raise UsageError(f"unknown source type {name!r}; known are {known}") from None


def _key(key: bytes, certificates: bytes) -> tuple[str, bytes]:
    """Algorithm name and PKCS8 PEM of a key that belongs to the first certificate."""
    from cryptography import x509
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

    try:
        private = serialization.load_pem_private_key(key, None)
    except TypeError:
        _refuse("the key is encrypted; give it without a password")
    except (ValueError, UnsupportedAlgorithm):
        _refuse("the key is not a PEM private key that can be read")
    try:
        chain = x509.load_pem_x509_certificates(certificates)
    except ValueError:
        _refuse("the certificates are not a PEM chain that can be read")
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    der = serialization.Encoding.DER
    public = private.public_key().public_bytes(der, form)
    if chain[0].public_key().public_bytes(der, form) != public:
        _refuse("the key does not belong to the first certificate of the chain")
    if isinstance(private, ec.EllipticCurvePrivateKey):
        algorithm = {256: "es256", 384: "es384", 521: "es512"}.get(private.curve.key_size)
    elif isinstance(private, rsa.RSAPrivateKey):
        algorithm = "ps256" if private.key_size >= 2048 else None
    else:
        algorithm = "ed25519" if isinstance(private, ed25519.Ed25519PrivateKey) else None
    if algorithm is None:
        _refuse("the key is of no kind that C2PA signs with (EC P-256/384/521, RSA, Ed25519)")
    pkcs8 = private.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    return algorithm, pkcs8


def _refuse(why: str) -> NoReturn:
    raise UsageError(why)
