"""All provenance of one file in one value: manifest, source type, what generators wrote, marks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from tellsign.errors import InputError
from tellsign.media.media import Media
from tellsign.provenance import generators, stealth, watermark
from tellsign.provenance.c2pa import Manifest, read_manifest
from tellsign.provenance.trust import DEFAULT, TrustPolicy
from tellsign.types import GeneratorClaim, Provenance

_MOST_CLAIMS: Final = 20

# Formats whose decoded pixels can still hold a message in their lowest bits.
_LOSSLESS: Final = frozenset({"png", "webp", "tiff", "bmp", "gif"})


def read(media: Media, trust: TrustPolicy = DEFAULT) -> Provenance:
    """Read what the file states about its origin, and check what is signed.

    A broken or hostile manifest gives the state `invalid` with its codes or a reason; nothing that
    a file contains makes this raise. The network is never used.
    """
    manifest = read_manifest(media, trust)
    claims = tuple(dict.fromkeys([*_from_manifest(manifest), *_from_file(media)]))[:_MOST_CLAIMS]
    return Provenance(
        state=manifest.state,
        status=manifest.status,
        signer=manifest.signer,
        trust_list=trust.facts,
        digital_source_type=_source_type(manifest, media),
        generator=_generator(claims),
        claims=claims,
        ingredients=manifest.ingredients,
        actions=manifest.actions,
        reason=manifest.reason,
    )


def _generator(claims: tuple[GeneratorClaim, ...]) -> GeneratorClaim | None:
    """The first claim that names a generator; a declared source type names none."""
    naming = [c for c in claims if not c.where.lower().endswith("digitalsourcetype")]
    return next((c for c in naming if c.name), naming[0] if naming else None)


def _source_type(manifest: Manifest, media: Media) -> str | None:
    """The declared type; of several in a manifest, one that states generation goes first."""
    declared = list(manifest.source_types)
    declared.sort(key=lambda kind: not generators.is_generated(kind))
    written = map(generators.source_type, media.metadata.entries)
    return next((kind for kind in (*declared, *written) if kind), None)


def _from_manifest(manifest: Manifest) -> Iterator[GeneratorClaim]:
    for statement in manifest.statements:
        if name := generators.named(statement.text, in_manifest=True):
            yield GeneratorClaim(statement.where, statement.text, name)
    for kind in manifest.source_types:
        if generators.is_generated(kind):
            yield GeneratorClaim("c2pa:digitalSourceType", kind)


def _from_file(media: Media) -> Iterator[GeneratorClaim]:
    yield from generators.from_metadata(media.metadata.entries)
    try:
        pixels = media.pixels
        alpha = media.alpha
    except InputError:
        return  # the picture itself is broken; what the metadata claim still stands
    if media.facts.format in _LOSSLESS and (hidden := stealth.find(pixels, alpha)):
        where = f"hidden:{hidden.channel}"
        yield generators.from_hidden(where, hidden.text)
    if found := watermark.find(pixels):
        yield GeneratorClaim("watermark:dwtDct", watermark.describe(found), found.message.name)
