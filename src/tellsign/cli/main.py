"""The command line. Verbs are loaded when they are called, so that ``--help`` answers at once."""

from __future__ import annotations

import sys
from importlib import import_module

import click

from tellsign import __version__
from tellsign.errors import TellsignError

# verb -> its help line, repeated here so that listing verbs imports none of them (tested equal)
VERBS = {
    "examine": "Examine pictures and report the evidence.",
    "provenance": "Show where a picture says it comes from, and check it.",
    "sign": "Write a signed C2PA manifest into a copy of a picture.",
    "batch": "Examine a folder or a list into one Parquet table.",
    "forge": "Make labelled forgeries with exact masks.",
    "train": "Train a detector from a recipe.",
    "adapt": "Teach a generator from few examples, or recalibrate on own photographs.",
    "bench": "Measure the detectors on labelled pictures.",
    "detectors": "List the detectors, or show one detector's page.",
    "models": "List, show, verify and add fitted artifacts.",
    "doctor": "Check the installation: versions, optional parts, hashes.",
}


class LazyGroup(click.Group):
    """A group whose commands live in ``tellsign.cli.<verb>`` as the object ``command``."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in VERBS:
            return None
        command: click.Command = import_module(f"tellsign.cli.{cmd_name}").command
        if not any(isinstance(p, click.Option) and p.name == "version" for p in command.params):
            command = click.version_option(__version__, prog_name="tellsign")(command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(VERBS.items()))


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="tellsign")
def cli() -> None:
    """Tell real media from fake, with evidence a person can check.

    JSON and tables go to stdout, messages to stderr. Exit code 0: everything asked for was done,
    whatever was found; 2: wrong usage; 3: an input could not be examined.
    """


def run() -> None:
    """Entry point: errors of the tree become one line on stderr and their exit code."""
    try:
        cli(standalone_mode=True)
    except TellsignError as error:
        click.echo(f"tellsign: {printable(str(error))}", err=True)
        sys.exit(error.exit_code)
    except BrokenPipeError:
        # The reader of a pipe went away; devnull keeps the interpreter's last flush silent.
        sys.stdout = None
        sys.exit(0)


def printable(text: str) -> str:
    """A file name can carry terminal escapes; a message must not pass them on."""
    from tellsign.report.text import clean

    return clean(text, limit=500)
