from __future__ import annotations

import json
import zlib

import numpy as np
import pytest
from provenance_pictures import encoded, opened, plain, with_stealth

from tellsign import provenance
from tellsign.provenance import stealth
from tellsign.provenance.stealth import Channel

NOVELAI = json.dumps({"Software": "NovelAI", "Comment": '{"prompt": "a lighthouse", "seed": 1}'})
A1111 = "a lighthouse\nNegative prompt: fog\nSteps: 20, Sampler: Euler a, CFG scale: 7, Seed: 1"


@pytest.mark.parametrize("channel", ["alpha", "rgb"])
@pytest.mark.parametrize("compressed", [True, False])
@pytest.mark.parametrize("shape", [(64, 64), (33, 90), (90, 41)])
def test_hidden_text_is_found(channel: Channel, compressed: bool, shape: tuple[int, int]) -> None:
    marked = with_stealth(plain(*shape), NOVELAI, channel, compressed=compressed)
    alpha = marked[..., 3] if channel == "alpha" else None
    found = stealth.find(marked[..., :3], alpha)
    assert found == stealth.Hidden(channel, NOVELAI)


def test_pictures_without_it_give_nothing() -> None:
    pixels = plain(64, 64)
    assert stealth.find(pixels, None) is None
    assert stealth.find(pixels, np.full((64, 64), 255, np.uint8)) is None


@pytest.mark.parametrize("shape", [(1, 1), (1, 200), (200, 1), (8, 8), (13, 13)])
def test_pictures_too_small_for_the_header(shape: tuple[int, int]) -> None:
    pixels = np.zeros((*shape, 3), np.uint8)
    assert stealth.find(pixels, pixels[..., 0]) is None


@pytest.mark.parametrize("length", [0, 7, 64 * 64, 0xFFFFFFFF])
def test_an_impossible_length_leaves_the_signature(length: int) -> None:
    marked = with_stealth(plain(64, 64), "x", length=length)
    assert stealth.find(marked[..., :3], marked[..., 3]) == stealth.Hidden("alpha", None)


def test_a_broken_payload_leaves_the_signature() -> None:
    marked = with_stealth(plain(64, 64), "", payload=b"\x1f\x8b\x08\x00 not gzip at all")
    assert stealth.find(marked[..., :3], marked[..., 3]) == stealth.Hidden("alpha", None)


def test_a_gzip_bomb_is_cut() -> None:
    packer = zlib.compressobj(9, wbits=31)
    bomb = packer.compress(bytes(50 << 20)) + packer.flush()
    marked = with_stealth(plain(800, 640), "", payload=bomb)
    found = stealth.find(marked[..., :3], marked[..., 3])
    assert found is not None
    assert found.text is not None
    assert len(found.text) <= 1 << 20


@pytest.mark.parametrize(
    ("text", "name"),
    [
        (NOVELAI, "NovelAI"),
        (A1111, "Stable Diffusion (A1111 web UI format)"),
        ("hello", "NovelAI or a Stable Diffusion web UI"),
    ],
)
def test_the_claim_names_the_generator(text: str, name: str) -> None:
    claims = provenance.read(opened(encoded(with_stealth(plain(90, 90), text)))).claims
    assert [(c.where, c.text, c.name) for c in claims] == [("hidden:alpha", text, name)]


def test_an_unreadable_payload_is_said_to_be_one() -> None:
    marked = with_stealth(plain(64, 64), "x", "rgb", length=0)
    (claim,) = provenance.read(opened(encoded(marked))).claims
    assert claim.where == "hidden:rgb"
    assert "unreadable" in claim.text
    assert claim.name == "NovelAI or a Stable Diffusion web UI"
