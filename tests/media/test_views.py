"""`Media`: the same views from every route, lazy, cached, read-only, droppable."""

from __future__ import annotations

import io
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from media_pictures import (
    SAMPLES,
    deep_png,
    encode,
    exif_block,
    exif_with_thumbnail,
    palette_png,
    rich_jpeg,
    scene,
    segment,
    with_segments,
)
from PIL import Image

from tellsign.errors import LimitExceeded, MalformedMedia
from tellsign.media import (
    DEFAULT_LIMITS,
    Limits,
    Media,
    from_bytes,
    from_path,
    from_stream,
    open_media,
)
from tellsign.media.media import luma_of
from tellsign.media.orientation import display_orientation

# Pillow alone scales 16 bits otherwise, applies the orientation of a TIFF, and knows no HEIF.
_OWN_WAY = ("png-16", "png-48", "tiff", "heif")


def opened(data: bytes, name: str = "x") -> Media:
    return open_media(from_bytes(data, name))


@pytest.mark.parametrize("name", SAMPLES)
def test_path_bytes_and_stream_give_the_same(name: str, tmp_path: Path) -> None:
    data = SAMPLES[name]()
    path = tmp_path / "file"
    path.write_bytes(data)
    first, *others = (
        open_media(s) for s in (from_path(path), from_bytes(data), from_stream(io.BytesIO(data)))
    )
    for other in others:
        assert other.facts == first.facts
        assert other.metadata == first.metadata
        assert np.array_equal(other.pixels, first.pixels)
        assert np.array_equal(other.luma, first.luma)
        assert (other.alpha is None) == (first.alpha is None)
        assert [(c.name, c.sha256) for c in other.children] == [
            (c.name, c.sha256) for c in first.children
        ]


@pytest.mark.parametrize("name", SAMPLES)
def test_views_are_cached_read_only_and_droppable(name: str) -> None:
    media = opened(SAMPLES[name]())
    pixels, luma = media.pixels, media.luma
    assert media.pixels is pixels
    assert media.luma is luma
    assert pixels.shape == (*media.shape, 3)
    assert luma.shape == media.shape
    assert pixels.dtype == luma.dtype == np.uint8
    for view in (pixels, luma, media.alpha, *(media.dct.planes if media.dct else ())):
        if view is not None:
            with pytest.raises(ValueError, match="read-only"):
                view[0] = 0
    metadata = media.metadata
    media.release()
    assert media.pixels is not pixels
    assert np.array_equal(media.pixels, pixels)
    assert media.metadata == metadata


@pytest.mark.parametrize("name", [n for n in SAMPLES if n not in _OWN_WAY])
def test_pixels_are_those_of_the_plain_decoder(name: str) -> None:
    data = SAMPLES[name]()
    with Image.open(io.BytesIO(data)) as image:
        image.load()
        expected = np.asarray(image.convert("RGBA" if image.mode == "P" else "RGB"))[..., :3]
    assert np.array_equal(opened(data).pixels, expected)


def test_sixteen_bits_are_cut_not_scaled() -> None:
    grey, colour = opened(deep_png("L")), opened(deep_png("RGB"))
    expected = (scene(24, 40).astype(np.uint16) * 257 + 5) >> 8
    assert np.array_equal(colour.pixels, expected)
    assert np.array_equal(grey.pixels, np.repeat(expected[..., :1], 3, axis=2))
    assert grey.facts.bit_depth == colour.facts.bit_depth == 16
    assert (grey.facts.mode, colour.facts.mode) == ("L", "RGB")


@pytest.mark.parametrize(("bits", "colours"), [(1, 2), (2, 4), (4, 16), (8, 256)])
def test_palettes_are_expanded(bits: int, colours: int) -> None:
    media = opened(palette_png(bits))
    assert media.facts.bit_depth == bits
    assert media.facts.mode == "P"
    assert len(np.unique(media.pixels.reshape(-1, 3), axis=0)) <= colours
    assert media.alpha is not None
    assert set(np.unique(media.alpha)) <= {0, 255}


def test_alpha_is_a_view_of_its_own() -> None:
    rgba = np.dstack([scene(), scene()[..., 1]])
    for kind, options in (("PNG", {}), ("WEBP", {"lossless": True, "exact": True}), ("TIFF", {})):
        media = opened(encode(rgba, kind, **options))
        assert np.array_equal(media.pixels, scene())
        assert media.alpha is not None
        assert np.array_equal(media.alpha, rgba[..., 3])
    assert opened(encode(scene(), "PNG")).alpha is None


@given(arrays.arrays(np.uint8, st.tuples(st.integers(1, 300), st.integers(1, 5), st.just(3))))
@settings(max_examples=40, deadline=None)
def test_luma_is_the_rounded_weighted_sum(pixels: np.ndarray) -> None:
    exact = pixels.astype(np.int64) @ np.array([299, 587, 114])
    assert np.array_equal(luma_of(pixels), (exact + 500) // 1000)


def test_stored_pixels_are_not_turned_but_can_be() -> None:
    tall = scene(40, 64)
    media = opened(encode(tall, "PNG", exif=exif_block()))
    assert media.facts.orientation == 6
    assert np.array_equal(media.pixels, tall)
    assert display_orientation(media.pixels, 6).shape == (64, 40, 3)


@pytest.mark.parametrize("orientation", [None, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9])
def test_display_orientation_agrees_with_pillow(orientation: int | None) -> None:
    from PIL import ImageOps

    image = Image.fromarray(scene(24, 40))
    if orientation is not None:
        image.getexif()[0x0112] = orientation
    expected = np.asarray(ImageOps.exif_transpose(image))
    assert np.array_equal(display_orientation(scene(24, 40), orientation), expected)


def test_tiff_orientation_is_not_applied() -> None:
    image = Image.fromarray(scene(40, 64))
    data = encode(image, "TIFF", tiffinfo={0x0112: 6})
    assert opened(data).shape == (40, 64)
    assert opened(data).facts.orientation == 6


@pytest.mark.parametrize("name", ["png-animated", "gif-animated", "webp-animated"])
def test_frames_of_an_animation(name: str) -> None:
    media = opened(SAMPLES[name](), "clip")
    assert media.facts.frames == len(media.frames) == 4
    assert media.facts.duration is None
    assert np.array_equal(media.frames[0].pixels, media.pixels)
    assert [f.source.name for f in media.frames][:2] == ["clip, frame 1", "clip, frame 2"]
    for number in (3, 1, 2, 3):  # out of order
        frame = media.frames[number]
        frame.release()
        assert frame.facts.frames == 1
        assert frame.frames == frame.children == ()
        assert frame.dct is None
        assert not frame.metadata.entries
        difference = np.abs(frame.pixels.astype(int) - scene(seed=number))
        assert difference.mean() < (1 if name == "png-animated" else 40)


def test_pages_of_a_tiff_have_their_own_size() -> None:
    media = opened(SAMPLES["tiff-pages"]())
    assert [f.shape for f in media.frames] == [(40, 56), (48, 56), (56, 56)]
    for i, page in enumerate(media.frames):
        assert np.array_equal(page.pixels, scene(40 + 8 * i, 56, i))


def test_children_of_a_jpeg() -> None:
    inner = encode(scene(32, 32), "JPEG")
    media = opened(rich_jpeg() + b"\0\0" + inner)
    assert [c.name for c in media.children] == ["thumbnail", "concatenated"]
    assert media.children[1].uri == inner
    assert open_media(media.children[0], depth=1).shape == (24, 32)


def test_pictures_listed_by_mpf_are_children() -> None:
    first, second = encode(scene(), "JPEG"), encode(scene(32, 48, 2), "JPEG")
    buffer = io.BytesIO()
    Image.open(io.BytesIO(first)).save(
        buffer, "MPO", save_all=True, append_images=[Image.open(io.BytesIO(second))]
    )
    media = opened(buffer.getvalue())
    assert media.jpeg is not None
    assert len(media.jpeg.mpf) == 2
    assert [c.name for c in media.children] == ["mpf:2"]
    assert open_media(media.children[0], depth=1).shape == (32, 48)
    assert media.facts.frames == 1


def test_thumbnails_in_thumbnails_come_to_an_end() -> None:
    data = encode(scene(8, 8), "JPEG")
    for _ in range(20):
        data = with_segments(
            encode(scene(8, 8), "JPEG"), segment(0xE1, b"Exif\0\0" + exif_with_thumbnail(data))
        )
    media, depth = opened(data), 0
    while media.children:
        depth += 1
        media = open_media(media.children[0], depth=depth)
    assert depth == DEFAULT_LIMITS.max_depth


def test_an_mpf_list_that_points_at_its_own_picture_has_no_children() -> None:
    entry = (0x030000).to_bytes(4, "little") + (50).to_bytes(4, "little") + bytes(8)
    table = entry * 3
    fields = (0xB002).to_bytes(2, "little") + (7).to_bytes(2, "little")
    fields += len(table).to_bytes(4, "little") + (26).to_bytes(4, "little")
    block = b"II*\0\x08\0\0\0\x01\0" + fields + bytes(4) + table
    media = opened(with_segments(encode(scene(), "JPEG"), segment(0xE2, b"MPF\0" + block)))
    assert media.jpeg is not None
    assert len(media.jpeg.mpf) == 3
    assert media.children == ()


def test_decoding_can_be_left_out_for_metadata() -> None:
    data = bytearray(rich_jpeg())
    data[-200:-2] = bytes(198)
    source = from_bytes(bytes(data))
    with pytest.raises(MalformedMedia):
        open_media(source)
    media = open_media(source, decode=False)
    assert media.metadata.text("jpeg:comment") == "a comment"
    with pytest.raises(MalformedMedia):
        _ = media.dct


def test_one_picture_many_threads() -> None:
    media = opened(SAMPLES["jpeg"]())

    def use(number: int) -> tuple[int, int, int]:
        if number % 5 == 0:
            media.release()
        assert media.dct is not None
        return int(media.pixels.sum()), int(media.luma.sum()), int(media.dct.planes[0].sum())

    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(use, range(60)))) == 1


def test_jpeg_facts() -> None:
    facts = opened(encode(scene(), "JPEG", quality=83, subsampling=1, exif=exif_block())).facts
    assert facts.jpeg is not None
    assert (facts.jpeg.quality, facts.jpeg.subsampling) == (83, "4:2:2")
    assert not facts.jpeg.progressive
    assert len(facts.jpeg.tables_sha256) == 64
    assert facts.camera is not None
    assert facts.camera.make == "Testcam"
    assert facts.camera.taken == "2026-11-02T09:13:44"
    assert (facts.type, facts.format, facts.width, facts.height) == ("image", "jpeg", 96, 64)
    assert opened(encode(scene(), "PNG")).facts.camera is None


@pytest.mark.parametrize("taken", ["0000:00:00 00:00:00", "2026:13:45 99:99:99", "yesterday", ""])
def test_impossible_times_are_left_out(taken: str) -> None:
    facts = opened(encode(scene(), "PNG", exif=exif_block(taken=taken))).facts
    assert facts.camera is not None
    assert facts.camera.taken is None


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF", "GIF", "BMP", "AVIF"])
def test_limits_of_size(kind: str) -> None:
    data = encode(Image.fromarray(scene(24, 200)), kind)
    limits = Limits(max_side=199)
    for tight in (limits, Limits(max_pixels=4799), Limits(min_side=25), Limits(max_bytes=20)):
        with pytest.raises(LimitExceeded, match=r"name\.x"):
            open_media(from_bytes(data, "name.x"), tight)
    assert open_media(from_bytes(data), replace(limits, max_side=200)).shape == (24, 200)


@pytest.mark.parametrize(("height", "width"), [(1, 1), (7, 100), (100, 7)])
def test_too_small_to_examine(height: int, width: int) -> None:
    with pytest.raises(LimitExceeded, match="nothing can be examined"):
        opened(encode(scene(height, width), "PNG"))


@pytest.mark.parametrize("name", ["png-animated", "gif-animated", "webp-animated", "tiff-pages"])
def test_limits_of_frames(name: str) -> None:
    with pytest.raises(LimitExceeded, match="frames"):
        open_media(from_bytes(SAMPLES[name]()), Limits(max_frames=2))


def test_heif_needs_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    from tellsign.errors import MissingExtra

    pillow_heif = pytest.importorskip("pillow_heif")
    buffer = io.BytesIO()
    pillow_heif.from_pillow(Image.fromarray(scene())).save(buffer, quality=80)
    media = opened(buffer.getvalue())
    assert (media.facts.format, media.facts.codec, media.shape) == ("heif", "HEVC", (64, 96))
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    with pytest.raises(MissingExtra, match=r"tellsign\[heif\]"):
        opened(buffer.getvalue())
