from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from PIL import ExifTags, Image
from provenance_pictures import encoded, opened, plain, png

from tellsign import provenance
from tellsign.errors import InputError, MalformedMedia
from tellsign.media.media import Media
from tellsign.media.metadata import Entry
from tellsign.provenance import generators
from tellsign.types import GeneratorClaim, Provenance

A1111 = (
    "a lighthouse at dusk\nNegative prompt: people\n"
    "Steps: 20, Sampler: Euler a, CFG scale: 7, Seed: 1, Size: 512x512, Model: sd15"
)
WEB_UI = "Stable Diffusion (A1111 web UI format)"
COMFY_PROMPT = json.dumps({"3": {"class_type": "KSampler", "inputs": {"seed": 1}}})
COMFY_FLOW = json.dumps({"last_node_id": 9, "nodes": [], "links": []})
MIDJOURNEY = "a lighthouse --ar 16:9 --v 5.2 Job ID: 0f8fad5b-d9cb-469f-a165-70867728950e"
DRAW_THINGS = json.dumps({"c": "a lighthouse", "model": "sd", "sampler": "Euler", "steps": 20})
LABEL = '{"Label":"1","ContentProducer":"001191","ProduceID":"7"}'

CLAIMS = [
    ("png:parameters", A1111, WEB_UI),
    ("png:parameters", "a prompt\nNegative prompt: fog", WEB_UI),
    ("exif:UserComment", A1111, WEB_UI),
    ("exif:UserComment", b"UNICODE\0" + A1111.encode("utf-16-be"), WEB_UI),
    ("exif:UserComment", b"UNICODE\0" + A1111.encode("utf-16-le"), WEB_UI),
    ("exif:UserComment", b"ASCII\0\0\0" + A1111.encode(), WEB_UI),
    ("exif:UserComment", bytes(8) + A1111.encode(), WEB_UI),
    ("png:parameters", A1111 + ", Version: ComfyUI", "ComfyUI"),
    ("png:parameters", A1111 + ", Version: Fooocus v2.5.0", "Fooocus"),
    ("png:parameters", '{"sui_image_params": {"prompt": "x"}}', "SwarmUI"),
    ("png:parameters", '{"base_model": "juggernaut", "performance": "Speed"}', "Fooocus"),
    ("png:fooocus_scheme", "fooocus", "Fooocus"),
    ("exif:Software", "Fooocus v2.5.5", "Fooocus"),
    ("png:prompt", COMFY_PROMPT, "ComfyUI"),
    ("png:workflow", COMFY_FLOW, "ComfyUI"),
    ("exif:Model", "prompt:" + COMFY_PROMPT, "ComfyUI"),
    ("exif:Make", "workflow:" + COMFY_FLOW, "ComfyUI"),
    ("png:invokeai_metadata", '{"generation_mode": "txt2img"}', "InvokeAI"),
    ("png:sd-metadata", '{"model": "stable diffusion", "image": {}}', "InvokeAI"),
    ("png:Dream", '"a lighthouse" -s 50 -S 1 -W 512 -H 512 -C 7.5 -A k_lms', "InvokeAI"),
    ("png:Software", "NovelAI", "NovelAI"),
    ("png:Source", "Stable Diffusion 1D44365E", "Stable Diffusion"),
    ("png:Title", "NovelAI generated image", "NovelAI"),
    ("png:Comment", '{"steps": 28, "sampler": "k", "scale": 5.0, "uc": "fog"}', "NovelAI"),
    ("png:use_stable_diffusion_model", "sd-v1-4", "Easy Diffusion"),
    ("exif:UserComment", '{"use_stable_diffusion_model": "sd-v1-4"}', "Easy Diffusion"),
    ("xmp:exif:UserComment", DRAW_THINGS, "Draw Things"),
    ("xmp:xmp:CreatorTool", "Draw Things", "Draw Things"),
    ("exif:UserComment", "{4: {inputs: {ckpt_name: x}, class_type: CheckpointLoader}}", "ComfyUI"),
    ("png:generation_data", '{"models": [], "prompt": "x"}', "Tensor.Art"),
    ("png:Description", MIDJOURNEY, "Midjourney"),
    ("xmp:dc:description[x-default]", MIDJOURNEY, "Midjourney"),
    ("png:Description", "a lighthouse --niji 5", "Midjourney"),
    ("exif:Software", "AI generated;txt2img;flux", "FLUX (Black Forest Labs)"),
    ("exif:Make", "Black Forest Labs", "FLUX (Black Forest Labs)"),
    ("xmp:photoshop:Credit", "Made with Google AI", "Google generative AI"),
    ("iptc:Credit", "Edited with Google AI", "Google generative AI"),
    ("xmp:photoshop:Credit", "Apple Image Playground", "Image Playground (Apple)"),
    ("xmp:TC260:AIGC", LABEL, "China's label for generated content (TC260)"),
    ("exif:UserComment", f'{{"AIGC":{LABEL}}}', "China's label for generated content (TC260)"),
    ("exif:Software", "DALL·E 3", "DALL·E (OpenAI)"),
    ("xmp:Iptc4xmpExt:AISystemUsed", "Some new system", None),
    ("xmp:Iptc4xmpExt:AISystemUsed", "DALL-E 3", "DALL·E (OpenAI)"),
]


@pytest.mark.parametrize(("key", "value", "name"), CLAIMS)
def test_a_generators_own_format_is_a_claim(key: str, value: str | bytes, name: str | None) -> None:
    (claim,) = generators.from_metadata([Entry(key, value)])
    assert claim.where == key
    assert claim.name == name
    assert claim.text


NO_CLAIMS = [
    ("exif:Software", "Adobe Photoshop 25.0 (Macintosh)"),
    ("exif:Software", "GIMP 2.10"),
    ("exif:Software", "Ver.1.02 "),
    ("exif:Software", "Capture One, not Midjourney"),
    ("exif:Make", "NIKON CORPORATION"),
    ("exif:Model", "Firefly 8SE"),
    ("exif:Make", "Hawkeye Firefly"),
    ("exif:Artist", "Gemini Studio"),
    ("xmp:dc:creator", "Gemini Studio"),
    ("png:Source", "Imagen de archivo"),
    ("xmp:dc:creator", "Leonardo da Vinci"),
    ("png:parameters", "exposure=1.2"),
    ("png:parameters", "Steps: many, as many as you like"),
    ("png:prompt", "Say cheese"),
    ("png:workflow", "scan, crop, sharpen"),
    ("png:Description", "How to use options such as --verbose and --v"),
    ("png:Description", "Steps: 12, then turn left"),
    ("png:Comment", "Created with GIMP"),
    ("png:Title", "a lighthouse"),
    ("png:Software", "Adobe ImageReady"),
    ("png:Dream", "I had one last night"),
    ("jpeg:comment", "CREATOR: gd-jpeg v1.0 (using IJG JPEG v62), quality = 75\n"),
    ("exif:UserComment", b"ASCII\0\0\0" + b" " * 36),
    ("exif:UserComment", bytes(44)),
    ("exif:UserComment", b""),
    ("exif:UserComment", b"UNICODE\0"),
    ("exif:ISOSpeedRatings", 100),
    ("gps:GPSLatitude", (48.0, 12.0, 1.5)),
    ("xmp:Iptc4xmpExt:DigitalSourceType", generators.__name__),
    (
        "xmp:Iptc4xmpExt:DigitalSourceType",
        "http://cv.iptc.org/newscodes/digitalsourcetype/digitalCapture",
    ),
    (
        "xmp:Iptc4xmpExt:DigitalSourceType",
        "http://cv.iptc.org/newscodes/digitalsourcetype/algorithmicallyEnhanced",
    ),
]


@pytest.mark.parametrize(("key", "value"), NO_CLAIMS)
def test_what_cameras_and_editors_write_is_no_claim(key: str, value: str | bytes) -> None:
    assert list(generators.from_metadata([Entry(key, value)])) == []


@pytest.mark.parametrize("kind", generators.GENERATED_TYPES)
def test_source_types_that_state_generation(kind: str) -> None:
    for form in (f"http://cv.iptc.org/newscodes/digitalsourcetype/{kind}", kind):
        entry = Entry("xmp:Iptc4xmpExt:DigitalSourceType", form)
        assert list(generators.from_metadata([entry])) == [GeneratorClaim(entry.key, form)]
        assert generators.source_type(entry) == form


def test_bare_product_names_count_in_manifests_only() -> None:
    for name in ("Firefly", "Gemini 2.5 Flash Image", "Imagen 3", "Microsoft Designer"):
        assert generators.named(name) is None
        assert generators.named(name, in_manifest=True) is not None
    for name in (
        "Google C2PA Core Generator Library",
        "Adobe Photoshop",
        "Pixel Camera",
        "c2pa-rs",
    ):
        assert generators.named(name, in_manifest=True) is None


def test_a_claims_text_is_cut() -> None:
    (claim,) = generators.from_metadata([Entry("png:parameters", A1111 + "x" * (5 << 20))])
    assert len(claim.text) == generators.LONGEST


@pytest.mark.parametrize("unit", ["Steps: 1", "--v ", '"class_type":', "Job ID: 0", "\n", "a"])
def test_hostile_text_takes_no_time(unit: str) -> None:
    """Each pattern is tried on a megabyte of its own beginning."""
    import time

    text = unit * ((1 << 20) // len(unit))
    began = time.monotonic()
    for key in ("png:parameters", "png:Description", "png:prompt", "png:Dream", "exif:Software"):
        list(generators.from_metadata([Entry(key, text)]))
    assert time.monotonic() - began < 5


# --- whole files ---------------------------------------------------------------------------------


def read(data: bytes) -> Provenance:
    return provenance.read(opened(data))


def test_png_texts() -> None:
    claims = read(png(plain(64, 64), parameters=A1111, workflow=COMFY_FLOW))
    assert claims.generator == GeneratorClaim("png:parameters", A1111, WEB_UI)
    assert [c.name for c in claims.claims] == [WEB_UI, "ComfyUI"]


@pytest.mark.parametrize("form", ["JPEG", "WEBP"])
def test_exif_user_comment_and_software(form: str) -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.Software] = "AI generated;txt2img;flux"
    comment = b"UNICODE\0" + A1111.encode("utf-16-be")
    exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.UserComment] = comment
    claims = read(encoded(plain(64, 64), form, exif=exif))
    found = {c.where: c for c in claims.claims}
    assert found["exif:Software"].name == "FLUX (Black Forest Labs)"
    assert found["exif:UserComment"].name == WEB_UI
    assert found["exif:UserComment"].text == A1111


def test_comfyui_in_webp() -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.Model] = "prompt:" + COMFY_PROMPT
    exif[ExifTags.Base.Make] = "workflow:" + COMFY_FLOW
    claims = read(encoded(plain(64, 64), "WEBP", exif=exif))
    assert {(c.where, c.name) for c in claims.claims} == {
        ("exif:Model", "ComfyUI"),
        ("exif:Make", "ComfyUI"),
    }


def test_a_broken_picture_keeps_its_metadata_claims(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(self: Media) -> None:
        raise MalformedMedia("the pixels cannot be decoded")

    media = opened(png(plain(64, 64), parameters=A1111))
    monkeypatch.setattr(Media, "pixels", property(broken))
    claims = provenance.read(media)
    assert claims.claims == (GeneratorClaim("png:parameters", A1111, WEB_UI),)


def test_no_claim_on_pictures_of_cameras_and_of_the_web(core: Path) -> None:
    paths = [
        p
        for folder in ("pristine_camera", "pristine_web", "pristine_faces")
        for p in sorted((core / folder).rglob("*"))
        if p.suffix.lower() in (".jpg", ".jpeg", ".png", ".tif", ".webp")
    ]
    assert len(paths) > 180
    claimed = {}
    for path in paths:
        try:
            claims = read(path.read_bytes())
        except InputError:
            continue
        if claims.claims or claims.generator:
            claimed[path.name] = claims.claims
    assert claimed == {}


@pytest.mark.parametrize(
    ("group", "name", "least"), [("comfyui_examples", "ComfyUI", 10), ("a1111_showcase", WEB_UI, 6)]
)
def test_pictures_of_generators_name_them(core: Path, group: str, name: str, least: int) -> None:
    paths = [p for p in (core / "synthetic" / group).rglob("*") if p.suffix in (".png", ".webp")]
    named = [p for p in paths if (g := read(p.read_bytes()).generator) and g.name == name]
    assert len(named) >= least, [p.name for p in paths if p not in named]


def test_the_first_named_claim_is_the_generator() -> None:
    target = io.BytesIO()
    Image.fromarray(plain(64, 64)).save(target, "PNG")
    assert read(target.getvalue()).generator is None
