"""Pictures in every format the tests and the fuzz script need, made from noise and gradients."""

from __future__ import annotations

import importlib.util
import io
import struct
import zlib
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, PngImagePlugin

XMP = (
    b'<?xpacket begin="" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x="adobe:ns:meta/">'
    b'<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    b'<rdf:Description rdf:about="" xmlns:d="http://purl.org/dc/elements/1.1/"'
    b' xmlns:xmp="http://ns.adobe.com/xap/1.0/" xmp:CreatorTool="Maker 1.0"'
    b' xmlns:own="http://example.org/own/" own:note="kept"'
    b' xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/">'
    b"<Iptc4xmpExt:DigitalSourceType>trainedAlgorithmicMedia</Iptc4xmpExt:DigitalSourceType>"
    b"<d:creator><rdf:Seq><rdf:li>Ann</rdf:li><rdf:li>Ben</rdf:li></rdf:Seq></d:creator>"
    b"</rdf:Description></rdf:RDF></x:xmpmeta><?xpacket end='w'?>"
)


def scene(height: int = 64, width: int = 96, seed: int = 0) -> NDArray[np.uint8]:
    """(H, W, 3) uint8 with detail in every block."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width]
    planes = [(x * 3 + y * 5) % 256, (x * y // 7) % 256, 255 - (x + y) % 256]
    picture = np.stack(planes, axis=-1) * 0.7 + rng.integers(0, 70, (height, width, 3))
    return np.clip(picture, 0, 255).astype(np.uint8)


def encode(picture: NDArray[np.uint8] | Image.Image, kind: str, **options: object) -> bytes:
    image = picture if isinstance(picture, Image.Image) else Image.fromarray(picture)
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def exif_block(comment: str = "hello", **texts: str) -> bytes:
    """A block with Make, Model, time, GPS and a UserComment in UTF-16, as AI tools write it."""
    exif = Image.Exif()
    exif[ExifTags.Base.Make] = texts.get("make", "Testcam")
    exif[ExifTags.Base.Model] = texts.get("model", "T 100")
    exif[ExifTags.Base.Orientation] = 6
    inner = exif.get_ifd(ExifTags.IFD.Exif)
    inner[ExifTags.Base.DateTimeOriginal] = texts.get("taken", "2026:11:02 09:13:44")
    inner[ExifTags.Base.UserComment] = b"UNICODE\0" + comment.encode("utf-16-be")
    inner[ExifTags.Base.ExposureTime] = 0.01
    exif.get_ifd(ExifTags.IFD.GPSInfo)[ExifTags.GPS.GPSLatitudeRef] = "N"
    return exif.tobytes()


def segment(marker: int, content: bytes) -> bytes:
    return bytes([0xFF, marker]) + struct.pack(">H", len(content) + 2) + content


def with_segments(jpeg: bytes, *segments: bytes) -> bytes:
    """Insert segments just after SOI."""
    return jpeg[:2] + b"".join(segments) + jpeg[2:]


def chunk(kind: bytes, content: bytes) -> bytes:
    checksum = zlib.crc32(kind + content)
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", checksum)


def with_chunks(png: bytes, *chunks: bytes) -> bytes:
    """Insert chunks just after IHDR."""
    return png[:33] + b"".join(chunks) + png[33:]


def exif_with_thumbnail(thumbnail: bytes) -> bytes:
    """A hand-made big-endian block: Make in the first directory, a JPEG in the second."""
    first = struct.pack(">H", 1) + struct.pack(">HHI4s", 0x010F, 2, 4, b"Abc\0")
    second_at = 8 + len(first) + 4
    entries = (
        struct.pack(">HHIHH", 0x0103, 3, 1, 6, 0),
        struct.pack(">HHII", 0x0201, 4, 1, second_at + 2 + 36 + 4),
        struct.pack(">HHII", 0x0202, 4, 1, len(thumbnail)),
    )
    second = struct.pack(">H", 3) + b"".join(entries) + bytes(4)
    return (
        b"MM\0*" + struct.pack(">I", 8) + first + struct.pack(">I", second_at) + second + thumbnail
    )


def iptc_segment(caption: bytes) -> bytes:
    """An APP13 segment with a caption and a keyword."""
    datasets = b"".join(
        b"\x1c\x02" + bytes([number]) + struct.pack(">H", len(text)) + text
        for number, text in ((120, caption), (25, b"alpha"), (25, b"beta"))
    )
    resource = b"8BIM\x04\x04\0\0" + struct.pack(">I", len(datasets)) + datasets
    return segment(0xED, b"Photoshop 3.0\0" + resource + b"\0" * (len(datasets) & 1))


def icc_profile(description: str = "Test RGB") -> bytes:
    text = (
        b"desc" + bytes(4) + struct.pack(">I", len(description) + 1) + description.encode() + b"\0"
    )
    tags = struct.pack(">I", 1) + struct.pack(">4sII", b"desc", 144, len(text))
    head = bytearray(128)
    head[12:16], head[16:20], head[36:40] = b"mntr", b"RGB ", b"acsp"
    body = bytes(head) + tags + text
    return struct.pack(">I", len(body)) + body[4:]


def rich_jpeg() -> bytes:
    """A JPEG with everything: Exif and thumbnail, XMP, IPTC, ICC, JUMBF, comment."""
    thumbnail = encode(scene(24, 32, 1), "JPEG", quality=60)
    return with_segments(
        encode(scene(), "JPEG", quality=85),
        segment(0xE1, b"Exif\0\0" + exif_with_thumbnail(thumbnail)),
        segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0" + XMP),
        iptc_segment(b"A caption"),
        segment(0xE2, b"ICC_PROFILE\0\x01\x01" + icc_profile()),
        segment(0xEB, b"JP\0\x01\0\0\0\x01" + b"\0\0\0\x10jumb" + bytes(8)),
        segment(0xFE, b"a comment"),
    )


def rich_png() -> bytes:
    info = PngImagePlugin.PngInfo()
    info.add_text("parameters", "a cat, Steps: 20")
    info.add_text("zipped", "z" * 500, zip=True)
    info.add_itxt("Titel", "Grüße", "de", "Titel")
    info.add_itxt("XML:com.adobe.xmp", XMP.decode())
    png = encode(scene(), "PNG", pnginfo=info, exif=exif_block(), icc_profile=icc_profile())
    return with_chunks(png, chunk(b"caBX", b"\0\0\0\x08jumb"))


def animated(kind: str) -> bytes:
    """Four frames of 64 x 96."""
    frames = [Image.fromarray(scene(seed=i)) for i in range(4)]
    return encode(frames[0], kind, save_all=True, append_images=frames[1:], duration=100)


def cmyk_jpeg() -> bytes:
    return encode(Image.fromarray(scene()).convert("CMYK"), "JPEG", quality=80)


def deep_png(kind: str = "L") -> bytes:
    """16 bits a sample, made by hand: grey "L" or colour "RGB"."""
    values = scene(24, 40).astype(np.uint16) * 257 + 5
    samples = values[..., :1] if kind == "L" else values
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in samples)
    head = struct.pack(">IIBBBBB", 40, 24, 16, 0 if kind == "L" else 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", head)
        + chunk(b"IDAT", zlib.compress(rows))
        + chunk(b"IEND", b"")
    )


def palette_png(bits: int) -> bytes:
    """`bits` per pixel with a palette of which one colour is transparent."""
    image = Image.fromarray(scene()).quantize(1 << bits)
    return encode(image, "PNG", bits=bits, transparency=0)


def pages_tiff() -> bytes:
    pages = [Image.fromarray(scene(40 + 8 * i, 56, i)) for i in range(3)]
    return encode(pages[0], "TIFF", save_all=True, append_images=pages[1:], compression="tiff_lzw")


SAMPLES: dict[str, Callable[[], bytes]] = {
    "jpeg": lambda: encode(scene(), "JPEG", quality=80),
    "jpeg-444": lambda: encode(scene(), "JPEG", quality=95, subsampling=0),
    "jpeg-422": lambda: encode(scene(), "JPEG", quality=75, subsampling=1),
    "jpeg-progressive": lambda: encode(scene(), "JPEG", quality=80, progressive=True),
    "jpeg-restart": lambda: encode(scene(), "JPEG", quality=80, restart_marker_blocks=3),
    "jpeg-optimised": lambda: encode(scene(), "JPEG", quality=80, optimize=True),
    "jpeg-grey": lambda: encode(scene()[..., 0], "JPEG", quality=80),
    "jpeg-cmyk": cmyk_jpeg,
    "jpeg-rich": rich_jpeg,
    "png": lambda: encode(scene(), "PNG"),
    "png-rich": rich_png,
    "png-16": lambda: deep_png("L"),
    "png-48": lambda: deep_png("RGB"),
    "png-palette-2": lambda: palette_png(2),
    "png-palette-8": lambda: palette_png(8),
    "png-1": lambda: encode(Image.fromarray(scene()).convert("1"), "PNG"),
    "png-alpha": lambda: encode(Image.fromarray(scene()).convert("RGBA"), "PNG"),
    "png-animated": lambda: animated("PNG"),
    "webp": lambda: encode(scene(), "WEBP", quality=80),
    "webp-lossless": lambda: encode(scene(), "WEBP", lossless=True),
    "webp-rich": lambda: encode(
        scene(), "WEBP", exif=exif_block(), xmp=XMP, icc_profile=icc_profile()
    ),
    "webp-animated": lambda: animated("WEBP"),
    "tiff": lambda: encode(scene(), "TIFF", exif=exif_block()),
    "tiff-deflate": lambda: encode(scene(), "TIFF", compression="tiff_adobe_deflate"),
    "tiff-jpeg": lambda: encode(scene(), "TIFF", compression="jpeg"),
    "tiff-pages": pages_tiff,
    "gif": lambda: encode(Image.fromarray(scene()).quantize(64), "GIF", comment=b"made by hand"),
    "gif-animated": lambda: animated("GIF"),
    "bmp": lambda: encode(scene(), "BMP"),
    "bmp-palette": lambda: encode(Image.fromarray(scene()).quantize(16), "BMP"),
    "avif": lambda: encode(scene(), "AVIF", quality=60, speed=10, exif=exif_block(), xmp=XMP),
}


def heif() -> bytes:
    import pillow_heif

    buffer = io.BytesIO()
    pillow_heif.from_pillow(Image.fromarray(scene())).save(buffer, quality=70)
    return buffer.getvalue()


if importlib.util.find_spec("pillow_heif") is not None:
    SAMPLES["heif"] = heif
