"""Template tags of the look: icons, states, times and figures. Text only; every tag escapes what it is given."""

from __future__ import annotations

import json
from datetime import datetime
from functools import lru_cache

from django import template
from django.forms import BoundField, CheckboxInput, RadioSelect
from django.templatetags.static import static
from django.urls import NoReverseMatch, reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from investigations.web import badges, plots, wording

register = template.Library()

register.filter("number", wording.number)
register.filter("compact", wording.compact)
register.filter("percent", wording.percent)
register.filter("duration", wording.duration)
register.filter("size", wording.size)
register.filter("short_id", wording.short_id)
register.filter("short_sha", wording.short_sha)
register.filter("initials", wording.initials)


@register.filter
def short_type(name: str) -> str:
    """``trades.models.TradeRequest`` as ``TradeRequest``; the whole name belongs into a title."""
    return name.rpartition(".")[2]


@register.filter
def as_json(data: object) -> str:
    """Plain data for a script to read out of an attribute; escaped there as any text."""
    return json.dumps(data, separators=(",", ":"))


@register.filter
def is_checkbox(field: BoundField) -> bool:
    return isinstance(field.field.widget, CheckboxInput)


@register.filter
def is_choices(field: BoundField) -> bool:
    """Whether the field is a row of radio buttons."""
    return isinstance(field.field.widget, RadioSelect)


@register.filter
def control(field: BoundField) -> SafeString:
    """The field's widget in the look's clothes; Django adds the aria attributes of help and errors."""
    if is_checkbox(field):
        return field.as_widget()
    given = field.field.widget.attrs.get("class", "")
    return field.as_widget(attrs={"class": f"input {given}".strip()})


@register.simple_tag
def icon(name: str, label: str = "") -> SafeString:
    """A 16 px stroke icon of icons.svg; hidden from screen readers unless it carries a `label`."""
    return _drawn("icon", f"i-{name}", label)


@register.simple_tag
def mark(name: str, label: str = "", style: str = "") -> SafeString:
    """A 12 px state mark of icons.svg; `style` adds a class."""
    return _drawn(f"mark {style}".strip(), f"m-{name}", label)


@register.simple_tag
def symbol(name: str) -> str:
    """The address of one symbol of icons.svg, for a ``<use>`` written by hand."""
    return f"{static('icons.svg')}#{name}"


@lru_cache(maxsize=512)  # a page draws few of them often
def _drawn(style: str, symbol: str, label: str) -> SafeString:
    sprite = static("icons.svg")
    if label:
        return format_html(
            '<svg class="{}" role="img" aria-label="{}"><use href="{}#{}"/></svg>',
            style,
            label,
            sprite,
            symbol,
        )
    return format_html('<svg class="{}" aria-hidden="true"><use href="{}#{}"/></svg>', style, sprite, symbol)


@register.simple_tag
@lru_cache(maxsize=512)
def state(kind: str, value: str, word: str = "") -> SafeString:
    """A state as mark, tone and word, as ``{% state "probe" probe.state %}``; `word` replaces the usual one."""
    badge = badges.badge(kind, value)
    return format_html('<span class="state {}">{}{}</span>', badge.tone, mark(badge.mark), word or badge.word)


@register.simple_tag
def outcome(value: str | None) -> SafeString:
    """✓ PASS, ✕ FAIL or ? unknown."""
    return state("outcome", value or "unknown")


@register.simple_tag
def stance(name: str, inferred: bool = False) -> SafeString:
    """A cell of the evidence matrix: sign, and the words in its title and for screen readers."""
    sign, style, words = badges.stance(name, inferred)
    return format_html(
        '<span class="stance {}" title="{}"><span aria-hidden="true">{}</span>'
        '<span class="visually-hidden">{}</span></span>',
        style, words, sign, words,
    )  # fmt: skip


@register.simple_tag
def actor(name: str, kind: str = "person", on_behalf_of: str = "") -> SafeString:
    """A round badge for a person, a square dashed one for an agent (or the system)."""
    title = f"{name}, for {on_behalf_of}" if on_behalf_of else name
    return format_html(
        '<span class="actor{}" title="{}"><span aria-hidden="true">{}</span>'
        '<span class="visually-hidden">{}</span></span>',
        "" if kind == "person" else " agent", title, wording.initials(name), title,
    )  # fmt: skip


@register.simple_tag
def ago(moment: datetime | None, word: str = "") -> SafeString:
    """Time since (or until), kept current by relative-time.js; the full instant in its title."""
    if moment is None:
        return format_html('<span class="quiet">{}</span>', wording.UNKNOWN)
    return format_html(
        '<relative-time><time datetime="{}" title="{}">{}</time>{}</relative-time>',
        moment.isoformat(), wording.utc(moment), wording.ago(moment, timezone.now()), f" {word}" if word else "",
    )  # fmt: skip


@register.simple_tag
def clock(moment: datetime | None, form: str = "%H:%M:%S") -> SafeString:
    """The time of day in the viewer's zone, the full instant in its title."""
    if moment is None:
        return format_html('<span class="quiet">{}</span>', wording.UNKNOWN)
    local = timezone.localtime(moment) if timezone.is_aware(moment) else moment
    return format_html(
        '<time datetime="{}" title="{}">{}</time>',
        moment.isoformat(),
        wording.utc(moment),
        local.strftime(form),
    )


@register.inclusion_tag("components/sparkline.html")
def sparkline(
    values: list[float | None],
    threshold: float | None = None,
    width: int = 132,
    height: int = 32,
    unit: str = "",
) -> dict[str, object]:
    """A small curve of evenly spaced values; None is a hatched gap."""
    return {"spark": plots.sparkline(values, threshold=threshold, width=width, height=height, unit=unit)}


@register.inclusion_tag("components/meter.html")
def meter(used: float | None, allowed: float, label: str) -> dict[str, object]:
    """How much of what is allowed is used, as a bar with its words."""
    return {"bar": plots.budget(used, allowed), "label": label}


@register.simple_tag
def hits_by_ending(hits: dict[str, int]) -> dict[str, object]:
    """Hits by ending, ready for components/endings.html, as ``{% hits_by_ending probe.hits as hits %}``."""
    return {"rects": plots.endings(hits), "total": sum(hits.values())}


@register.inclusion_tag("components/rail_item.html", takes_context=True)
def rail_item(
    context: template.Context,
    name: str,
    label: str,
    symbol: str,
    also: str = "",
    style: str = "",
    count: int = 0,
) -> dict[str, object]:
    """One place of the rail; left out while the page `name` does not exist, current on its own and the `also` paths."""
    try:
        href = reverse(name)
    except NoReverseMatch:
        return {"href": ""}
    request = context.get("request")
    path = request.path if request else ""
    roots = [each for each in (href, *also.split()) if each != "/"]
    current = path == href or any(path.startswith(root) for root in roots)
    return {"href": href, "label": label, "icon": symbol, "style": style, "count": count, "current": current}
