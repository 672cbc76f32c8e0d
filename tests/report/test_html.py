from __future__ import annotations

import base64
import hashlib
import io
import re
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image
from report_examples import (
    BLIND_SPOTS,
    EXAMPLES,
    TITLES,
    H,
    W,
    generated,
    hostile,
    mask_empty,
    picture,
    pristine,
    score_map,
    spliced,
    unopened,
)
from test_hostile_strings import Page

from tellsign.fusion import policy
from tellsign.report import html
from tellsign.report.report import from_dict, to_dict
from tellsign.types import (
    Box,
    Evidence,
    Finding,
    GeneratorClaim,
    Map,
    MapKind,
    Polygon,
    Provenance,
    ProvenanceState,
    Report,
)

FORBIDDEN = re.compile(r"\b(authentic|real|genuine|original|fake)", re.IGNORECASE)


def rendered(report: Report, **options: object) -> str:
    pixels = picture() if report.media else None
    return html.render(report, pixels, None, BLIND_SPOTS, titles=TITLES, **options)  # type: ignore[arg-type]


def words(page: str) -> str:
    body = page[page.index("<body>") : page.index("<script>")]
    return " ".join("".join(f"{t} " for t in Page(body).text).split())


def images(page: str, of_class: str) -> list[Image.Image]:
    found = [a for tag, a in Page(page).elements if tag == "img" and a.get("class") == of_class]
    opened = []
    for attributes in found:
        data = (attributes["src"] or "").partition(",")[2]
        opened.append(Image.open(io.BytesIO(base64.b64decode(data))))
    return opened


def test_nothing_comes_from_outside(example: Report) -> None:
    page = rendered(example)
    for _, attributes in Page(page).elements:
        for name in ("src", "href", "srcset", "action", "data", "poster"):
            value = attributes.get(name)
            assert value is None or value.startswith(("#", "data:image/"))
    assert "@import" not in page
    assert "url(" not in page
    style = page[page.index("<style>") : page.index("</style>")]
    assert "http" not in style
    script = page[page.index("<script>") : page.index("</script>")]
    for reach in ("http", "fetch", "XMLHttp", "import(", "eval", "innerHTML", "document.write"):
        assert reach not in script


def test_the_policy_names_script_and_style_by_hash() -> None:
    page = rendered(spliced())
    meta = next(a for t, a in Page(page).elements if a.get("http-equiv"))
    policy_text = meta["content"] or ""
    assert meta["http-equiv"] == "Content-Security-Policy"
    assert policy_text.startswith("default-src 'none'; img-src data:;")
    assert "unsafe" not in policy_text
    for kind in ("style", "script"):
        text = page[page.index(f"<{kind}>") + len(kind) + 2 : page.index(f"</{kind}>")]
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert f"{kind}-src 'sha256-{digest}'" in policy_text


def test_every_in_page_link_has_its_place(example: Report) -> None:
    page = Page(rendered(example))
    ids = [a["id"] for _, a in page.elements if "id" in a]
    assert len(ids) == len(set(ids))
    links = [a["href"] for tag, a in page.elements if tag == "a"]
    assert len(links) >= 4
    assert {str(link).removeprefix("#") for link in links} <= set(ids)


def test_the_page_says_everything_that_the_report_says() -> None:
    report = spliced()
    said = words(rendered(report))
    assert report.headline in said
    for conclusion in report.conclusions:
        assert conclusion.text in said
    for outcome in report.outcomes:
        assert outcome.origin.detector in said or TITLES.get(outcome.origin.detector, "?") in said
    for expected in (
        "A region of 96 x 72 pixels carries another JPEG grid than the rest (jpeg.grid.foreign).",
        "x 400, y 300, 96 x 72 pixels; log10_nfa = -39.2412, grid = 34",
        "Score 39.2412 decades.",
        "Log10 LR = 2.10 [1.60, 2.40], condition jpeg-q90+.",
        "Uncalibrated, not used in the conclusion.",
        "No finding. It cannot see: Copies smaller than 32 pixels, and copies blurred after",
        "does not apply: Under 1 megapixel (too_small).",
        "failed: LinAlgError: singular matrix (internal).",
        "signingCredential.untrusted",
        "The key is not on the trust list",
        "This does not say that the content is true.",
        "Texture in a map is not tampering",
        "press-photo.jpg: thumbnail",
        "tellsign examine press-photo.jpg",
        "sha256:" + "5f1c" * 16,
        "9b1d" * 16,
        "It is not the probability that the proposition is true",
    ):
        assert expected in said, expected


def test_blind_spots_are_there_for_findings_too() -> None:
    said = words(rendered(spliced()))
    assert "What this method cannot see Never-compressed pictures; pastes aligned" in said


def test_questions_without_a_conclusion_are_named() -> None:
    said = words(rendered(generated()))
    unsaid = said[said.index("What could not be said, and why") :]
    assert "Was a face swapped or re-enacted? Not asked in this examination." in unsaid
    assert "Was part of the picture altered? No conclusion: no detector could speak." in unsaid


def test_wording(example: Report) -> None:
    said = words(rendered(example))
    assert not FORBIDDEN.search(said)
    assert "no sign of" not in said


def test_an_unopened_source_claims_nothing_about_a_manifest() -> None:
    said = words(rendered(unopened()))
    assert "Not read, because the file could not be opened." in said
    assert "No C2PA manifest" not in said
    assert "Picture, maps" not in said


def test_a_stored_report_renders_without_its_maps() -> None:
    page = html.render(from_dict(to_dict(spliced())), None, None, BLIND_SPOTS)
    assert "jpeg.grid.foreign" in page
    assert "<img" not in page


def test_maps_without_a_picture_stand_alone() -> None:
    page = html.render(spliced(), None, None, BLIND_SPOTS)
    assert 'class="viewer' not in page
    assert page.count("<figure>") == 3
    assert not [a for _, a in Page(page).elements if "data-show" in a]


def test_layers_lie_exactly_over_the_picture() -> None:
    page = rendered(spliced())
    (base,) = images(page, "base")
    layers = images(page, "layer")
    assert base.size == (W, H)
    assert [x.size for x in layers] == [(W, H)] * 3
    alpha = np.asarray(layers[0].convert("RGBA"))[..., 3]
    assert alpha[300:372, 400:496].all()
    assert not alpha[150:300].any()
    assert 0.1 < (alpha[:140, :260] > 0).mean() < 0.5  # hatched, where the method cannot speak


def test_pictures_are_bounded() -> None:
    large = np.zeros((900, 4000, 3), np.uint8)
    report = replace(pristine(), media=replace(pristine().media, width=4000, height=900))  # type: ignore[type-var]
    page = html.render(report, large, None, {})
    (base,) = images(page, "base")
    assert base.size == (1600, 360)
    assert "Shown reduced to 1600 x 360 pixels" in page


def test_upright_turns_picture_layers_and_marks_together() -> None:
    report = spliced()
    assert report.media
    turned = replace(report, media=replace(report.media, orientation=6))
    page = rendered(turned, upright=True)
    (base,) = images(page, "base")
    assert base.size == (H, W)
    assert {x.size for x in images(page, "layer")} == {(H, W)}
    alpha = np.asarray(images(page, "layer")[0].convert("RGBA"))[..., 3]
    assert alpha[400:496, H - 372 : H - 300].all()
    assert f'viewBox="0 0 {H} {W}"' in page
    assert 'points="180,400 180,496 108,496 108,400"' in page
    assert "Shown upright (Exif orientation 6)." in page
    assert "Shown as stored (Exif orientation 6)." in rendered(turned)


def test_legends_carry_scale_and_unit() -> None:
    said = words(rendered(spliced()))
    assert re.search(r"-0\.0\d+ 0\.9\d+ nats scale of this map alone", said)
    assert "region found" in said
    assert "method cannot speak here" in said
    assert "region found (none in this picture)" in words(rendered(pristine()))


def test_a_fixed_scale_is_told_by_its_ends() -> None:
    report = pristine()
    shown = replace(score_map(), span=(-5.0, 5.0))
    outcome = replace(report.outcomes[0], maps=(shown,), unit="log odds")
    said = words(rendered(replace(report, outcomes=(outcome, *report.outcomes[1:]))))
    assert "-5 or less 5 or more (log odds) same scale in every picture" in said
    assert "scale of this map alone" not in said


def test_a_label_map_without_labels_says_so() -> None:
    report = pristine()
    empty = replace(mask_empty(), kind=MapKind.LABEL)
    outcome = replace(report.outcomes[0], maps=(empty,))
    page = rendered(replace(report, outcomes=(outcome, *report.outcomes[1:])))
    assert "no region labelled in this picture" in words(page)


def test_findings_and_marks_refer_to_each_other() -> None:
    page = Page(rendered(spliced()))
    marks = {a["data-finding"] for t, a in page.elements if t == "g"}
    items = [a["data-finding"] for t, a in page.elements if t == "li" and "data-finding" in a]
    buttons = [a["data-locate"] for _, a in page.elements if "data-locate" in a]
    assert marks == {"f1", "f2"}
    assert sorted(items) == ["f1", "f1", "f2", "f2"]  # beside the picture, and below the detector
    assert buttons == ["f1", "f2"]
    radios = [a["value"] for t, a in page.elements if a.get("name") == "layer"]
    layers = [a["data-layer"] for t, a in page.elements if t == "img" and "data-layer" in a]
    assert radios == ["", *layers]


def test_number_plates_do_not_cover_each_other() -> None:
    report = spliced()
    outcome = report.outcomes[0]
    assert isinstance(outcome, Evidence)
    same = tuple(Finding("a.b", "Here.", Box(300, 200, 20, 20)) for _ in range(4))
    page = rendered(replace(report, outcomes=(replace(outcome, findings=same),)))
    plates = [a for _, a in Page(page).elements if a.get("class") == "plate"]
    places = sorted(float(a["x"] or 0) for a in plates)
    width = float(plates[0]["width"] or 0)
    assert all(b - a >= width for a, b in zip(places, places[1:], strict=False))
    assert len(places) == 4


def test_views_are_apart_and_called_no_evidence() -> None:
    view = Map(MapKind.SCORE, score_map().values, 16, score_map().valid, "Saved again at 90")
    page = html.render(spliced(), picture(), {"Error level analysis": view}, BLIND_SPOTS)
    said = words(page)
    assert "Views, not evidence These views may help an experienced eye. They are not" in said
    assert "Error level analysis . Saved again at 90" in said
    assert "Error level analysis" not in said[: said.index("Views, not evidence")]
    assert 'id="views"' not in rendered(spliced())


def test_the_scale_comes_from_the_policy() -> None:
    changed = replace(policy.load(), weak=0.25, moderate=1.5, strong=2.5)
    said = words(rendered(spliced(), policy=changed))
    assert "below 0.25 less than 1.78 No conclusion" in said
    assert "1.5 to 2.5 31.6 to 316 Moderate support" in said
    assert "below 0.5 less than 3.16 No conclusion" in words(rendered(spliced()))


def test_the_command_can_be_given() -> None:
    said = words(rendered(spliced(), command="tellsign examine --html out.html 'a b.jpg'"))
    assert "tellsign examine --html out.html 'a b.jpg'" in said
    spaced = replace(pristine(), source=replace(pristine().source, name="a b.jpg"))
    assert "tellsign examine 'a b.jpg'" in words(rendered(spaced))


def test_a_report_without_outcomes_or_questions() -> None:
    bare = replace(pristine(), outcomes=(), conclusions=(), calibrated={})
    said = words(rendered(bare))
    assert "None was asked for." in said
    assert "No detector was run." in said


def test_the_same_report_gives_the_same_page() -> None:
    assert rendered(spliced()) == rendered(EXAMPLES["spliced"]())


def test_keyboard_and_screen_readers() -> None:
    page = Page(rendered(spliced()))
    stage = next(a for _, a in page.elements if a.get("class") == "stage")
    assert stage["tabindex"] == "0"
    assert stage["aria-label"]
    assert all("alt" in a for t, a in page.elements if t == "img")
    assert all(a.get("type") for t, a in page.elements if t in ("button", "input"))
    assert ("html", {"lang": "en"}) in page.elements


@pytest.mark.parametrize("where", [Box(0, 0, 1, 1), Polygon(((0, 0), (W, 0), (W, H)))])
def test_marks_at_the_edge(where: Box | Polygon) -> None:
    report = hostile("x")
    outcome = report.outcomes[0]
    assert isinstance(outcome, Evidence)
    found = (Finding("a.b", "Here.", where),)
    page = rendered(replace(report, outcomes=(replace(outcome, findings=found),)))
    plate = next(a for _, a in Page(page).elements if a.get("class") == "plate")
    assert float(plate["x"] or -1) >= 0
    assert float(plate["y"] or -1) >= 0


def test_what_a_file_states_at_length_is_folded() -> None:
    workflow = "a workflow of many nodes, " * 40
    claim = GeneratorClaim("png:workflow", workflow, "ComfyUI")
    report = replace(generated(), provenance=Provenance(ProvenanceState.ABSENT, claims=(claim,)))
    page = rendered(report)
    at = page.index("<dt>Stated generator</dt><dd><details><summary>")
    summary = page[at : page.index("</summary>", at)]
    assert summary.endswith("[…]")
    assert len(summary) < html.UNFOLDED
    assert words(page).count("a workflow of many nodes") > 20
    short = rendered(generated())
    assert "<dt>Stated generator</dt><dd>The file" in short
