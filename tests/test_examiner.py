"""The engine on toys: isolation of failures, constant micro-batches, one answer by every route."""

from __future__ import annotations

import io
import pickle
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from tellsign.errors import MissingExtra, UnreadableSource
from tellsign.examiner import Examiner
from tellsign.media import from_bytes, from_path, from_stream
from tellsign.plan import Plan
from tellsign.report.report import to_dict
from tellsign.types import (
    Abstention,
    Evidence,
    Failure,
    Report,
    Source,
    Support,
    Unopened,
)

TOYS = Path(__file__).parent / "toys"
NAMES = ("toy_brightness", "toy_network", "toy_broken")
FILES = [str(TOYS / f"{name}.py") for name in NAMES]


@pytest.fixture(scope="module")
def plan() -> Plan:
    return Plan.select(detectors=NAMES, loaded=FILES)


@pytest.fixture(scope="module")
def examiner(plan: Plan) -> Examiner:
    return Examiner(plan)


def png(pixels: NDArray[np.uint8], name: str = "a.png") -> Source:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return from_bytes(buffer.getvalue(), name)


def pictures(photo: NDArray[np.uint8]) -> list[Source]:
    crops = [photo[: 100 + 7 * i, : 130 + 3 * i] for i in range(19)]
    return [png(crop, f"{i}.png") for i, crop in enumerate(crops)]


def facts(report: Report) -> dict[str, object]:
    content = to_dict(report)
    for key in ("created", "timings"):
        del content[key]
    del content["source"]["name"]
    return content


def by_name(report: Report) -> dict[str, object]:
    return {o.origin.detector: o for o in report.outcomes}


def test_one_picture(examiner: Examiner, photo: NDArray[np.uint8]) -> None:
    report = examiner.examine(png(photo))
    found = by_name(report)
    assert isinstance(found["toy_brightness"], Evidence)
    assert isinstance(found["toy_network"], Evidence)
    broken = found["toy_broken"]
    assert isinstance(broken, Failure)
    assert broken.error == "ZeroDivisionError: this toy always breaks"
    assert report.examined
    assert all(c.support is Support.NONE for c in report.conclusions)


def test_batches_give_the_answers_of_single_pictures(
    examiner: Examiner, photo: NDArray[np.uint8]
) -> None:
    sources = pictures(photo)
    together = [facts(r) for r in examiner.examine_many(sources)]
    alone = [facts(examiner.examine(s)) for s in sources]
    assert together == alone


def test_no_answer_depends_on_the_number_of_threads(plan: Plan, photo: NDArray[np.uint8]) -> None:
    source = png(photo)
    assert facts(Examiner(plan, threads=1).examine(source)) == facts(
        Examiner(plan, threads=4).examine(source)
    )


def test_path_bytes_and_stream_agree(examiner: Examiner, photo_jpeg: bytes, tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(photo_jpeg)
    routes = [from_path(path), from_bytes(photo_jpeg), from_stream(io.BytesIO(photo_jpeg))]
    first, *others = (facts(examiner.examine(s)) for s in routes)
    assert all(other == first for other in others)


def test_a_culprit_in_a_batch_costs_only_itself(
    examiner: Examiner, photo: NDArray[np.uint8]
) -> None:
    cursed = photo[:100, :130].copy()
    cursed[0, 0] = 13
    sources = [png(photo[:100, :130]), png(cursed), png(photo[:90, :130])]
    kinds = [type(by_name(r)["toy_network"]) for r in examiner.examine_many(sources)]
    assert kinds == [Evidence, Failure, Evidence]


def test_a_broken_source_costs_only_itself(examiner: Examiner, photo: NDArray[np.uint8]) -> None:
    gone = Unopened("gone.jpg", UnreadableSource("gone.jpg: no such file"))
    sources: Sequence[Source | Unopened] = [png(photo), from_bytes(b"text", "t.jpg"), gone]
    good, text, missing = examiner.examine_many(sources)
    assert good.examined
    for report in (text, missing):
        assert not report.examined
        assert report.media is None
        assert [type(o) for o in report.outcomes] == [Failure] * 3
        assert all(c.support is Support.NONE for c in report.conclusions)
    assert missing.outcomes[0].code == "UnreadableSource"  # type: ignore[union-attr]


def test_reports_come_in_the_order_of_the_sources(
    examiner: Examiner, photo: NDArray[np.uint8]
) -> None:
    sources = pictures(photo)
    names = [r.source.name for r in examiner.examine_many(iter(sources))]
    assert names == [s.name for s in sources]


def test_sources_are_taken_as_they_are_needed(examiner: Examiner, photo: NDArray[np.uint8]) -> None:
    """A list without end must not be read to its end."""

    def endless() -> object:
        while True:
            yield png(photo[:64, :64])

    reports = examiner.examine_many(endless())  # type: ignore[arg-type]
    assert next(reports).examined


def test_small_pictures_get_abstentions(examiner: Examiner, photo: NDArray[np.uint8]) -> None:
    found = by_name(examiner.examine(png(photo[:10, :10])))
    assert isinstance(found["toy_brightness"], Abstention)
    assert found["toy_brightness"].text == "The picture is smaller than 16 pixels."


def test_an_embedded_thumbnail_gets_its_own_report(
    examiner: Examiner, photo: NDArray[np.uint8]
) -> None:
    thumbnail = io.BytesIO()
    Image.fromarray(photo).resize((160, 120)).save(thumbnail, "JPEG")
    report = examiner.examine(from_bytes(with_thumbnail(photo, thumbnail.getvalue()), "t.jpg"))
    assert [child.source.name for child in report.children] == ["thumbnail"]
    assert report.children[0].media is not None
    assert report.children[0].media.width == 160


def with_thumbnail(photo: NDArray[np.uint8], thumbnail: bytes) -> bytes:
    """A JPEG whose Exif block has a second directory that points at `thumbnail`."""
    import struct

    head = b"II*\0" + struct.pack("<I", 8) + struct.pack("<H", 0) + struct.pack("<I", 14)
    entries = [(0x0103, 3, 1, 6), (0x0201, 4, 1, 56), (0x0202, 4, 1, len(thumbnail))]
    second = struct.pack("<H", 3) + b"".join(struct.pack("<HHII", *e) for e in entries)
    block = head + second + struct.pack("<I", 0)
    block = block.ljust(56, b"\0") + thumbnail
    buffer = io.BytesIO()
    Image.fromarray(photo).save(buffer, "JPEG", exif=b"Exif\0\0" + block)
    return buffer.getvalue()


def test_a_plan_travels_to_a_worker(plan: Plan, photo: NDArray[np.uint8]) -> None:
    again = pickle.loads(pickle.dumps(plan))
    assert again.digest == plan.digest
    source = png(photo)
    assert facts(Examiner(again).examine(source)) == facts(Examiner(plan).examine(source))


def test_the_digest_names_the_selection(plan: Plan) -> None:
    fewer = Plan.select(detectors=NAMES[:2], loaded=FILES)
    assert fewer.digest != plan.digest
    assert Plan.select(detectors=NAMES, loaded=FILES).digest == plan.digest


def test_a_missing_optional_part_costs_only_its_picture(
    examiner: Examiner, photo: NDArray[np.uint8], monkeypatch: pytest.MonkeyPatch
) -> None:
    import tellsign.detection as module

    opened = module.open_media

    def without_heif(source: Source, *rest: object) -> object:
        if source.name == "phone.heic":
            raise MissingExtra("HEIF pictures", "heif")
        return opened(source, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(module, "open_media", without_heif)
    bad, good = examiner.examine_many([png(photo, "phone.heic"), png(photo)])
    assert not bad.examined
    assert "tellsign[heif]" in str(bad.error)
    assert good.examined
