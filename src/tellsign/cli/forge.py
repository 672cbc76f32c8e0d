"""``tellsign forge RECIPE SOURCE...``: labelled forgeries with exact masks and a record."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from tellsign.errors import EXIT_INPUT, ForgeError, InputError, UsageError

if TYPE_CHECKING:
    from tellsign.forge import Forged, Recipe
    from tellsign.forge.launder import Laundered
    from tellsign.types import Source

HELP = """Make labelled forgeries with exact masks.

RECIPE is the name of a built-in recipe (see --list) or a .toml file. Every SOURCE gives one
forgery; a splice takes SOURCEs in pairs, host and donor. For each, the picture, its mask (PNG:
255 altered, 128 copied from there) and a record (JSON) are written; the same recipe, sources and
seed always give the same bytes."""


def _list(ctx: click.Context, _param: click.Parameter, value: bool) -> None:
    if not value or ctx.resilient_parsing:
        return
    from tellsign.forge.recipe import builtin_recipes, load_recipe

    for name in builtin_recipes():
        click.echo(f"{name:<22}{load_recipe(name).description}")
    ctx.exit()


@click.command(help=HELP)
@click.argument("recipe", metavar="RECIPE")
@click.argument("sources", nargs=-1, required=True, metavar="SOURCE...")
@click.option("--output", required=True, metavar="DIR", help="Folder to write to; made if absent.")
@click.option(
    "--launder",
    "treatments",
    multiple=True,
    metavar="NAME",
    help="Also write it laundered: web, hard, social, jpeg-75, resize-0.5+jpeg-80, ... Repeatable.",
)
@click.option("--twin", is_flag=True, help="Also write the pristine twin: same history, unaltered.")
@click.option("--seed", default=0, show_default=True, metavar="N", help="Seed of all choices.")
@click.option(
    "--list", is_flag=True, is_eager=True, expose_value=False, callback=_list,
    help="List the built-in recipes.",
)  # fmt: skip
def command(
    recipe: str,
    sources: tuple[str, ...],
    output: str,
    treatments: tuple[str, ...],
    twin: bool,
    seed: int,
) -> None:
    from tellsign.cli.main import printable
    from tellsign.forge import load_recipe
    from tellsign.forge.launder import parse

    chosen = load_recipe(recipe)
    for name in treatments:
        parse(name)
    groups = _groups(chosen, sources)
    folder = _folder(output)
    failed, taken = False, set[str]()
    for group in groups:
        try:
            opened = [_open(name) for name in group]
            stem = _stem(f"{_safe(group[0])}.{chosen.name}", taken)
            for path in _forge(chosen, opened, seed, treatments, twin, folder, stem):
                click.echo(printable(str(path)))
        except (InputError, ForgeError) as error:
            failed = True
            click.echo(f"tellsign: {printable(str(error))}", err=True)
    if failed:
        sys.exit(EXIT_INPUT)


def _groups(recipe: Recipe, names: Sequence[str]) -> list[Sequence[str]]:
    size = recipe.sources
    if len(names) % size:
        raise UsageError(
            f"recipe {recipe.name!r} takes its sources in pairs, host and donor; got {len(names)}"
        )
    if names.count("-") > 1:
        raise UsageError("standard input can be given once only")
    return [names[i : i + size] for i in range(0, len(names), size)]


def _open(name: str) -> Source:
    from tellsign.media import from_path, from_stream

    return from_stream(sys.stdin.buffer) if name == "-" else from_path(name)


def _forge(
    recipe: Recipe,
    sources: Sequence[Source],
    seed: int,
    treatments: Sequence[str],
    twin: bool,
    folder: Path,
    stem: str,
) -> Iterator[Path]:
    """Write everything that comes of one group of sources, yielding each picture's path."""
    from tellsign.forge import launder, make_pair
    from tellsign.forge.draws import derive_seed

    forged, pristine = make_pair(recipe, sources, seed)
    made = [(forged, stem)] + ([(pristine, f"{stem}.twin")] if twin else [])
    # From the sources, not from the result: forgery and twin are treated alike.
    own = derive_seed(seed, recipe.sha256, *(s.sha256 for s in sources))
    for result, name in made:
        treated = [(t, launder.apply(t, result.media, own, result.mask)) for t in treatments]
        yield _write(folder, name, result)
        for treatment, laundered in treated:
            yield _write_laundered(folder, f"{name}.{treatment}", result, laundered)


def _write(folder: Path, stem: str, forged: Forged) -> Path:
    from tellsign.forge.codec import encode_png

    media = folder / f"{stem}.{_extension(forged.format)}"
    record = {**forged.record, "files": {"media": media.name, "mask": f"{stem}.mask.png"}}
    _save(media, forged.media)
    _save(folder / f"{stem}.mask.png", encode_png(forged.mask))
    _save(folder / f"{stem}.json", _json(record))
    return media


def _write_laundered(folder: Path, stem: str, forged: Forged, laundered: Laundered) -> Path:
    from tellsign.forge.codec import encode_png
    from tellsign.forge.record import laundered_record

    mask = laundered.mask
    assert mask is not None
    kind = laundered.format or forged.format
    media = folder / f"{stem}.{_extension(kind)}"
    record = laundered_record(forged.record, laundered.steps, laundered.data, kind, mask)
    record = {**record, "files": {"media": media.name, "mask": f"{stem}.mask.png"}}
    _save(media, laundered.data)
    _save(folder / f"{stem}.mask.png", encode_png(mask))
    _save(folder / f"{stem}.json", _json(record))
    return media


def _extension(kind: str) -> str:
    return "jpg" if kind == "jpeg" else kind


def _json(record: object) -> bytes:
    return (json.dumps(record, indent=2, ensure_ascii=True) + "\n").encode()


def _folder(name: str) -> Path:
    folder = Path(name)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"{name}: {(error.strerror or 'cannot be made').lower()}") from None
    return folder


def _save(path: Path, data: bytes) -> None:
    try:
        path.write_bytes(data)
    except OSError as error:
        reason = (error.strerror or "cannot be written").lower()
        raise UsageError(f"{path}: {reason}") from None


def _safe(name: str) -> str:
    """The file name's stem with nothing but harmless characters, never empty."""
    stem = "stdin" if name == "-" else Path(name).stem
    kept = "".join(c if c.isalnum() or c in "-_" else "_" for c in stem)[:80]
    return kept or "picture"


def _stem(wanted: str, taken: set[str]) -> str:
    """`wanted`, numbered where two sources share a name."""
    stem, number = wanted, 2
    while stem in taken:
        stem, number = f"{wanted}-{number}", number + 1
    taken.add(stem)
    return stem
