"""How often the watermark reader speaks: ``python -m tellsign.provenance.watermark_bench DIR...``

On pictures without the mark this is its false-alarm rate, printed for each folder and in all with
an exact (Clopper-Pearson) 95 % interval; on pictures that may carry it, the share that does.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

from tellsign.errors import InputError
from tellsign.media.media import Media, open_media
from tellsign.media.source import from_path
from tellsign.provenance import watermark

_PICTURES = frozenset({".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff", ".bmp", ".gif"})


def interval(hits: int, n: int, level: float = 0.95) -> tuple[float, float]:
    """Clopper-Pearson interval of a proportion; (0, 1) when n is 0."""
    from scipy.stats import beta

    tail = (1 - level) / 2
    low = float(beta.ppf(tail, hits, n - hits + 1)) if hits else 0.0
    high = float(beta.ppf(1 - tail, hits + 1, n - hits)) if hits < n else 1.0
    return low, high


def measure(media: Iterator[Media]) -> Iterator[tuple[str, watermark.Detection]]:
    """Yield (name, best decoding) for every picture large enough to carry a mark."""
    for picture in media:
        try:
            decoded = watermark.best(picture.pixels)
        except InputError as error:
            print(f"skipped: {error}", file=sys.stderr)
            continue
        if decoded is not None:
            yield picture.source.name, decoded
        picture.release()


def _pictures(folder: Path) -> Iterator[Media]:
    paths = [folder] if folder.is_file() else sorted(folder.rglob("*"))
    for path in paths:
        if path.suffix.lower() in _PICTURES and path.is_file():
            try:
                yield open_media(from_path(path))
            except InputError as error:
                print(f"skipped: {error}", file=sys.stderr)


def _line(name: str, hits: int, n: int) -> str:
    low, high = interval(hits, n)
    return f"{name}\tn={n}\tfound={hits}\trate={hits / max(n, 1):.4%}\t95%=[{low:.4%}, {high:.4%}]"


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("folders", nargs="+", type=Path)
    total = found = 0
    for folder in parser.parse_args(arguments).folders:
        n = hits = 0
        nearest = 1.0
        for name, decoded in measure(_pictures(folder)):
            n += 1
            if decoded.false_alarm <= watermark.FALSE_ALARM:
                hits += 1
                print(f"{name}\t{decoded.message.name}\t{watermark.describe(decoded)}")
            else:
                nearest = min(nearest, decoded.false_alarm)
        print(f"{_line(folder.name, hits, n)}\tnearest bound={nearest:.2g}", flush=True)
        total, found = total + n, found + hits
    print(_line("all", found, total))


if __name__ == "__main__":
    main()
