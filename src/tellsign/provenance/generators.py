"""What image generators write into a file's metadata: a table of known formats, read literally.

Each rule asks for words that only the generator's own format has, in the field where it puts them,
so that an ordinary camera or editor never matches. A hit is a claim: anybody can write or remove
these fields.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from tellsign.media.metadata import Entry, as_text
from tellsign.types import GeneratorClaim

LONGEST: Final = 2000  # characters of a claim's text that are kept
_LOOKED_AT: Final = 1 << 20  # characters searched; ComfyUI workflows reach some 100 kB

# IPTC NewsCodes digitalsourcetype (and the C2PA additions) that state generation. Terms such as
# digitalCapture, algorithmicallyEnhanced or digitalCreation do not.
GENERATED_TYPES: Final = (
    "trainedAlgorithmicMedia",
    "compositeWithTrainedAlgorithmicMedia",
    "compositeSynthetic",
    "algorithmicMedia",
    "trainedAlgorithmicData",
)

# Names of services and programs that only generate, as they call themselves in fields that name a
# program. General software (Photoshop, Canva) is not here: edited photographs carry it too.
_NAMES: Final[tuple[tuple[str, str], ...]] = (
    (r"DALL[\s·•∙-]?E\b", "DALL·E (OpenAI)"),
    (r"(?:OpenAI\b.*)?(?:ChatGPT|GPT-4o|gpt-image)\b", "ChatGPT / GPT image (OpenAI)"),
    (r"OpenAI\b", "OpenAI"),
    (r"Adobe[ _]Firefly\b", "Adobe Firefly"),
    (r"Google[ _]Imagen\b", "Imagen (Google)"),
    (r"Google[ _]Gemini\b", "Gemini (Google)"),
    (r"Google Generative AI\b", "Google generative AI"),
    (r"Microsoft_Responsible_AI\b", "Bing Image Creator / Designer (Microsoft)"),
    (r"(?:Bing|Microsoft) Image Creator\b", "Bing Image Creator / Designer (Microsoft)"),
    (r"Midjourney\b", "Midjourney"),
    (r"(?:AUTOMATIC1111|stable-diffusion-webui)\b", "Stable Diffusion (A1111 web UI format)"),
    (r"Stable[ -]?Diffusion\b", "Stable Diffusion"),
    (r"(?:Stability[ .]?AI|DreamStudio|StableStudio)\b", "Stability AI"),
    (r"Easy ?Diffusion\b", "Easy Diffusion"),
    (r"Black Forest Labs\b", "FLUX (Black Forest Labs)"),
    (r"ComfyUI\b", "ComfyUI"),
    (r"Invoke ?AI\b", "InvokeAI"),
    (r"Novel ?AI\b", "NovelAI"),
    (r"Fooocus\b", "Fooocus"),
    (r"(?:Stable)?SwarmUI\b", "SwarmUI"),
    (r"SD\.Next\b", "SD.Next"),
    (r"Draw Things\b", "Draw Things"),
    (r"Leonardo[. ]?AI\b", "Leonardo.Ai"),
    (r"Ideogram(?: ?AI)?\b", "Ideogram"),
    (r"(?:Apple )?Image Playground\b", "Image Playground (Apple)"),
    (r"Craiyon\b", "Craiyon"),
    (r"NightCafe\b", "NightCafe"),
)
# Words too common for a field that anybody fills in by hand; in a manifest they name a program.
# Google's C2PA library is not here: its cameras use it as well as its generators.
_NAMES_IN_MANIFESTS: Final[tuple[tuple[str, str], ...]] = (
    (r"Firefly\b", "Adobe Firefly"),
    (r"Imagen\b", "Imagen (Google)"),
    (r"Gemini\b", "Gemini (Google)"),
    (r"Microsoft Designer\b", "Bing Image Creator / Designer (Microsoft)"),
    (r"Recraft\b", "Recraft"),
)


@dataclass(frozen=True, slots=True)
class _Format:
    """A generator's own text format: every pattern must occur in one of these fields."""

    name: str
    fields: tuple[str, ...]
    patterns: tuple[str, ...] = ()


_FREE_TEXT: Final = (
    "png:parameters",
    "png:comment",
    "png:description",
    "exif:usercomment",
    "exif:imagedescription",
    "xmp:exif:usercomment",
    "xmp:dc:description",
    "iptc:caption",
    "iptc:caption-abstract",
    "gif:comment",
    "jpeg:comment",
)

_A1111: Final = (r"\bSteps: \d+, ", r"\b(?:Sampler|CFG scale|Seed|Size): \S")

# The first format that fits a field speaks for it.
_FORMATS: Final = (
    _Format("SwarmUI", _FREE_TEXT, (r'"sui_image_params"\s*:',)),
    _Format("Fooocus", ("png:fooocus_scheme",), (r"^(?:fooocus|a1111)\b",)),
    _Format("Fooocus", _FREE_TEXT, (r'"metadata_scheme"\s*:\s*"fooocus"',)),
    _Format(
        "Fooocus", _FREE_TEXT, (r'"base_model"\s*:', r'"(?:performance|fooocus_v2_expansion)"')
    ),
    _Format("Fooocus", _FREE_TEXT, (*_A1111, r"\bVersion: Fooocus ")),
    _Format("ComfyUI", _FREE_TEXT, (*_A1111, r"\bVersion: ComfyUI\b")),
    _Format("Stable Diffusion (A1111 web UI format)", _FREE_TEXT, _A1111),
    _Format(
        "Stable Diffusion (A1111 web UI format)",
        ("png:parameters",),
        (r"(?:^|\n)Negative prompt: ",),
    ),
    _Format("ComfyUI", ("png:prompt", "exif:model"), (r'"class_type"\s*:', r'"inputs"\s*:')),
    _Format("ComfyUI", ("png:workflow", "exif:make"), (r'"nodes"\s*:', r'"(?:last_)?link')),
    _Format("ComfyUI", _FREE_TEXT, (r'\bclass_type"?\s*:', r'\binputs"?\s*:')),
    _Format("InvokeAI", ("png:invokeai_metadata", "png:invokeai_graph", "png:invokeai_workflow")),
    _Format("InvokeAI", ("png:sd-metadata",), (r'"(?:image|app_id|model_weights)"\s*:',)),
    _Format("InvokeAI", ("png:dream",), (r"\s-(?:s ?\d|S ?\d|C ?\d|W ?\d)",)),
    _Format("NovelAI", ("png:software",), (r"^NovelAI\b",)),
    _Format("NovelAI", ("png:title",), (r"^NovelAI generated image\b",)),
    _Format("NovelAI", _FREE_TEXT, (r'"uc"\s*:', r'"sampler"\s*:', r'"scale"\s*:')),
    _Format("NovelAI", _FREE_TEXT, (r'"(?:Software|Source)"\s*:\s*"NovelAI',)),
    _Format("Easy Diffusion", ("png:use_stable_diffusion_model", "png:stable diffusion model")),
    _Format(
        "Easy Diffusion",
        _FREE_TEXT,
        (r'"(?:use_stable_diffusion_model|Stable Diffusion model)"\s*:',),
    ),
    _Format(
        "Draw Things",
        _FREE_TEXT,
        (r'"c"\s*:', r'"model"\s*:', r'"sampler"\s*:', r'"steps"\s*:'),
    ),
    _Format("Tensor.Art", ("png:generation_data",), (r'"prompt"\s*:', r'"(?:models|baseModel)"')),
    _Format("Midjourney", _FREE_TEXT, (r"\bJob ID: [0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f-]{9,}",)),
    _Format("Midjourney", _FREE_TEXT, (r"\s--(?:v|version|niji) ?\d(?:\.\d)?(?:\s|$)",)),
    _Format("FLUX (Black Forest Labs)", ("exif:software",), (r"^AI generated;.*\bflux",)),
    _Format("Google generative AI", ("xmp:photoshop:credit", "iptc:credit"), (r"\bGoogle AI\b",)),
    _Format("Meta AI", ("xmp:photoshop:credit", "iptc:credit"), (r"\b(?:by|with) Meta AI\b",)),
    _Format(
        "China's label for generated content (TC260)",
        ("xmp:tc260:aigc", "xmp:aigc:aigc", "png:aigc", "exif:usercomment", "xmp:exif:usercomment"),
        (r'"Label"\s*:\s*"?[123]\b', r'"(?:ContentProducer|ProduceID)"\s*:'),
    ),
)
_COMPILED: Final = tuple((f, tuple(re.compile(p) for p in f.patterns)) for f in _FORMATS)

# Fields that name a program or a maker. A name counts only at the beginning of the field.
_NAMING: Final = (
    "exif:software",
    "exif:make",
    "png:software",
    "png:source",
    "png:creator",
    "xmp:xmp:creatortool",
    "xmp:photoshop:credit",
    "xmp:dc:creator",
    "iptc:credit",
    "iptc:originatingprogram",
)
_HIDING: Final = "NovelAI or a Stable Diffusion web UI"  # the programs that hide text in pixels
_AI_PROPERTIES: Final = ("aisystemused", "aipromptinformation")  # IPTC photo metadata 2025.1


def from_metadata(entries: Iterable[Entry]) -> Iterator[GeneratorClaim]:
    """Yield a claim for each entry that a generator's own format explains, in the file's order."""
    for entry in entries:
        key = _canonical(entry.key)
        text = _content(entry)[:_LOOKED_AT]
        if not text.strip():
            continue
        name = _format_name(key, text)
        if name is None and key in _NAMING:
            name = named(text)
        if name is not None:
            yield GeneratorClaim(entry.key, _kept(text), name)
        elif key.rpartition(":")[2] in _AI_PROPERTIES and key.startswith("xmp:"):
            yield GeneratorClaim(entry.key, _kept(text), named(text))
        elif (kind := source_type(entry)) and is_generated(kind):
            yield GeneratorClaim(entry.key, _kept(kind))


def from_hidden(where: str, text: str | None) -> GeneratorClaim:
    """The claim in a text hidden in the pixels; None where only its signature could be read."""
    if text is None:
        return GeneratorClaim(where, "signature of hidden text; the text is unreadable", _HIDING)
    name = _format_name("png:parameters", text[:_LOOKED_AT])
    return GeneratorClaim(where, _kept(text), name or _HIDING)


def named(text: str, *, in_manifest: bool = False) -> str | None:
    """Name of the generator that `text` begins with, or None."""
    start = text.strip()[:200]
    names = _NAMES + _NAMES_IN_MANIFESTS if in_manifest else _NAMES
    return next((n for p, n in names if re.match(p, start, re.IGNORECASE)), None)


def source_type(entry: Entry) -> str | None:
    """The IPTC digital source type that an XMP entry declares, as written, or None."""
    key = entry.key.lower()
    if not key.startswith("xmp:") or not re.search(r":digitalsource(?:file)?type\b", key):
        return None
    return as_text(entry.value).strip()[:LONGEST] or None


def is_generated(kind: str) -> bool:
    """True when a digital source type (URI or short name) states generation."""
    return re.split(r"[/#:]", kind.strip())[-1] in GENERATED_TYPES


def _format_name(key: str, text: str) -> str | None:
    for form, patterns in _COMPILED:
        if key in form.fields and all(p.search(text) for p in patterns):
            return form.name
    return None


def _canonical(key: str) -> str:
    """Lower case, without array indices and language tags: 'xmp:dc:description[1]' and the like."""
    return re.sub(r"\[[^\]]*\]", "", key).lower()


def _content(entry: Entry) -> str:
    """Text of an entry; Exif comments lose their 8-byte character code (Exif 2.32, 4.6.5)."""
    value = entry.value
    if not isinstance(value, bytes):
        return as_text(value)
    value = value[: 2 * _LOOKED_AT]
    code, rest = value[:8].rstrip(b"\0 "), value[8:]
    if code == b"UNICODE":
        return _utf16(rest)
    if code in (b"ASCII", b"JIS") or value[:8] == bytes(8):
        return as_text(rest).strip("\0")
    return as_text(value).strip("\0")


def _utf16(data: bytes) -> str:
    """Decode with the byte order that gives more ASCII: writers disagree on it."""
    both = [data.decode(f"utf-16-{order}", "replace").strip("\0\ufeff") for order in ("be", "le")]
    return max(both, key=lambda t: sum(c < "\x80" for c in t[:1000]))


def _kept(text: str) -> str:
    return text.strip()[:LONGEST]
