"""HTML built from values: text is escaped by construction, in element and attribute alike.

``tag`` takes strings and escapes them; only what ``tag`` itself returned, an ``Html``, goes in as
markup. So no caller can forget.
"""

from __future__ import annotations

from collections.abc import Iterable
from html import escape
from typing import Final

_VOID: Final = frozenset(("img", "input", "meta", "br", "hr", "link"))


class Html(str):
    """Markup that is already safe. Made by `tag` and `join` only."""

    __slots__ = ()


Child = str | Html | None


def tag(name: str, /, *children: Child, **attributes: str | int | float | bool | None) -> Html:
    """An element.

    Attribute names: a trailing underscore is dropped (``class_``), others become hyphens
    (``data_map``). True gives an attribute without value; False and None leave it out.
    """
    parts = [name]
    for key, value in attributes.items():
        if value is None or value is False:
            continue
        attribute = key.rstrip("_").replace("_", "-")
        shown = "" if value is True else f'="{escape(str(value), quote=True)}"'
        parts.append(attribute + shown)
    opening = f"<{' '.join(parts)}>"
    if name in _VOID:
        return Html(opening)
    return Html(f"{opening}{join(children)}</{name}>")


def join(children: Iterable[Child]) -> Html:
    return Html("".join(c if isinstance(c, Html) else escape(c or "") for c in children))
