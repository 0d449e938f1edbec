"""Words that rows keep, on pages: in the language of whoever reads them."""

from __future__ import annotations

from django import template
from django.utils.translation import gettext

from provenance import kept

register = template.Library()


@register.filter
def said(text: object) -> str:
    """A kept text in the active language."""
    return kept.said(str(text)) if text else ""


@register.filter
def named(code: object) -> str:
    """The word for a code, such as what was counted or by which way it was paid."""
    return gettext(str(code).replace("_", " ")) if code else ""


@register.filter
def purpose(code: object) -> str:
    """The word for one purpose."""
    from provenance.models import Purpose

    return str(dict(Purpose.choices).get(str(code), code))
