"""A report as one page: self-contained, offline, readable on a phone, on paper and without colour.

Nothing is loaded from anywhere, and the page's policy forbids it; script and style are part of
this package and named there by hash, so that no markup from a file could ever run.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator, Mapping
from importlib.resources import files
from string import Template
from typing import Final

from tellsign import __version__
from tellsign.fusion import policy as policies
from tellsign.fusion.policy import Policy
from tellsign.report import file_rows, viewer, wording
from tellsign.report.markup import Html, join, tag
from tellsign.report.overlay import Pixels
from tellsign.report.report import SENTENCE
from tellsign.report.text import clean
from tellsign.report.viewer import Exhibit
from tellsign.report.wording import Section
from tellsign.types import CONCLUDED, Conclusion, Evidence, Map, Report, Support

UNFOLDED: Final = 400  # characters of a fact that are shown at once
_NOTHING: Final[Mapping[str, str]] = {}
_CONTENTS: Final = (
    ("conclusions", "Conclusions"),
    ("provenance", "Provenance"),
    ("picture", "Picture"),
    ("evidence", "Evidence"),
    ("unsaid", "What could not be said"),
    ("reading", "How to read this"),
    ("repeat", "How to repeat it"),
)


def render(
    report: Report,
    picture: Pixels | None = None,
    views: Mapping[str, Map] | None = None,
    blind_spots: Mapping[str, str] = _NOTHING,
    *,
    titles: Mapping[str, str] = _NOTHING,
    policy: Policy | None = None,
    command: str | None = None,
    upright: bool = False,
) -> str:
    """Return the page.

    Parameters
    ----------
    report
        What to show.
    picture : (H, W, 3) uint8, optional
        The stored pixels; embedded with a longest side of at most 1600.
    views
        Maps that are no evidence (error level analysis, ghosts), by title; shown apart.
    blind_spots, titles
        By detector name: the "Blind spots" section and the title of its documentation.
    policy
        The verbal scale that was used; the packaged one by default.
    command
        What the user typed; made up from the file name by default.
    upright
        Turn the picture as its Exif orientation says.
    """
    exhibit = Exhibit(report, picture, titles, upright)
    scale = policy or policies.load()
    main = [
        tag("div", _conclusions(exhibit, scale), _provenance(report), class_="pair"),
        _picture(exhibit),
        _evidence(exhibit, scale, blind_spots),
        _unsaid(report, titles),
        _views(exhibit, views or {}),
        _children(report, titles),
        _reading(scale),
        _repeat(report, command),
    ]
    body = join([_masthead(report, main), tag("main", *main), _footer()])
    return page(f"tellsign: {clean(report.source.name)}", body)


def page(title: str, body: Html) -> str:
    """Put a body into the page, with the policy that lets only our own script and style in."""
    assets = files("tellsign.report").joinpath("assets")
    style = assets.joinpath("page.css").read_text("utf-8")
    script = assets.joinpath("page.js").read_text("utf-8")
    template = Template(assets.joinpath("page.html").read_text("utf-8"))
    return template.substitute(
        title=join([title]),
        style=style,
        script=script,
        style_hash=_csp_hash(style),
        script_hash=_csp_hash(script),
        body=body,
    )


def _csp_hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _masthead(report: Report, main: list[Html | None]) -> Html:
    there = "".join(section for section in main if section)
    links = [
        tag("li", tag("a", title, href=f"#{id_}"))
        for id_, title in _CONTENTS
        if f'id="{id_}"' in there
    ]
    return tag(
        "header",
        tag(
            "div",
            tag("b", "tellsign · examination report"),
            tag("span", f"{clean(report.created)} · version {__version__}"),
            class_="top",
        ),
        tag("h1", clean(report.headline, SENTENCE)),
        facts(file_rows.media_rows(report)),
        tag("nav", tag("ul", *links), aria_label="Contents"),
        class_="masthead",
    )


def facts(rows: Iterator[tuple[str, str]]) -> Html:
    parts = [x for k, v in rows for x in (tag("dt", k), tag("dd", _value(k, v)))]
    return tag("dl", *parts, class_="facts")


def _value(label: str, value: str) -> Html:
    if len(value) > UNFOLDED:
        # Workflows run to pages; what follows them must stay in sight.
        return tag("details", tag("summary", clean(value, UNFOLDED // 2)), tag("p", value))
    hashed = "sha256" in value or label in ("SHA-256", "Input SHA-256", "Plan")
    return tag("code", value) if hashed else join([value])


def _footer() -> Html:
    said = (
        "Conclusions state support for a proposition. They are neither a probability nor a verdict."
    )
    return tag("footer", tag("p", said))


# --- conclusions and provenance ------------------------------------------------------------------


def _conclusions(exhibit: Exhibit, policy: Policy) -> Html:
    report = exhibit.report
    items = [
        _conclusion(c, exhibit, policy) for s in wording.sections(report) for c in s.conclusions
    ]
    if not items:
        items = [tag("p", "None was asked for.")]
    return tag(
        "section", tag("h2", "Conclusions"), tag("div", *items, class_="card"), id="conclusions"
    )


def _conclusion(conclusion: Conclusion, exhibit: Exhibit, policy: Policy) -> Html:
    supported = conclusion.support is not Support.NONE
    used = wording.used_text(conclusion, exhibit.titles)
    body = [
        tag(
            "div",
            tag("h3", wording.TITLES[conclusion.question]),
            tag(
                "span",
                wording.support_text(conclusion),
                class_=f"badge {conclusion.direction or 'none'}",
            ),
            class_="head",
        ),
        tag("p", clean(conclusion.text, SENTENCE)),
        viewer.gauge(conclusion.llr, None, policy) if conclusion.llr is not None else None,
        tag("p", used, class_="soft") if used else None,
    ]
    inner = tag("div", *body, class_=f"lead {conclusion.direction}") if supported else join(body)
    return tag("div", inner, class_="conclusion")


def _provenance(report: Report) -> Html:
    claims = report.provenance
    state = wording.provenance_state(report)
    rows = list(wording.provenance_rows(claims))
    codes = [
        tag(
            "tr",
            tag("td", tag("code", clean(s.code))),
            tag("td", tag("span", s.kind, class_=f"badge {s.kind}")),
            tag("td", tag("code", clean(s.url, SENTENCE)) if s.url else None),
        )
        for s in claims.status
    ]
    head = tag("tr", *(tag("th", t, scope="col") for t in ("Status code", "Kind", "Where")))
    table = tag("table", tag("thead", head), tag("tbody", *codes), class_="stacked statuses")
    return tag(
        "section",
        tag("h2", "Provenance"),
        tag(
            "div",
            tag(
                "div",
                tag("h3", "C2PA manifest"),
                tag("span", state, class_=f"badge {state.replace(' ', '-')}"),
                class_="head",
            ),
            tag("p", wording.provenance_text(report)),
            facts(iter(rows)) if rows else None,
            tag("h4", "Status codes, as the validator gave them") if codes else None,
            table if codes else None,
            tag("p", wording.CLAIMS, class_="soft") if rows else None,
            class_="card",
        ),
        id="provenance",
    )


# --- picture and evidence ------------------------------------------------------------------------


def _picture(exhibit: Exhibit) -> Html | None:
    desk = viewer.desk(exhibit)
    return desk and tag("section", tag("h2", "Picture, maps and findings"), desk, id="picture")


def _evidence(exhibit: Exhibit, policy: Policy, blind_spots: Mapping[str, str]) -> Html:
    report = exhibit.report
    return tag(
        "section",
        tag("h2", "What was tested, and what it showed"),
        tag("p", wording.counts_text(report)),
        *(_question(s, exhibit, policy, blind_spots) for s in wording.sections(report)),
        id="evidence",
    )


def _question(
    section: Section, exhibit: Exhibit, policy: Policy, blind_spots: Mapping[str, str]
) -> Html:
    said = [tag("p", clean(c.text, SENTENCE)) for c in section.conclusions]
    if not section.conclusions:
        said = [tag("p", wording.HISTORY, class_="soft")]
    return tag(
        "div",
        tag("h3", section.title),
        *said,
        *(_card(e, exhibit, policy, blind_spots) for e in section.evidence),
        _refusals(section, exhibit.titles),
        class_="question",
    )


def _card(
    evidence: Evidence, exhibit: Exhibit, policy: Policy, blind_spots: Mapping[str, str]
) -> Html:
    origin = evidence.origin
    calibrated = exhibit.report.calibrated.get(origin.detector)
    findings = [viewer.finding_item(exhibit, f) for f in evidence.findings]
    figures = [
        viewer.figure(exhibit, layer) for layer in exhibit.layers if layer.evidence is evidence
    ]
    described = evidence.question in CONCLUDED
    text = [
        tag("p", f"{_capital(wording.score_text(evidence))}.", class_="score"),
        tag("p", f"{_capital(wording.llr_text(calibrated))}.", class_="score")
        if described or calibrated
        else None,
        viewer.gauge(calibrated.llr, calibrated.interval, policy) if calibrated else None,
        tag("ol", *findings, class_="findings") if findings else None,
        _limits(evidence, blind_spots),
    ]
    body: Html = join(text)
    if figures:
        body = tag("div", tag("div", body), tag("div", *figures, class_="figures"), class_="split")
    return tag(
        "article",
        tag(
            "div",
            tag("h4", wording.detector_name(origin.detector, exhibit.titles)),
            tag("code", f"{clean(origin.detector)} {clean(origin.version)}", class_="soft"),
            class_="head",
        ),
        body,
        class_="card evidence",
    )


def _limits(evidence: Evidence, blind_spots: Mapping[str, str]) -> Html | None:
    limits = wording.limits_text(evidence, blind_spots)
    if limits:
        return tag("p", limits)
    spots = wording.blind_spots_text(evidence, blind_spots)
    summary = tag("summary", "What this method cannot see")
    return tag("details", summary, tag("p", spots, class_="soft")) if spots else None


def _refusals(section: Section, titles: Mapping[str, str]) -> Html | None:
    lines = list(wording.refusals(section, titles))
    if not lines:
        return None
    items = (tag("li", tag("b", name), f": {why}") for name, why in lines)
    return tag(
        "div",
        tag("h4", "Asked, without an answer"),
        tag("ul", *items, class_="plain"),
        class_="card",
    )


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


# --- the rest ------------------------------------------------------------------------------------


def _unsaid(report: Report, titles: Mapping[str, str]) -> Html:
    lines = list(wording.unsaid(report, titles))
    parts = [x for subject, why in lines for x in (tag("dt", subject), tag("dd", why))]
    return tag(
        "section",
        tag("h2", "What could not be said, and why"),
        tag("div", tag("dl", *parts, class_="unsaid"), class_="card")
        if parts
        else tag("p", "Every question asked has a conclusion."),
        id="unsaid",
    )


def _views(exhibit: Exhibit, views: Mapping[str, Map]) -> Html | None:
    if not views:
        return None
    return tag(
        "section",
        tag("h2", "Views, not evidence"),
        tag(
            "div",
            tag("p", wording.VIEWS),
            tag(
                "div",
                *(viewer.view_figure(exhibit, n, m) for n, m in views.items()),
                class_="views",
            ),
            class_="card",
        ),
        id="views",
    )


def _children(report: Report, titles: Mapping[str, str]) -> Html | None:
    if not report.children:
        return None
    return tag(
        "section",
        tag("h2", "Pictures found inside the file"),
        *(_child(c, titles) for c in report.children),
        id="children",
    )


def _child(report: Report, titles: Mapping[str, str]) -> Html:
    outcomes = [
        tag("li", tag("b", name), f": {what}")
        for name, what in wording.outcome_lines(report, titles)
    ]
    return tag(
        "article",
        tag("h3", clean(report.source.name), class_="wrap"),
        tag("p", clean(report.headline, SENTENCE)),
        facts(row for row in file_rows.media_rows(report) if row[0] != "File"),
        tag("p", f"Provenance: {wording.provenance_text(report)}"),
        tag("details", tag("summary", "What was tested"), tag("ul", *outcomes, class_="plain"))
        if outcomes
        else None,
        *(_child(c, titles) for c in report.children),
        class_="card",
    )


def _reading(policy: Policy) -> Html:
    rows = [tag("tr", *(tag("td", cell) for cell in row)) for row in wording.scale_rows(policy)]
    titles = ("|log10 LR|", "Likelihood ratio", "Words used")
    table = tag(
        "table",
        tag("thead", tag("tr", *(tag("th", t, scope="col") for t in titles))),
        tag("tbody", *rows),
    )
    return tag(
        "section",
        tag("h2", "How to read this"),
        tag(
            "div",
            tag("p", wording.RATIO),
            table,
            tag("p", wording.clip_text(policy)),
            tag("p", wording.TEXTURE),
            class_="card",
        ),
        id="reading",
    )


def _repeat(report: Report, command: str | None) -> Html:
    rows = [r for r in file_rows.repeat_rows(report, command) if r[0] != "Command"]
    methods = [
        tag("tr", tag("td", name), tag("td", tag("code", what)))
        for name, what in file_rows.method_rows(report)
    ]
    return tag(
        "section",
        tag("h2", "How to repeat it"),
        tag(
            "div",
            tag("p", wording.REPEAT),
            tag("code", file_rows.command_text(report, command), class_="command"),
            facts(iter(rows)),
            tag(
                "details",
                tag("summary", "Detectors, their versions and hashes"),
                tag("table", tag("tbody", *methods), class_="stacked"),
            )
            if methods
            else None,
            class_="card",
        ),
        id="repeat",
    )
