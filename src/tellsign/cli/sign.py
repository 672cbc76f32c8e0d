"""``tellsign sign SOURCE``: write a C2PA manifest, signed with the user's key, into a copy."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import click

from tellsign.errors import UsageError


@click.command(help="Write a signed C2PA manifest into a copy of a picture.")
@click.argument("source")
@click.option("--key", required=True, metavar="FILE", help="Private key, PEM, not encrypted.")
@click.option("--certs", required=True, metavar="FILE", help="PEM chain, the signer's first.")
@click.option("--output", required=True, metavar="FILE", help="Where the signed copy goes.")
@click.option("--manifest", metavar="FILE", help="Manifest definition (JSON) of the C2PA tools.")
@click.option("--source-type", metavar="TYPE", help="How it came to be: digitalCapture, ...")
def command(
    source: str,
    key: str,
    certs: str,
    output: str,
    manifest: str | None,
    source_type: str | None,
) -> None:
    from tellsign.media.media import open_media
    from tellsign.media.source import from_path
    from tellsign.provenance.sign import read_manifest_file, sign

    target = Path(output)
    if target.exists() and Path(source).exists() and target.samefile(source):
        raise UsageError(f"{output}: is the source itself; give another file")
    definition = read_manifest_file(Path(manifest)) if manifest is not None else None
    pem_key, pem_chain = _read(key), _read(certs)
    media = open_media(from_path(source))
    signed = sign(media, pem_key, pem_chain, manifest=definition, source_type=source_type)
    _write(target, signed)
    click.echo(f"signed: {click.format_filename(target)}", err=True)


def _read(name: str) -> bytes:
    try:
        return Path(name).read_bytes()
    except OSError as error:
        raise UsageError(f"{name}: {(error.strerror or 'cannot be read').lower()}") from None


def _write(target: Path, data: bytes) -> None:
    """Write beside the target and move into place, never leaving half a file under its name."""
    try:
        descriptor, partial = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
        try:
            with os.fdopen(descriptor, "wb") as stream:
                stream.write(data)
            Path(partial).chmod(0o644)
            Path(partial).replace(target)
        finally:
            Path(partial).unlink(missing_ok=True)
    except OSError as error:
        raise UsageError(f"{target}: {(error.strerror or 'cannot be written').lower()}") from None
