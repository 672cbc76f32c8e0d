from __future__ import annotations

import io
import struct

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from tellsign.detectors.feature.metadata_consistency import POINTS, MetadataConsistency
from tellsign.media import from_bytes, open_media
from tellsign.testing import run
from tellsign.types import Abstention, Box, ByteRange, Evidence

Pixels = NDArray[np.uint8]
DETECTOR = MetadataConsistency()

MAKE, MODEL, SOFTWARE, MODIFIED = 0x010F, 0x0110, 0x0131, 0x0132
TAKEN, DIGITISED, WIDTH, HEIGHT, EXPOSURE = 0x9003, 0x9004, 0xA002, 0xA003, 0x829A


def jpeg(pixels: Pixels, **options: object) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", **{"quality": 90, **options})
    return buffer.getvalue()


def with_exif(
    pixels: Pixels, first: dict[int, object], second: dict[int, object] | None = None
) -> bytes:
    exif = Image.Exif()
    exif.update(first)
    exif.get_ifd(0x8769).update(second or {})
    return jpeg(pixels, exif=exif)


def with_thumbnail(pixels: Pixels, thumbnail: Pixels) -> bytes:
    small = jpeg(thumbnail, quality=85)
    head = b"II*\0" + struct.pack("<IHI", 8, 0, 14)
    entries = [(0x0103, 3, 1, 6), (0x0201, 4, 1, 56), (0x0202, 4, 1, len(small))]
    block = head + struct.pack("<H", 3)
    block += b"".join(struct.pack("<HHII", *e) for e in entries) + struct.pack("<I", 0)
    return jpeg(pixels, exif=b"Exif\0\0" + block.ljust(56, b"\0") + small)


def thumbnail_of(pixels: Pixels) -> Pixels:
    return np.asarray(Image.fromarray(pixels).resize((160, 120), Image.Resampling.BOX))


def evidence(data: bytes) -> Evidence:
    found = run(DETECTOR, open_media(from_bytes(data)))
    assert isinstance(found, Evidence)
    return found


def codes(found: Evidence) -> set[str]:
    return {f.code for f in found.findings}


def test_a_file_without_statements_is_left_alone(photo: Pixels) -> None:
    buffer = io.BytesIO()
    Image.fromarray(photo).save(buffer, "PNG")
    found = run(DETECTOR, open_media(from_bytes(buffer.getvalue())))
    assert isinstance(found, Abstention)
    assert found.code == "no_metadata"


def test_a_camera_file_gets_no_points(photo: Pixels) -> None:
    when = "2026:05:01 10:00:00"
    data = with_exif(photo, {MAKE: "Foo", MODEL: "X1"}, {TAKEN: when, WIDTH: 640, HEIGHT: 480})
    found = evidence(data)
    assert found.score == 0
    assert not codes(found) & set(POINTS)


def test_the_matching_thumbnail_says_nothing(photo: Pixels) -> None:
    found = evidence(with_thumbnail(photo, thumbnail_of(photo)))
    assert found.score == 0
    assert not any(c.startswith("exif.thumbnail") for c in codes(found))


def test_a_thumbnail_of_another_picture(photo: Pixels) -> None:
    blobs = np.random.default_rng(3).integers(0, 256, (6, 8, 3), dtype=np.uint8)
    other = np.asarray(Image.fromarray(blobs).resize((160, 120), Image.Resampling.BICUBIC))
    found = evidence(with_thumbnail(photo, other))
    assert codes(found) & {"exif.thumbnail.mismatch"}
    assert found.score == 3


def test_a_place_that_the_thumbnail_still_shows_otherwise(photo: Pixels) -> None:
    altered = photo.copy()
    altered[200:320, 380:520] = (250, 240, 30)
    found = evidence(with_thumbnail(altered, thumbnail_of(photo)))
    local = next(f for f in found.findings if f.code == "exif.thumbnail.local")
    assert isinstance(local.where, Box)
    # The altered place, give or take the blur of four picture pixels to one of the thumbnail's.
    assert local.where.x >= 350
    assert local.where.x + local.where.width <= 550
    assert local.where.y >= 170
    assert local.where.y + local.where.height <= 350
    assert len(found.maps) == 1
    assert found.score == 3


def test_a_later_crop_is_history(photo: Pixels) -> None:
    part = np.ascontiguousarray(photo[96:384, 128:512])
    found = evidence(with_thumbnail(part, thumbnail_of(photo)))
    assert "exif.thumbnail.cropped" in codes(found)
    assert found.score == 0


def test_an_editor_that_names_itself(photo: Pixels) -> None:
    data = with_exif(photo, {SOFTWARE: "Adobe Photoshop CS5 Windows"})
    found = evidence(data)
    editor = next(f for f in found.findings if f.code == "metadata.editor")
    assert isinstance(editor.where, ByteRange)
    start = editor.where.offset
    assert data[start : start + editor.where.length].startswith(b"Adobe Photoshop CS5")
    assert found.score == 0


def test_firmware_is_no_editor(photo: Pixels) -> None:
    assert evidence(with_exif(photo, {SOFTWARE: "Ver.1.00"})).score == 0


def test_dates_that_run_backwards(photo: Pixels) -> None:
    times = {TAKEN: "2026:05:02 10:00:00", DIGITISED: "2026:05:01 10:00:00"}
    found = evidence(with_exif(photo, {MODEL: "X1"}, times))
    assert codes(found) >= {"exif.dates.backwards"}
    assert found.score == 0.5


def test_a_later_modification_is_history(photo: Pixels) -> None:
    data = with_exif(photo, {MODIFIED: "2026:05:03 10:00:00"}, {TAKEN: "2026:05:02 10:00:00"})
    found = evidence(data)
    assert "exif.dates.modified" in codes(found)
    assert found.score == 0


@pytest.mark.parametrize("bad", ["0000:00:00 00:00:00", "yesterday", "2026:13:45 99:00:00", ""])
def test_dates_that_are_none_are_ignored(photo: Pixels, bad: str) -> None:
    found = evidence(with_exif(photo, {MODEL: "X1", MODIFIED: bad}, {TAKEN: bad}))
    assert not any(c.startswith("exif.dates") for c in codes(found))


def test_another_size_than_the_camera_stated_is_history(photo: Pixels) -> None:
    found = evidence(with_exif(photo, {MODEL: "X1"}, {WIDTH: 4000, HEIGHT: 3000}))
    assert "exif.dimensions" in codes(found)
    assert found.score == 0


def test_a_turned_size_is_no_other_size(photo: Pixels) -> None:
    found = evidence(with_exif(photo, {MODEL: "X1"}, {WIDTH: 480, HEIGHT: 640}))
    assert "exif.dimensions" not in codes(found)


def test_photoshop_tables_under_a_camera_are_history(photo: Pixels) -> None:
    exif = Image.Exif()
    exif.update({MAKE: "Foo", MODEL: "X1"})
    found = evidence(jpeg(photo, quality="web_high", exif=exif))
    assert "jpeg.tables.editor" in codes(found)
    assert found.score == 0


def test_library_tables_are_history(photo: Pixels) -> None:
    found = evidence(with_exif(photo, {MAKE: "Foo", MODEL: "X1"}))
    assert "jpeg.tables.library" in codes(found)
    assert found.score == 0


def test_a_missing_maker_note_is_history(photo: Pixels) -> None:
    found = evidence(with_exif(photo, {MAKE: "Canon", MODEL: "X1"}, {EXPOSURE: 0.01}))
    assert "exif.makernote.missing" in codes(found)
    assert found.score == 0


def test_points_add_up_over_rules(photo: Pixels) -> None:
    data = with_thumbnail(photo, thumbnail_of(np.ascontiguousarray(photo[::-1, :, ::-1])))
    assert evidence(data).score in (0, POINTS["exif.thumbnail.mismatch"])
    composite = (
        b"<x:xmpmeta xmlns:x='adobe:ns:meta/'><rdf:RDF xmlns:rdf="
        b"'http://www.w3.org/1999/02/22-rdf-syntax-ns#'><rdf:Description "
        b"xmlns:Iptc4xmpExt='http://iptc.org/std/Iptc4xmpExt/2008-02-29/' "
        b"Iptc4xmpExt:DigitalSourceType='http://cv.iptc.org/newscodes/digitalsourcetype/"
        b"compositeCapture'/></rdf:RDF></x:xmpmeta>"
    )
    times = {TAKEN: "2026:05:02 10:00:00", DIGITISED: "2026:05:01 10:00:00"}
    exif = Image.Exif()
    exif.get_ifd(0x8769).update(times)
    found = evidence(jpeg(photo, exif=exif, xmp=composite))
    assert found.score == POINTS["iptc.source.composite"] + POINTS["exif.dates.backwards"]


@pytest.mark.parametrize("optimise", [False, True])
def test_codes_fitted_to_the_picture_are_history(photo: Pixels, optimise: bool) -> None:
    exif = Image.Exif()
    exif.update({MAKE: "Foo", MODEL: "X1"})
    found = evidence(jpeg(photo, exif=exif, optimize=optimise))
    assert ("jpeg.huffman.optimised" in codes(found)) is optimise
    assert found.score == 0
