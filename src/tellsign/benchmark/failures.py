"""The worst mistakes of a run: which pictures, and a contact sheet for whoever has the data."""

from __future__ import annotations

import base64
import io
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from tellsign.benchmark import datasets, prepare, protocols
from tellsign.benchmark.datasets import Item
from tellsign.benchmark.prepare import Wanted
from tellsign.benchmark.run import dataset_of
from tellsign.benchmark.scores import ScoreRow
from tellsign.benchmark.tables import Run
from tellsign.errors import InputError
from tellsign.media import from_path, open_media
from tellsign.report.markup import Html, join, tag
from tellsign.report.text import clean
from tellsign.types import Source

LISTED = 20
PER_GROUP = 4  # one bad group must not hide the others
SIDE = 240  # pixels, longest side of a thumbnail

Identity = tuple[str, str, str]  # dataset, group, key


@dataclass(frozen=True, slots=True)
class Failure:
    """One picture in the condition in which the conclusion was most wrong."""

    dataset: str
    group: str
    key: str
    condition: str
    label: int
    ratio: float  # log10 likelihood ratio of the conclusion

    @property
    def identity(self) -> Identity:
        return self.dataset, self.group, self.key


@dataclass(frozen=True, slots=True)
class Failures:
    """The strongest mistakes of either kind, and of how many pictures they are."""

    accused: tuple[Failure, ...]  # pristine, the largest ratio first
    cleared: tuple[Failure, ...]  # generated, the smallest ratio first
    accused_pictures: int  # with moderate or stronger support, in any condition
    cleared_pictures: int
    pristine: int
    generated: int


def failures(run: Run) -> Failures:
    """Pristine pictures with support for generation, generated ones with support against it."""
    moderate = run.meta.get("moderate")
    told: list[tuple[tuple[Failure, ...], int, int]] = []
    for label, sign in ((0, 1.0), (1, -1.0)):
        rows = [r for r in run.rows if r.label == label]
        wrong = _worst(rows, sign)
        strong = sum(moderate is not None and f.ratio * sign >= moderate for f in wrong)
        pictures = len({(r.dataset, r.group, r.key) for r in rows})
        told.append((tuple(_bounded(wrong)), strong, pictures))
    (accused, n_accused, pristine), (cleared, n_cleared, generated) = told
    return Failures(accused, cleared, n_accused, n_cleared, pristine, generated)


def _worst(rows: Iterable[ScoreRow], sign: float) -> list[Failure]:
    """Each picture once, in its worst condition; the worst picture first."""
    found: dict[Identity, Failure] = {}
    for r in rows:
        if r.llr is None or r.llr * sign <= 0:
            continue
        failure = Failure(r.dataset, r.group, r.key, r.condition, r.label, r.llr)
        before = found.get(failure.identity)
        if before is None or failure.ratio * sign > before.ratio * sign:
            found[failure.identity] = failure
    return sorted(found.values(), key=lambda f: (-f.ratio * sign, f.identity))


def _bounded(ordered: Iterable[Failure]) -> Iterator[Failure]:
    seen: Counter[str] = Counter()
    for failure in ordered:
        seen[failure.group] += 1
        if seen[failure.group] <= PER_GROUP:
            yield failure
        if sum(min(n, PER_GROUP) for n in seen.values()) == LISTED:
            return


# --- the contact sheet -------------------------------------------------------------------------


def contact_sheet(runs: Iterable[Run], data: Sequence[Path]) -> str:
    """One HTML page with the pictures of every run's failures, laundered as they were examined.

    Parameters
    ----------
    runs
        The conclusion of each run.
    data
        Folders with the manifests that the runs drew from.

    The pictures are other people's: the page is for the machine that holds the data. Raises
    InputError where a folder has no usable manifest.
    """
    body: list[Html] = []
    for run in runs:
        found = failures(run)
        pictures = thumbnails(run, (*found.accused, *found.cleared), data)
        body.append(tag("h2", f"{clean(run.meta['protocol'])}, {run.meta['settings']['split']}"))
        for title, listed in (
            ("Pristine pictures most strongly accused", found.accused),
            ("Generated pictures most strongly cleared", found.cleared),
        ):
            cards = [_card(f, *pictures[f.identity]) for f in listed]
            body += [tag("h3", title), tag("div", *cards) if cards else tag("p", "None.")]
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=_POLICY),
        tag("title", _TITLE),
        tag("style", _STYLE),
    )
    page = tag("html", head, tag("body", tag("h1", _TITLE), tag("p", _NOTE), *body), lang="en")
    return f"<!doctype html>\n{page}\n"


def thumbnails(
    run: Run, wanted: Sequence[Failure], data: Sequence[Path]
) -> Mapping[Identity, tuple[str | None, str]]:
    """Picture -> JPEG as a data URL, or None, and what it shows.

    A picture is laundered again by the run's protocol and seed, which gives the bytes examined
    when the data are the same; else the file is shown as it lies in the data.
    """
    protocol = protocols.from_mapping(run.meta["settings"], run.meta["protocol"])
    rows = {(r.dataset, r.group, r.key) for r in run.rows}
    choice = datasets.Choice(
        protocol.question,
        protocol.split,
        protocol.groups,
        protocol.without,
        protocol.styles,
        protocol.per_group,
        protocol.least_side,
        protocol.seed,
    )
    items = {
        identity: item
        for item in datasets.choose(data, choice).items
        if (identity := (dataset_of(protocol, item), item.group, item.key)) in rows
    }
    # Sizes are drawn from the other class, so one missing picture may change any other's.
    same = len(items) == len(rows)
    order = {identity: n for n, identity in enumerate(items)}
    every = tuple(items.values())
    frames = {
        c: prepare.frames(every, c, protocol.sizes, protocol.seed)
        for c in {f.condition for f in wanted if same}
    }
    shown: dict[Identity, tuple[str | None, str]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for f in wanted:
            item = items.get(f.identity)
            if item is None:
                shown[f.identity] = (None, "not in the data given")
                continue
            url = None
            if same:
                frame = frames[f.condition][order[f.identity]]
                url = _laundered(item, Wanted(f.condition, frame), protocol.seed, Path(folder))
            note = "as it was examined" if url else "as it lies in the data"
            shown[f.identity] = (url or _stored(item), note)
    return shown


def _laundered(item: Item, wanted: Wanted, seed: int, folder: Path) -> str | None:
    (done,) = prepare.prepare(prepare.Task(item, (wanted,), seed, folder))
    return None if "error" in done else _thumbnail(from_path(done["path"]))


def _stored(item: Item) -> str | None:
    try:
        return _thumbnail(datasets.source(item))
    except InputError:
        return None


def _thumbnail(source: Source) -> str:
    pixels = open_media(source).pixels
    height, width = pixels.shape[:2]
    factor = min(1.0, SIDE / max(height, width))
    size = (max(1, round(width * factor)), max(1, round(height * factor)))
    small = np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(small).save(buffer, "JPEG", quality=88)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode()


def _card(failure: Failure, url: str | None, note: str) -> Html:
    name = clean(failure.key)
    picture = tag("img", src=url, alt=name) if url else tag("p", "no picture")
    lines = (
        f"{failure.ratio:+.2f} in {clean(failure.condition)}",
        clean(failure.group),
        name,
        note,
    )
    return tag("figure", picture, tag("figcaption", join(tag("div", line) for line in lines)))


_TITLE = "Failures of a run"
_NOTE = (
    "Pictures on which tellsign was most wrong, with the log10 likelihood ratio of its conclusion. "
    "They belong to others: keep this page where the data are."
)
_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
_STYLE = (
    "body{font:14px/1.4 system-ui,sans-serif;margin:2em}"
    "div{display:flex;flex-wrap:wrap;gap:1em}figcaption div{display:block}"
    "figure{margin:0;width:240px;overflow-wrap:anywhere}img{max-width:240px}"
)
