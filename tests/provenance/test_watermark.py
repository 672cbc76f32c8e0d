from __future__ import annotations

import math

import numpy as np
import pytest
from provenance_pictures import encoded, opened, plain, with_watermark

from tellsign import provenance
from tellsign.provenance import watermark, watermark_bench
from tellsign.provenance.watermark import CARRIERS, FALSE_ALARM, MESSAGES, Carrier, Message

SD1, SD2, SDXL, FLUX = MESSAGES


def test_the_messages_are_the_published_ones() -> None:
    assert [len(m.bits) for m in MESSAGES] == [136, 32, 48, 46]
    assert np.packbits(SD1.bits).tobytes() == b"StableDiffusionV1"
    assert np.packbits(SD2.bits).tobytes() == b"SDV2"
    assert int("".join(map(str, SDXL.bits)), 2) == (
        0b101100111110110010010000011110111011000110011110
    )
    assert int("".join(map(str, FLUX.bits)), 2) == (
        0b001010101111111010000111100111001111010100101110
    )


@pytest.mark.parametrize("message", MESSAGES, ids=lambda m: m.name)
@pytest.mark.parametrize("carrier", CARRIERS, ids=str)
def test_an_embedded_message_is_read(message: Message, carrier: Carrier) -> None:
    marked = with_watermark(plain(512, 384), message.bits, carrier)
    found = watermark.find(marked)
    assert found is not None
    assert found.message is message
    assert found.matching >= len(message.bits) - 2
    assert found.false_alarm <= FALSE_ALARM


def test_the_bound_says_what_was_read() -> None:
    found = watermark.find(with_watermark(plain(512, 512), SDXL.bits, Carrier(True, True)))
    assert found is not None
    assert found.matching == 48
    trials = len(CARRIERS) * len(watermark.READINGS) * len(MESSAGES)
    assert found.false_alarm == pytest.approx(trials / math.comb(48, sum(SDXL.bits)), rel=1e-9)


def test_an_unmarked_picture_gives_nothing() -> None:
    for seed in range(12):
        assert watermark.find(plain(300, 340, seed)) is None


@pytest.mark.parametrize("level", [0, 77, 128, 255])
def test_flat_pictures_give_nothing(level: int) -> None:
    assert watermark.find(np.full((400, 400, 3), level, np.uint8)) is None
    colour = np.zeros((400, 400, 3), np.uint8)
    colour[..., 2] = level
    assert watermark.find(colour) is None


@pytest.mark.parametrize("period", [16, 32, 46, 48, 136])
def test_stripes_that_keep_step_with_the_bits_give_nothing(period: int) -> None:
    pixels = np.zeros((512, 512, 3), np.uint8)
    pixels[:, np.arange(512) % period < period // 2] = (210, 120, 30)
    assert watermark.find(pixels) is None


def test_another_message_is_not_taken_for_a_known_one() -> None:
    rng = np.random.default_rng(5)
    bits = tuple(int(b) for b in rng.integers(0, 2, 48))
    assert watermark.find(with_watermark(plain(512, 512), bits, CARRIERS[0])) is None


def test_cropping_removes_the_mark() -> None:
    marked = with_watermark(plain(512, 512), SDXL.bits, CARRIERS[0])
    assert watermark.find(np.ascontiguousarray(marked[3:, 5:])) is None


def test_only_the_first_rows_of_a_large_picture_are_read() -> None:
    marked = with_watermark(plain(2100, 1024), SD1.bits, CARRIERS[0])
    assert watermark.approximation(marked, CARRIERS[0]).shape == (1024, 512)
    below = marked.copy()
    below[2048:] = 0
    found = watermark.find(marked)
    assert found is not None
    assert watermark.find(below) == found


def test_small_pictures_are_not_read() -> None:
    assert watermark.best(plain(200, 200)) is None
    narrow = np.zeros((1 << 15, 3, 3), np.uint8)
    assert watermark.best(narrow) is None


def test_chance_is_never_below_either_exact_test() -> None:
    message = SDXL.bits
    ones = sum(message)
    for matching in (24, 33, 40, 47, 48):
        fair = sum(math.comb(48, k) for k in range(matching, 49)) / 2**48
        assert watermark.chance(matching, message, ones) >= fair
    assert watermark.chance(48, message, ones) == pytest.approx(1 / math.comb(48, ones), rel=1e-9)
    # A decoder stuck at one value matches by the message's own share of it, which is no evidence.
    assert watermark.chance(ones, message, 48) == pytest.approx(1)
    assert watermark.chance(48 - ones, message, 0) == pytest.approx(1)


def test_the_hypergeometric_tail_is_that_of_scipy() -> None:
    from scipy.stats import hypergeom

    message = SD2.bits
    n, ones = len(message), sum(message)
    for decoded_ones in (5, 13, 20):
        for shared in range(max(0, ones + decoded_ones - n), min(ones, decoded_ones) + 1):
            matching = n - ones - decoded_ones + 2 * shared
            tail = float(hypergeom.sf(shared - 1, n, ones, decoded_ones))
            fair = sum(math.comb(n, k) for k in range(matching, n + 1)) / 2**n
            expected = max(tail, fair)
            assert watermark.chance(matching, message, decoded_ones) == pytest.approx(expected)


def test_the_vote_follows_the_majority() -> None:
    blocks = np.array([1, 0, 0, 1, 0, 1, 1, 0, 0], bool)
    assert watermark.vote(blocks, 3).tolist() == [True, False, False]
    assert watermark.vote(np.array([1, 0], bool), 1).tolist() == [True]


def test_the_claim_states_the_bound() -> None:
    marked = encoded(with_watermark(plain(512, 512), SD1.bits, CARRIERS[0]))
    claims = provenance.read(opened(marked))
    assert claims.generator is not None
    assert claims.generator.where == "watermark:dwtDct"
    assert claims.generator.name == "Stable Diffusion 1"
    assert "of 136 bits match (probability by chance at most" in claims.generator.text


def test_the_bench_prints_rate_and_interval(
    tmp_path_factory: pytest.TempPathFactory, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path_factory.mktemp("pictures")
    (folder / "plain.png").write_bytes(encoded(plain(300, 300)))
    marked = with_watermark(plain(512, 512), SDXL.bits, CARRIERS[0])
    (folder / "marked.png").write_bytes(encoded(marked))
    (folder / "small.png").write_bytes(encoded(plain(64, 64)))
    (folder / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\nnothing")
    watermark_bench.main([str(folder)])
    printed = capsys.readouterr()
    assert "marked.png\tStable Diffusion XL\t" in printed.out
    assert "all\tn=2\tfound=1\trate=50.0000%" in printed.out
    assert "skipped" in printed.err


def test_the_interval_is_clopper_and_pearsons() -> None:
    assert watermark_bench.interval(0, 10) == pytest.approx((0, 1 - 0.025**0.1))
    assert watermark_bench.interval(10, 10) == pytest.approx((0.025**0.1, 1))
    assert watermark_bench.interval(0, 0) == (0.0, 1.0)
    low, high = watermark_bench.interval(5, 10)
    assert low == pytest.approx(1 - high)


def test_pictures_of_stable_diffusion_1_carry_it(core: object) -> None:
    from pathlib import Path

    folder = Path(str(core)) / "synthetic"
    paths = [p for g in ("sd1_extile", "sd1_edmundhong") for p in (folder / g).rglob("*.png")]
    assert len(paths) >= 15
    for path in paths:
        found = watermark.find(opened(path.read_bytes()).pixels)
        assert found is not None, path.name
        assert found.message is SD1
