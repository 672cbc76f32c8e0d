"""``tellsign doctor``: is this installation complete and unchanged?"""

from __future__ import annotations

import json
import platform
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from typing import Any

import click

from tellsign import __version__
from tellsign.artifacts.store import Store, open_artifact
from tellsign.errors import ArtifactError

_CORE = (
    "numpy",
    "scipy",
    "pillow",
    "opencv-python-headless",
    "onnxruntime",
    "jpeglib",
    "c2pa-python",
    "cryptography",
)
# extra -> (module to look for, what it brings)
_EXTRAS = {
    "batch": ("pyarrow", "Parquet tables (`tellsign batch`)"),
    "ray": ("ray", "batches on a Ray cluster"),
    "heif": ("pillow_heif", "HEIF pictures"),
    "pdf": ("reportlab", "PDF reports"),
    "bench": ("matplotlib", "plots of `tellsign bench`"),
    "train": ("torch", "`tellsign train`"),
}


@click.command(help="Check the installation: versions, optional parts, hashes.")
@click.option("--json", "as_json", is_flag=True, help="Machine-readable output.")
def command(as_json: bool) -> None:
    state = diagnosis()
    if as_json:
        click.echo(json.dumps(state, indent=2))
    else:
        click.echo(f"tellsign {state['tellsign']} on Python {state['python']}, {state['system']}")
        for name, found in state["packages"].items():
            click.echo(f"  {name:<24} {found or 'MISSING'}")
        for name, extra in state["extras"].items():
            mark = "installed" if extra["installed"] else f"pip install 'tellsign[{name}]'"
            click.echo(f"  [{name}] {extra['brings']}: {mark}")
        for row in state["artifacts"]:
            click.echo(f"  {row['name']:<28} {row['error'] or row['sha256']}")
    missing = [name for name, found in state["packages"].items() if not found]
    broken = [row["name"] for row in state["artifacts"] if row["error"]]
    if missing or broken:
        raise ArtifactError(f"not in order: {', '.join(missing + broken)}")


def diagnosis() -> dict[str, Any]:
    return {
        "tellsign": __version__,
        "python": platform.python_version(),
        "system": platform.platform(terse=True),
        "packages": {name: _version(name) for name in _CORE},
        "extras": {
            name: {"installed": find_spec(module) is not None, "brings": brings}
            for name, (module, brings) in _EXTRAS.items()
        },
        "artifacts": [_checked(name) for name in Store.default().folders],
    }


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _checked(name: str) -> dict[str, str | None]:
    try:
        found = open_artifact(Store.default().folders[name])
    except ArtifactError as error:
        return {"name": name, "sha256": None, "error": str(error)}
    return {"name": name, "sha256": found.sha256, "error": None}
