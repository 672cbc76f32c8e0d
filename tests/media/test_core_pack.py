"""Files from cameras, generators and editors, as they are found."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tellsign.errors import InputError, UnsupportedFormat
from tellsign.media import from_bytes, from_path, open_media

# A camera file of this pack that is cut off.
_BROKEN = {"corrupted.jpg"}


def pictures(core: Path) -> list[Path]:
    kinds = {".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff", ".gif", ".bmp", ".avif"}
    found = sorted(p for p in core.rglob("*") if p.suffix.lower() in kinds)
    assert len(found) > 400
    return found


def test_every_picture_opens(core: Path) -> None:
    for path in pictures(core):
        try:
            media = open_media(from_path(path))
        except UnsupportedFormat:
            pytest.fail(f"{path} is not known")
        except InputError as error:
            if path.name not in _BROKEN:
                pytest.fail(str(error))
            continue
        assert media.pixels.shape == (*media.shape, 3)
        for entry in media.metadata.entries:
            if entry.offset is not None and entry.length is not None:
                assert 0 <= entry.offset <= len(media.data)
        for store in media.metadata.jumbf:
            assert b"jumb" in media.data[store.offset : store.offset + store.length]


def test_path_and_bytes_agree(core: Path) -> None:
    for path in pictures(core)[::12]:
        one, two = open_media(from_path(path)), open_media(from_bytes(path.read_bytes()))
        assert one.facts == two.facts
        assert one.metadata == two.metadata
        assert np.array_equal(one.pixels, two.pixels)


def test_camera_files_state_their_camera(core: Path) -> None:
    folder = core / "pristine_camera" / "exif_samples"
    facts = [open_media(from_path(p)).facts for p in sorted(folder.rglob("*.jpg"))[:20]]
    named = [f for f in facts if f.camera is not None and f.camera.make]
    assert len(named) >= 0.8 * len(facts) > 5


def test_signed_files_have_a_manifest_store(core: Path) -> None:
    folder = core / "c2pa" / "c2pa_public_testfiles" / "image" / "jpeg"
    stores = {p.name: open_media(from_path(p)).metadata.jumbf for p in folder.glob("*-CA*.jpg")}
    assert len(stores) >= 5
    assert all(len(s) == 1 for s in stores.values())
    assert open_media(from_path(folder / "adobe-20220124-A.jpg")).metadata.jumbf == ()
