"""Verbs: what a person may do to a fact, each a form with its words, its right and one use case."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

from django import forms
from django.core.exceptions import PermissionDenied
from django.forms.utils import pretty_name
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils.functional import Promise
from django.utils.translation import gettext

from provenance.access import Viewer
from provenance.models import User


def viewer_of(request: HttpRequest) -> Viewer:
    """The viewer of a request that the admin site let in."""
    viewer = getattr(request, "viewer", None)
    if not isinstance(viewer, Viewer):
        raise PermissionDenied("Sign in as a member of a party first.")
    return viewer


def person_of(request: HttpRequest) -> User | None:
    """The signed-in person, for the facts that name who did it."""
    return request.user if isinstance(request.user, User) else None


class VerbForm(forms.Form):
    """A verb's form; it knows who asks and about what, so that its choices can be theirs."""

    required_css_class = "tm-required"
    # What must be read before it is done, above the form; it may show the subject's panels.
    about_template: ClassVar[str] = ""

    def __init__(self, *args: Any, viewer: Viewer, subject: Any = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.viewer = viewer
        self.subject = subject
        self.label_suffix = ""
        for name, bound in self.fields.items():
            if bound.label is None:
                bound.label = gettext(pretty_name(name))
            if isinstance(bound.widget, forms.Textarea):
                bound.widget.attrs["rows"] = 4


# Words that people read: as they are, or translated when they are shown.
Words = str | Promise
# What a verb's use case gives back: words for the person, or a whole answer (a key shown once).
Outcome = str | HttpResponseBase
Doing = Callable[[HttpRequest, Any, dict[str, Any]], Outcome]


def _always(viewer: Viewer, subject: Any) -> bool:
    return True


@dataclass(frozen=True)
class Verb:
    """One thing that may be done: offered only where it can succeed and the role allows it."""

    slug: str
    label: Words
    right: str
    do: Doing
    form: type[VerbForm] = VerbForm
    explains: Words = ""
    offered: Callable[[Viewer, Any], bool] = _always
    tone: str = ""
    # Shown open on the object's page instead of behind a button.
    is_inline: bool = False
    # Where money goes is not changed on the strength of a password.
    needs_second_factor: bool = False

    def is_open_to(self, viewer: Viewer, subject: Any) -> bool:
        """Whether `viewer` may do it to `subject` now."""
        return viewer.may(self.right) and self.offered(viewer, subject)


def owns(viewer: Viewer, subject: Any) -> bool:
    """Whether `subject` belongs to the viewer's own party through `owner`."""
    return bool(subject.owner_id == viewer.party.pk)
