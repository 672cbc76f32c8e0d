from __future__ import annotations

import io

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from tellsign.errors import ForgeError
from tellsign.forge import codec

Pixels = NDArray[np.uint8]


@pytest.mark.parametrize("quality", [1, 30, 49, 50, 75, 95, 100])
@pytest.mark.parametrize("subsampling", sorted(codec.SUBSAMPLING))
def test_the_file_says_what_was_asked(host: Pixels, quality: int, subsampling: str) -> None:
    data = codec.encode_jpeg(host, quality, subsampling)
    tables, sampling = codec.jpeg_facts(data)
    with Image.open(io.BytesIO(data)) as image:
        theirs = [np.array(image.quantization[i]).reshape(8, 8) for i in (0, 1)]
    assert all(np.array_equal(a, b) for a, b in zip(tables, theirs, strict=True))
    assert sampling[0] == codec.SUBSAMPLING[subsampling][1]
    assert sampling[1:] == [(1, 1), (1, 1)]


def test_another_quality_than_asked_is_noticed(
    host: Pixels, monkeypatch: pytest.MonkeyPatch
) -> None:
    save = codec._save
    monkeypatch.setattr(codec, "_save", lambda p, k, **o: save(p, k, **{**o, "quality": 80}))
    with pytest.raises(ForgeError, match="did not write the tables of quality 81"):
        codec.encode_jpeg(host, 81, "4:4:4")


def test_another_subsampling_than_asked_is_noticed(
    host: Pixels, monkeypatch: pytest.MonkeyPatch
) -> None:
    save = codec._save
    monkeypatch.setattr(codec, "_save", lambda p, k, **o: save(p, k, **{**o, "subsampling": 0}))
    with pytest.raises(ForgeError, match="did not write 4:2:0"):
        codec.encode_jpeg(host, 80, "4:2:0")


def test_known_tables() -> None:
    assert codec.ijg_table(50)[0].tolist() == [16, 11, 10, 16, 24, 40, 51, 61]
    assert codec.ijg_table(50, 1)[7].tolist() == [99] * 8
    assert (codec.ijg_table(100) == 1).all()
    assert codec.ijg_table(1).max() == 255


def test_png_is_lossless_and_files_carry_no_metadata(host: Pixels) -> None:
    assert np.array_equal(codec.decode(codec.encode_png(host)), host)
    with Image.open(io.BytesIO(codec.encode_jpeg(host, 90, "4:2:0"))) as image:
        assert not image.getexif()
        assert "icc_profile" not in image.info


def test_other_codecs_keep_the_size(host: Pixels) -> None:
    for data in (codec.encode_webp(host, 80), codec.encode_avif(host, 60)):
        error = codec.decode(data).astype(int) - host
        assert error.shape == host.shape
        assert 0 < np.abs(error).mean() < 12
