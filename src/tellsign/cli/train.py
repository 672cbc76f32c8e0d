"""``tellsign train RECIPE``: from a bank of crops to an artifact folder."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

import click

from tellsign.errors import UsageError

HELP = """Train a detector from a recipe.

RECIPE is the name of a built-in recipe (see --list) or a .toml file. The bank of crops (--data)
comes from `tellsign.training.bank.build`. The artifact folder is written below --output; give that
folder to later calls in TELLSIGN_ARTIFACTS. A run that is stopped goes on from its checkpoint."""


def _list(ctx: click.Context, _param: click.Parameter, value: bool) -> None:
    if not value or ctx.resilient_parsing:
        return
    from tellsign.training.recipe import builtin_recipes, load_recipe

    for name in builtin_recipes():
        click.echo(f"{name:<22}{load_recipe(name).description}")
    ctx.exit()


@click.command(help=HELP)
@click.argument("recipe", metavar="RECIPE")
@click.option(
    "--data", required=True, multiple=True, metavar="DIR", help="Bank of crops; may be repeated."
)
@click.option("--output", required=True, metavar="DIR", help="Folder for the artifact.")
@click.option("--seed", default=0, show_default=True, help="Same seed, same draws.")
@click.option("--minutes", type=click.FloatRange(min=0), help="Stop then and export.")
@click.option("--weights", metavar="FILE", help="Pretrained weights that the recipe starts from.")
@click.option("--checkpoints", metavar="DIR", help="Default: a folder below --output.")
@click.option(
    "--list",
    is_flag=True,
    callback=_list,
    is_eager=True,
    expose_value=False,
    help="List the built-in recipes.",
)
def command(
    recipe: str,
    data: tuple[str, ...],
    output: str,
    seed: int,
    minutes: float | None,
    weights: str | None,
    checkpoints: str | None,
) -> None:
    from tellsign.training.bank import Bank
    from tellsign.training.recipe import load_recipe, run

    chosen = load_recipe(recipe)
    if weights is not None and not Path(weights).is_file():
        raise UsageError(f"--weights: there is no file {weights}")
    written = run(
        chosen,
        Bank.join([Bank.open(Path(folder)) for folder in data]),
        Path(output),
        seed=seed,
        minutes=minutes,
        checkpoints=Path(checkpoints) if checkpoints else None,
        weights=Path(weights) if weights else None,
        command=_command_for_card(sys.argv[1:]),
    )
    click.echo(written)


def _command_for_card(arguments: list[str]) -> str:
    """As typed, but with the last part of every path: a card tells nothing about a machine."""
    shown = [Path(a).name if "/" in a or "\\" in a else a for a in arguments]
    return "tellsign " + shlex.join(shown)
