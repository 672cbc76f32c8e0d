"""The treatments are those of the evaluation protocol, and were really applied."""

from __future__ import annotations

import io

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from tellsign.errors import ForgeError, LimitExceeded, MalformedMedia, UsageError
from tellsign.forge import ALTERED, COPIED_FROM, codec, launder
from tellsign.forge.codec import encode_jpeg, encode_png, ijg_table, jpeg_facts
from tellsign.forge.scene import Scene, render
from tellsign.media.limits import Limits

Pixels = NDArray[np.uint8]


@pytest.fixture(scope="module")
def large() -> Pixels:
    return render(Scene(width=1600, height=1200), 3)


@pytest.fixture(scope="module")
def large_jpeg(large: Pixels) -> bytes:
    buffer = io.BytesIO()
    exif = Image.Exif()
    exif[0x010F] = "Maker"
    Image.fromarray(large).save(buffer, "JPEG", quality=93, exif=exif)
    return buffer.getvalue()


def opened(data: bytes) -> Image.Image:
    with Image.open(io.BytesIO(data)) as image:
        image.load()
        return image


def assert_jpeg(data: bytes, quality: int, sampling: tuple[int, int] = (2, 2)) -> None:
    tables, factors = jpeg_facts(data)
    assert np.array_equal(tables[0], ijg_table(quality))
    assert np.array_equal(tables[1], ijg_table(quality, 1))
    assert factors[0] == sampling


@pytest.mark.parametrize(
    ("name", "longest", "quality"), [("web", 768, 60), ("hard", 512, 40), ("social", 1080, 70)]
)
def test_the_fixed_conditions(large_jpeg: bytes, name: str, longest: int, quality: int) -> None:
    result = launder.apply(name, large_jpeg, seed=1)
    assert opened(result.data).size == (longest, longest * 3 // 4)
    assert_jpeg(result.data, quality)
    assert not opened(result.data).getexif()
    assert result.data == launder.apply(name, large_jpeg, seed=2).data


def test_social_is_two_hops(large_jpeg: bytes) -> None:
    steps = launder.apply("social", large_jpeg, seed=1).steps
    assert [s.get("quality") or s["width"] for s in steps] == [1280, 75, 1080, 70]
    half = encode_jpeg(codec.decode(large_jpeg)[:600, :800], 95, "4:4:4")
    kept = launder.apply("social", half, seed=1)
    assert [s["step"] for s in kept.steps] == ["jpeg", "jpeg"]
    # The second hop compresses what the first one left, not the picture it was given.
    first = codec.decode(encode_jpeg(codec.decode(half), 75, "4:2:0"))
    assert kept.data == encode_jpeg(first, 70, "4:2:0")


def test_area_resampling_averages(large: Pixels) -> None:
    halved = launder.apply("web", encode_png(large[:1200, :1536]), seed=1)
    # The size halves exactly, so every pixel is the mean of four.
    expected = large[:1200, :1536].reshape(600, 2, 768, 2, 3).mean(axis=(1, 3))
    assert halved.data == encode_jpeg(np.floor(expected + 0.5).astype(np.uint8), 60, "4:2:0")


def test_fit_bounds_the_long_side_without_loss(large: Pixels) -> None:
    half = launder.apply("fit-768", encode_png(large[:1200, :1536]), seed=1)
    expected = large[:1200, :1536].reshape(600, 2, 768, 2, 3).mean(axis=(1, 3))
    assert np.array_equal(codec.decode(half.data), np.floor(expected + 0.5).astype(np.uint8))


@pytest.mark.parametrize("name", ["web", "hard", "social"])
def test_nothing_is_enlarged(host: Pixels, name: str) -> None:
    result = launder.apply(name, encode_png(host), seed=1)
    assert opened(result.data).size == (host.shape[1], host.shape[0])


def test_norm_crops_at_native_resolution(large_jpeg: bytes) -> None:
    pixels = codec.decode(large_jpeg)
    sizes, qualities, sampled = [], set(), set()
    for seed in range(30):
        result = launder.apply("norm", large_jpeg, seed)
        crop, jpeg = result.steps
        width, height = opened(result.data).size
        assert (width, height) == (crop["width"], crop["height"])
        window = pixels[crop["y"] :, crop["x"] :][:height, :width]  # type: ignore[misc]
        assert result.data == encode_jpeg(window, jpeg["quality"], jpeg["subsampling"])  # type: ignore[arg-type]
        sizes += [width, height]
        qualities.add(jpeg["quality"])
        sampled.add(jpeg["subsampling"])
    assert 256 <= min(sizes) < 380
    assert 900 < max(sizes) <= 1024
    assert qualities <= set(range(80, 98))
    assert len(qualities) > 10
    assert sampled == {"4:4:4", "4:2:0"}


def test_norm_never_heaps_up_at_the_size_of_a_class() -> None:
    square = encode_png(np.random.default_rng(1).integers(0, 256, (512, 512, 3), np.uint8))
    sides = [launder.apply("norm", square, s).steps[0]["width"] for s in range(30)]
    assert len(set(sides)) > 20
    assert launder.apply("norm-300", square, 1).steps[0]["width"] <= 300  # type: ignore[operator]
    small = launder.apply("norm", encode_png(np.zeros((100, 90, 3), np.uint8)), 1)
    assert opened(small.data).size == (90, 100)


@pytest.mark.parametrize("quality", [40, 55, 75, 95])
def test_recompression_has_the_quality_asked_for(large_jpeg: bytes, quality: int) -> None:
    result = launder.apply(f"recompress-{quality}", large_jpeg, 1)
    assert_jpeg(result.data, quality)
    assert result.data == launder.apply(f"jpeg-{quality}", large_jpeg, 1).data


@pytest.mark.parametrize("kernel", sorted(launder.FILTERS))
def test_resizing(host: Pixels, kernel: str) -> None:
    for factor in (0.5, 2.0):
        result = launder.apply(f"resize-{factor}-{kernel}", encode_png(host), 1)
        size = (round(320 * factor), round(256 * factor))
        expected = Image.fromarray(host).resize(size, launder.FILTERS[kernel])
        assert np.array_equal(codec.decode(result.data), np.array(expected))


def test_blur_noise_crop_screenshot(host: Pixels) -> None:
    data = encode_png(host)
    noise = codec.decode(launder.apply("noise-5", data, 1).data).astype(float) - host
    inner = (host > 30) & (host < 225)
    assert noise[inner].std() == pytest.approx(5, rel=0.03)
    blurred = codec.decode(launder.apply("blur-2", data, 1).data)
    assert (
        np.abs(np.diff(blurred.astype(int), axis=1)).mean()
        < 0.8 * np.abs(np.diff(host.astype(int), axis=1)).mean()
    )
    cropped = launder.apply("crop-0.5", data, 1)
    at = cropped.steps[0]
    y, x = at["y"], at["x"]
    assert np.array_equal(codec.decode(cropped.data), host[y : y + 128, x : x + 160])  # type: ignore[operator,misc]
    shot = launder.apply("screenshot", data, 1)
    assert shot.format == "png"
    assert 0.39 < opened(shot.data).size[0] / 320 < 0.96


def test_other_codecs(host: Pixels) -> None:
    data = encode_png(host)
    assert opened(launder.apply("webp-70", data, 1).data).format == "WEBP"
    assert opened(launder.apply("avif-60", data, 1).data).format == "AVIF"


def test_chains(host: Pixels) -> None:
    result = launder.apply("crop-0.8+resize-0.5-bicubic+jpeg-70", encode_png(host), 1)
    assert [s["step"] for s in result.steps] == ["crop", "png", "resize", "png", "jpeg"]
    assert opened(result.data).size == (128, 102)
    assert_jpeg(result.data, 70)


@pytest.mark.parametrize("name", [n for n in launder.TREATMENTS if n != "raw"])
def test_seeds_reproduce_and_bytes_change(host: Pixels, name: str) -> None:
    data = encode_jpeg(host, 91, "4:4:4")
    result = launder.apply(name, data, 7)
    assert result.data != data
    assert result.data == launder.apply(name, data, 7).data
    assert result.steps[-1]["step"] == result.format


def test_raw_is_untouched(host: Pixels) -> None:
    data = encode_png(host)
    assert launder.apply("raw", data, 1).data is data


@pytest.mark.parametrize("name", [n for n in launder.TREATMENTS if n != "raw"])
def test_both_classes_are_treated_alike(host: Pixels, name: str) -> None:
    """Twins of one size get the same crop, size and quality from one seed."""
    other = np.ascontiguousarray(host[::-1])
    steps = [launder.apply(name, encode_png(p), 5).steps for p in (host, other)]
    assert steps[0] == steps[1]


def test_a_treatment_that_changes_nothing_is_an_error(host: Pixels) -> None:
    once = launder.apply("blur-1", encode_png(host), 1).data
    flat = encode_jpeg(np.full((64, 64, 3), 90, np.uint8), 75, "4:2:0")
    assert launder.apply("blur-1", once, 1).data != once
    with pytest.raises(ForgeError, match="left every byte as it was"):
        launder.apply("jpeg-75", flat, 1)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("wbe", "unknown treatment 'wbe'; there are avif"),
        ("", "unknown treatment ''"),
        ("raw+web", "unknown treatment 'raw'"),
        ("jpeg-0", "wants a whole number from 1 to 100"),
        ("jpeg-70.5", "wants a whole number"),
        ("jpeg-nan", "wants a whole number"),
        ("resize-9", "wants a number from 0.05 to 4"),
        ("resize-0.5-0.5", "too many arguments"),
        ("resize-0.5-cubic", "too many arguments"),
        ("web-3", "too many arguments"),
        ("blur-bilinear", "wants a number"),
    ],
)
def test_mistakes(host: Pixels, name: str, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        launder.apply(name, encode_png(host), 1)


def test_bad_pictures_and_limits(host: Pixels) -> None:
    with pytest.raises(MalformedMedia):
        launder.apply("web", encode_png(host)[:100], 1)
    with pytest.raises(LimitExceeded):
        launder.apply("resize-4", encode_png(host), 1, limits=Limits(max_pixels=200_000))


# --- masks -----------------------------------------------------------------------------------


def marked(shape: tuple[int, ...]) -> Pixels:
    mask = np.zeros(shape[:2], np.uint8)
    mask[60:140, 80:200] = ALTERED
    mask[160:220, 20:90] = COPIED_FROM
    return mask


@pytest.mark.parametrize("name", [n for n in launder.TREATMENTS if n != "raw"])
def test_masks_follow_the_picture(host: Pixels, name: str) -> None:
    """A picture that shows its own mask still shows it after the treatment."""
    mask = marked(host.shape)
    shown = np.repeat(mask[..., None], 3, axis=2)
    result = launder.apply(name, encode_png(shown), 3, mask)
    assert result.mask is not None
    pixels = codec.decode(result.data).astype(int)
    assert result.mask.shape == pixels.shape[:2]
    assert set(np.unique(result.mask)) <= {0, COPIED_FROM, ALTERED}
    # Only blurred outlines may differ by much.
    off = np.abs(pixels.mean(axis=2) - result.mask) > 64
    assert off.mean() < 0.02


def test_a_crop_cuts_the_mask_exactly(host: Pixels) -> None:
    mask = marked(host.shape)
    result = launder.apply("crop-0.7", encode_png(host), 3, mask)
    at = result.steps[0]
    y, x, height, width = at["y"], at["x"], at["height"], at["width"]
    assert np.array_equal(result.mask, mask[y : y + height, x : x + width])  # type: ignore[arg-type,operator,misc]


def test_a_mask_of_another_size(host: Pixels) -> None:
    with pytest.raises(ForgeError, match="differ in size"):
        launder.apply("web", encode_png(host), 1, np.zeros((3, 3), np.uint8))


def test_area_shares_survive_resizing() -> None:
    mask = marked((256, 320))
    for size in ((128, 160), (97, 143), (512, 640)):
        small = launder.resize_mask(mask, size)
        for label in (ALTERED, COPIED_FROM):
            assert (small == label).mean() == pytest.approx((mask == label).mean(), rel=0.05)
