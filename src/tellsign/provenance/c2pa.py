"""The C2PA manifest of a file, read and validated offline by the C2PA project's own library.

The verdict and the status codes are the library's, verbatim. What is added here: a manifest that
is there but cannot be read is `invalid` and not `absent`, nothing is ever fetched, and the amount
taken from a hostile manifest is bounded.
"""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Final, Literal

from tellsign.media.media import Media
from tellsign.provenance import jumbf
from tellsign.provenance.trust import TrustPolicy
from tellsign.types import ProvenanceState, Signer, StatusCode

MIME: Final[Mapping[str, str]] = {
    "jpeg": "image/jpeg",
    "png": "image/png",
    "webp": "image/webp",
    "tiff": "image/tiff",
    "gif": "image/gif",
    "heif": "image/heif",
    "heic": "image/heic",
    "avif": "image/avif",
    "dng": "image/dng",
    "jxl": "image/jxl",
}

_LARGEST_STORE: Final = 64 << 20  # bytes; stores with several thumbnails are a few MB
_MOST: Final = 1000  # status codes, ingredients, actions
_LONGEST: Final = 1000  # characters of a title or name
_DEEPEST: Final = 32  # manifests of ingredients followed for a source type
_KINDS: Final[tuple[Literal["success", "informational", "failure"], ...]] = (
    "success",
    "informational",
    "failure",
)

# The C2PA box as a `uuid` box of HEIF and AVIF (technical specification 2.1, A.5).
_BMFF_UUID: Final = bytes.fromhex("d8fec3d61b0e483c92975828877ec481")


@dataclass(frozen=True, slots=True)
class Statement:
    """Who or what made the file, by the manifest's own account."""

    where: str  # "c2pa:softwareAgent", "c2pa:claim_generator"
    text: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """What the manifest store says, without judgement on whether it is true."""

    state: ProvenanceState
    status: tuple[StatusCode, ...] = ()
    signer: Signer | None = None
    source_types: tuple[str, ...] = ()  # as declared: active manifest first, then its parents
    ingredients: tuple[str, ...] = ()
    actions: tuple[str, ...] = ()
    statements: tuple[Statement, ...] = ()
    reason: str | None = None
    certificates: tuple[bytes, ...] = ()  # DER, the signer's first


# The one identity failure that may be owed to our staying offline.
_NOT_RESOLVED: Final = "cawg.ica.did_unavailable"
_NO_ANCHOR: Final = frozenset({"signingCredential.untrusted", "cawg.x509.credential.untrusted"})


def read_manifest(media: Media, trust: TrustPolicy) -> Manifest:
    """Read and validate; never raises for what a file contains, never uses the network."""
    manifest = _read(media, trust, identities=True)
    failures = {s.code for s in manifest.status if s.kind == "failure"}
    if manifest.state is ProvenanceState.INVALID and failures - _NO_ANCHOR == {_NOT_RESOLVED}:
        # A person's identity beside the signature could not be looked up. That says nothing about
        # the integrity of the file, which a reading without identities gives.
        state = _read(media, trust, identities=False).state
        reason = "An identity named in the manifest can only be checked online, and was not."
        return replace(manifest, state=state, reason=reason)
    return manifest


def _read(media: Media, trust: TrustPolicy, *, identities: bool) -> Manifest:
    import c2pa

    if sum(r.length for r in media.metadata.jumbf) > _LARGEST_STORE:
        return _unreadable("The C2PA data are larger than 64 MiB and were not read.")
    mime = MIME.get(media.facts.format or "")
    try:
        context = c2pa.Context(c2pa.Settings.from_dict(_settings(trust, identities)))
        with c2pa.Reader(mime, io.BytesIO(media.data), context=context) as reader:
            report = json.loads(reader.json())
            store = _store(reader, report)
    except c2pa.C2paError.ManifestNotFound:
        return _without(media, None)
    except c2pa.C2paError as error:
        return _without(media, str(error))
    except (ValueError, RecursionError):
        return _unreadable("The report on the manifest is not well formed.")
    return _interpret(report, store)


def offline() -> dict[str, Any]:
    """Settings that close every way to the network. Only the last one stops identity look-ups."""
    return {
        "version_major": 1,
        "verify": {"remote_manifest_fetch": False, "ocsp_fetch": False},
        "core": {"allowed_network_hosts": []},
    }


def _settings(trust: TrustPolicy, identities: bool) -> dict[str, Any]:
    settings = offline()
    settings["verify"]["verify_trust"] = trust.checked
    settings["core"]["decode_identity_assertions"] = identities
    if trust.checked and not trust.empty:
        settings["trust"] = {"user_anchors": trust.anchors_pem}
    return settings


def _store(reader: Any, report: Mapping[str, Any]) -> bytes:  # noqa: ANN401 - untyped library
    import c2pa

    stream = io.BytesIO()
    try:
        reader.resource_to_stream(f"self#jumbf=/c2pa/{report.get('active_manifest')}", stream)
    except c2pa.C2paError:
        return b""
    return stream.getvalue()


def _without(media: Media, error: str | None) -> Manifest:
    """No manifest could be read: none there, only a reference to one elsewhere, or a broken one."""
    if _has_c2pa(media):
        detail = f": {error}" if error else ""
        return _unreadable(f"C2PA data are present but cannot be read{detail}.")
    remote = (error or "").partition("must fetch remote manifests from url ")[2]
    if remote:
        return Manifest(
            ProvenanceState.ABSENT,
            reason=f"The file refers to a manifest at {remote[:_LONGEST]}, which was not fetched.",
        )
    return Manifest(ProvenanceState.ABSENT)


def _unreadable(reason: str) -> Manifest:
    return Manifest(ProvenanceState.INVALID, reason=reason[:_LONGEST])


def _has_c2pa(media: Media) -> bool:
    """True for a C2PA store, or JUMBF that may have been one before its label was broken."""
    for place in media.metadata.jumbf:
        part = media.data[place.offset : place.offset + place.length]
        if b"c2pa" in part.lower() or b"jumb" not in part:
            return True
    return media.facts.format in ("heif", "heic", "avif") and _BMFF_UUID in media.data


def _interpret(report: Mapping[str, Any], store: bytes) -> Manifest:
    states = {"Valid": ProvenanceState.VALID, "Trusted": ProvenanceState.TRUSTED}
    state = states.get(_text(report.get("validation_state")), ProvenanceState.INVALID)
    manifests, label = _dict(report.get("manifests")), _text(report.get("active_manifest"))
    active = _dict(manifests.get(label))
    status = tuple(_status(_dict(report.get("validation_results"))))[:_MOST]
    chain = jumbf.certificates(store, label)
    actions = list(_actions(active))
    ingredients = [_dict(i) for i in _list(active.get("ingredients"))]
    if state is ProvenanceState.INVALID and not any(s.kind == "failure" for s in status):
        reason = "The library calls the manifest invalid without giving a code."
    else:
        reason = None
    return Manifest(
        state=state,
        status=status,
        signer=_signer(active, actions, chain),
        source_types=tuple(dict.fromkeys(_source_types(manifests, label)))[:_MOST],
        ingredients=tuple(_text(i.get("title")) or "(untitled)" for i in ingredients)[:_MOST],
        actions=tuple(name for a in actions if (name := _text(a.get("action"))))[:_MOST],
        statements=tuple(dict.fromkeys(_statements(manifests, label)))[:_MOST],
        reason=reason,
        certificates=chain,
    )


def _status(results: Mapping[str, Any]) -> Iterator[StatusCode]:
    """Yield the active manifest's codes, then what differs for each ingredient."""
    groups = [_dict(results.get("activeManifest"))]
    for delta in _list(results.get("ingredientDeltas")):
        groups.append(_dict(_dict(delta).get("validationDeltas")))
    for group in groups:
        for kind in _KINDS:
            for item in map(_dict, _list(group.get(kind))):
                yield StatusCode(_text(item.get("code")), kind, _text(item.get("url")) or None)


def _signer(
    active: Mapping[str, Any], actions: list[Mapping[str, Any]], chain: tuple[bytes, ...]
) -> Signer | None:
    info = _dict(active.get("signature_info"))
    names = [_text(info.get(key)) for key in ("issuer", "common_name")]
    distinct = list(dict.fromkeys(n for n in names if n))
    name = f"{distinct[0]} ({distinct[1]})" if len(distinct) == 2 else "".join(distinct)
    if not name and not chain:
        return None
    stated = [_text(a.get("when")) for a in actions]
    signed = next((t for t in map(_utc, [_text(info.get("time")), *stated]) if t), None)
    return Signer(name or None, hashlib.sha256(chain[0]).hexdigest() if chain else None, signed)


def _utc(text: str) -> str | None:
    try:
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is None:
            return None
        return moment.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    except (ValueError, OverflowError):
        return None


def _line(manifests: Mapping[str, Any], label: str) -> Iterator[Mapping[str, Any]]:
    """Yield the active manifest, then that of its parent ingredient, and so on."""
    seen: set[str] = set()
    while label in manifests and label not in seen and len(seen) < _DEEPEST:
        seen.add(label)
        manifest = _dict(manifests[label])
        yield manifest
        ingredients = map(_dict, _list(manifest.get("ingredients")))
        parents = (i for i in ingredients if i.get("relationship") == "parentOf")
        label = _text(next(parents, {}).get("active_manifest"))


def _source_types(manifests: Mapping[str, Any], label: str) -> Iterator[str]:
    for manifest in _line(manifests, label):
        actions = list(_actions(manifest))
        # How the asset came into being goes before what was done to it.
        actions.sort(key=lambda a: a.get("action") not in ("c2pa.created", "c2pa.opened"))
        for action in actions:
            yield from filter(None, [_text(action.get("digitalSourceType"))])
        for assertion in map(_dict, _list(manifest.get("assertions"))):
            data = _dict(assertion.get("data"))
            for key in ("digitalSourceType", "Iptc4xmpExt:DigitalSourceType"):
                value = data.get(key)
                value = value.get("@id") if isinstance(value, dict) else value
                yield from filter(None, [_text(value)])


def _statements(manifests: Mapping[str, Any], label: str) -> Iterator[Statement]:
    for manifest in _line(manifests, label):
        for action in _actions(manifest):
            if name := _agent(action.get("softwareAgent")):
                yield Statement("c2pa:softwareAgent", name)
        for info in _list(manifest.get("claim_generator_info")):
            if name := _agent(info):
                yield Statement("c2pa:claim_generator", name)
        if name := _text(manifest.get("claim_generator")):
            yield Statement("c2pa:claim_generator", name)


def _agent(value: object) -> str:
    """Name (and version) of a program: text, or an object with both."""
    if isinstance(value, dict):
        return " ".join(filter(None, [_text(value.get("name")), _text(value.get("version"))]))
    return _text(value)


def _actions(manifest: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    for assertion in map(_dict, _list(manifest.get("assertions"))):
        if _text(assertion.get("label")).startswith("c2pa.actions"):
            for action in _list(_dict(assertion.get("data")).get("actions"))[:_MOST]:
                yield _dict(action)


def _dict(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _text(value: object) -> str:
    return value[:_LONGEST].strip() if isinstance(value, str) else ""
