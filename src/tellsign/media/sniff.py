"""Format from content, never from the name."""

from __future__ import annotations

_ISO_BRANDS = {
    b"avif": "avif",
    b"avis": "avif",
    b"heic": "heif",
    b"heix": "heif",
    b"heim": "heif",
    b"heis": "heif",
    b"hevc": "heif",
    b"hevx": "heif",
    b"mif1": "heif",
    b"msf1": "heif",
}

HEAD = 4096  # bytes that decide; the longest brand list seen in practice is far shorter


def sniff(head: bytes) -> str | None:
    """Name of the format whose signature `head` begins with, or None.

    "jpeg", "png", "webp", "tiff", "gif", "bmp", "heif" or "avif".
    """
    if head[:3] == b"\xff\xd8\xff":
        return "jpeg"
    if head[:8] == b"\x89PNG\r\n\x1a\n":
        return "png"
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "webp"
    if head[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"):
        return "tiff"
    if head[:6] in (b"GIF87a", b"GIF89a"):
        return "gif"
    if head[:2] == b"BM" and len(head) >= 18 and head[6:10] == bytes(4):
        return "bmp"
    if head[4:8] == b"ftyp":
        return _brand(head)
    return None


def _brand(head: bytes) -> str | None:
    """The picture format of an ISO base media file: major brand first, then the compatible ones."""
    end = min(int.from_bytes(head[:4], "big"), len(head))
    brands = [head[8:12], *(head[i : i + 4] for i in range(16, end - 3, 4))]
    known = [_ISO_BRANDS[brand] for brand in brands if brand in _ISO_BRANDS]
    if not known:
        return None
    # mif1 and msf1 name the container only; a later brand says which codec is inside.
    return "avif" if "avif" in known else "heif"


EXTENSIONS = {
    "jpeg": ("jpg", "jpeg", "jpe", "jfif", "mpo"),
    "png": ("png", "apng"),
    "webp": ("webp",),
    "tiff": ("tif", "tiff", "dng"),
    "gif": ("gif",),
    "bmp": ("bmp", "dib"),
    "heif": ("heic", "heif", "hif"),
    "avif": ("avif",),
}


def extension_matches(name: str, kind: str) -> bool | None:
    """Whether a file name's extension is usual for the format; None without an extension."""
    stem, dot, extension = name.rpartition(".")
    if not dot or not stem:
        return None
    return extension.lower() in EXTENSIONS.get(kind, ())
