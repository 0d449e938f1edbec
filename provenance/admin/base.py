"""The manner of every admin page: facts are read; what may be done to them is a verb.

There is no add, change or delete page to forbid: those addresses do not exist.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import Any, ClassVar, cast

from django.contrib import messages
from django.db.models import Model, QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.text import capfirst
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as _lazy
from unfold.admin import ModelAdmin

from provenance import kept
from provenance.access import NotAllowed, Viewer
from provenance.admin import second_factor
from provenance.admin.list_sheets import sheet_link, sheet_of, wants_sheet
from provenance.admin.looking import gate, note_list
from provenance.admin.named import NamedList, column_of, name_of
from provenance.admin.verbs import Outcome, Verb, Words, viewer_of
from provenance.models import Party
from provenance.refusals import Refused

EVERYONE = frozenset({"owner", "lab", "operator"})
OWNERS = frozenset({"owner", "operator"})
LABS = frozenset({"lab", "operator"})
OPERATORS = frozenset({"operator"})


def roles_of(viewer: Viewer) -> frozenset[str]:
    """What the viewer's party is: owner, lab, operator, or several of them."""
    party = viewer.party
    named = {"owner": party.is_owner, "lab": party.is_lab, "operator": party.is_operator}
    return frozenset(role for role, is_so in named.items() if is_so)


_AT_HOME: tuple[Words, str] = (_lazy("To what waits for you"), "admin:index")


def _first_step(roles: frozenset[str]) -> tuple[Words, str]:
    """Where what an empty list would show begins, for a party of these roles."""
    if "operator" in roles:
        return _AT_HOME
    if "owner" in roles:
        return _lazy("To the datasets"), "admin:provenance_dataset_changelist"
    return _lazy("To the catalogue"), "admin:provenance_licence_changelist"


class ReadOnlyFacts(ModelAdmin):  # type: ignore[misc]  # unfold ships no types
    """Lists and pages of facts, limited to what `visible_to` the viewer, with verbs."""

    page_template: ClassVar[str] = "provenance/page.html"
    shown_to: ClassVar[frozenset[str]] = EVERYONE
    verbs: ClassVar[tuple[Verb, ...]] = ()
    list_verbs: ClassVar[tuple[Verb, ...]] = ()
    # How people call the list, where that is not the model's name.
    list_title: ClassVar[Words] = ""
    empty_title: ClassVar[Words] = _lazy("Nothing here yet")
    empty_words: ClassVar[Words] = ""
    # Where what would stand here begins, if not with a verb of the list: words and a URL's name.
    empty_step: ClassVar[tuple[Words, str] | None] = None
    list_words: ClassVar[Words] = ""
    # The same for an operator, who sees all, where the words are for a party about its own.
    operator_words: ClassVar[Words] = ""
    list_before_template = "provenance/list_head.html"
    list_per_page = 50
    list_max_show_all = 50
    show_full_result_count = False
    actions = None

    # Who may see it.

    def has_module_permission(self, request: HttpRequest) -> bool:
        return bool(self.shown_to & roles_of(viewer_of(request)))

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self.has_module_permission(request)

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Only what this viewer may see, whatever the page."""
        return self.scope(viewer_of(request)).order_by(*self.get_ordering(request))

    def scope(self, viewer: Viewer) -> QuerySet[Any]:
        """The rows that the viewer may see."""
        rows: QuerySet[Any] = self.model._default_manager.visible_to(viewer)
        return rows.select_related(*self.list_select_related or ())

    def parties_of(self, subject: Any) -> Iterable[Party]:
        """Whose data the subject is, for the access log."""
        for name in ("party", "owner", "lab"):
            found = getattr(subject, name, None)
            if isinstance(found, Party):
                return [found]
        return []

    # Addresses: a list, a page, and the verbs.

    def get_urls(self) -> list[URLPattern]:
        """The list, its verbs, an object's page and its verbs; nothing that edits."""
        wrap = self.admin_site.admin_view
        name = f"{self.opts.app_label}_{self.opts.model_name}"
        return [
            path("", wrap(self.changelist_view), name=f"{name}_changelist"),
            *self.more_urls(partial(self._named, name)),
            path("do/<slug:verb>/", wrap(self.list_verb_view), name=f"{name}_list_verb"),
            path("<str:object_id>/", wrap(self.page_view), name=f"{name}_change"),
            path("<str:object_id>/<slug:verb>/", wrap(self.verb_view), name=f"{name}_verb"),
        ]

    def more_urls(self, named: Any) -> list[URLPattern]:
        """Other addresses below this one: `named("<str:object_id>/file/", view, "file")`."""
        return []

    def _named(self, prefix: str, route: str, view: Any, name: str) -> URLPattern:
        wrapped: URLPattern = path(route, self.admin_site.admin_view(view), name=f"{prefix}_{name}")
        return wrapped

    def url(self, name: str, *args: Any) -> str:
        """The address of one of this admin's pages."""
        label = f"{self.opts.app_label}_{self.opts.model_name}"
        return reverse(f"{self.admin_site.name}:{label}_{name}", args=args)

    # The list.

    def heading(self, request: HttpRequest) -> str:
        """How this viewer calls the list."""
        return str(self.list_title) or capfirst(name_of(self.opts.verbose_name_plural))

    def lead(self, request: HttpRequest) -> Words:
        """What stands above the list, for this viewer."""
        is_overseen = viewer_of(request).is_operator and self.operator_words
        return self.operator_words if is_overseen else self.list_words

    def get_list_display(self, request: HttpRequest) -> list[Any]:
        """Our columns and those that outer apps add; whose a row is only where it may vary."""
        shown = [*super().get_list_display(request), *self.admin_site.columns(self.model)]
        is_overseen = viewer_of(request).is_operator
        named = [one for one in shown if is_overseen or one != "party"]
        return [column_of(self.model, self, one) for one in named]

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[NamedList]:
        """Lists whose filters are named in the reader's language."""
        return NamedList

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """The list, with its verbs and words; an operator's look is noted for each party."""
        if wants_sheet(request):
            return sheet_of(self, request)
        viewer = viewer_of(request)
        offered = [
            (verb, self.url("list_verb", verb.slug))
            for verb in self.list_verbs_of()
            if verb.is_open_to(viewer, None)
        ]
        extra = {
            "title": self.heading(request),
            "list_words": self.lead(request),
            "list_links": offered,
            "twins": self.twins(request),
            "sheet_link": sheet_link(request),
            **(extra_context or {}),
        }
        answer: HttpResponse = super().changelist_view(request, extra)
        shown = getattr(answer, "context_data", None) or {}
        if "cl" in shown:
            shown["cl"].next_step = self._next_step(request, offered)
            self.prepare_for(request, list(shown["cl"].result_list))
            touched = {p.pk: p for row in shown["cl"].result_list for p in self.parties_of(row)}
            with kept.in_english():
                what = _("list of %(things)s") % {"things": self.opts.verbose_name_plural}
            note_list(request, what, touched.values())
        return answer

    def _next_step(
        self, request: HttpRequest, offered: list[tuple[Verb, str]]
    ) -> tuple[Words, str]:
        """What an empty list leads to, words and address: the first thing to do here."""
        makes = [(verb.label, url) for verb, url in offered if verb.tone != "danger"]
        if makes and self.empty_step is None:
            return makes[0]
        words, name = self.empty_step or _first_step(roles_of(viewer_of(request)))
        if name == f"admin:{self.opts.app_label}_{self.opts.model_name}_changelist":
            words, name = _AT_HOME
        return words, reverse(name)

    def prepare_for(self, request: HttpRequest, rows: list[Any]) -> None:
        """The same where it depends on who looks; else that of `prepare`."""
        self.prepare(rows)

    def prepare(self, rows: list[Any]) -> None:
        """Look up what the columns say of these rows, all at once and before any is asked."""
        self.admin_site.prepare(self.model, rows)

    def twins(self, request: HttpRequest) -> list[tuple[Words, str, bool]]:
        """The switch between what is real and a lab's test data: words, address, whether here."""
        is_looking = getattr(request, "viewing_as", None) is not None
        if is_looking or not viewer_of(request).party.is_lab:
            return []
        words = (_("Real"), _("Test data"))
        found = self.admin_site.twins(self.model)
        return [
            (word, url, model is self.model)
            for word, (model, url) in zip(words, found, strict=False)
        ]

    # The page.

    def found(self, request: HttpRequest, object_id: str) -> Any:
        """The object, if this viewer may see it; else 404, as if it did not exist."""
        subject = self.get_object(request, object_id)
        if subject is None or not self.has_view_permission(request, subject):
            raise Http404("There is no such page, or it is not yours.")
        return subject

    def look(self, request: HttpRequest, subject: Any, reason: str = "") -> HttpResponse | None:
        """Log an operator's look; the page that asks for a reason where one is needed."""
        with kept.in_english():
            what = f"{self.opts.verbose_name} {subject}"
        return gate(request, what, self.parties_of(subject), reason)

    def page_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """The page of one fact."""
        subject = self.found(request, object_id)
        stopped = self.look(request, subject)
        if stopped is not None:
            return stopped
        return TemplateResponse(request, self.page_template, self.page_context(request, subject))

    def page_context(self, request: HttpRequest, subject: Any) -> dict[str, Any]:
        """What every page of a fact shows: its details, panels of other apps, and verbs."""
        viewer = viewer_of(request)
        offered = [
            (verb, self.url("verb", subject.pk, verb.slug), self._form(verb, viewer, subject))
            for verb in self.verbs_of(subject)
            if verb.is_open_to(viewer, subject)
        ]
        panels = self.admin_site.panels(request, subject)
        return {
            **self.admin_site.each_context(request),
            "title": str(subject),
            "above": [(self.heading(request), self.url("changelist"))],
            "opts": self.opts,
            "original": subject,
            "object": subject,
            "viewer": viewer,
            "verb_links": [entry for entry in offered if not entry[0].is_inline],
            "verb_forms": [entry for entry in offered if entry[0].is_inline],
            "panels": [panel for panel in panels if not panel.is_aside],
            "asides": [panel for panel in panels if panel.is_aside],
            **self.details(request, subject),
        }

    def details(self, request: HttpRequest, subject: Any) -> dict[str, Any]:
        """What the page of this noun shows besides."""
        return {}

    # The verbs.

    def verbs_of(self, subject: Any) -> list[Verb]:
        """This noun's verbs and those that outer apps add."""
        return [*self.verbs, *self.admin_site.verbs(type(subject))]

    def list_verbs_of(self) -> list[Verb]:
        """The verbs that make something new here, those of outer apps too."""
        return [*self.list_verbs, *self.admin_site.list_verbs(self.model)]

    def _form(self, verb: Verb, viewer: Viewer, subject: Any, *data: Any) -> Any:
        return verb.form(*data, viewer=viewer, subject=subject, prefix=verb.slug)

    def verb_view(self, request: HttpRequest, object_id: str, verb: str) -> HttpResponse:
        """One verb on one fact: its form, then its use case."""
        subject = self.found(request, object_id)
        stopped = self.look(request, subject)
        if stopped is not None:
            return stopped
        chosen = next((each for each in self.verbs_of(subject) if each.slug == verb), None)
        back = self.url("change", subject.pk)
        return self._perform(request, chosen, subject, back)

    def list_verb_view(self, request: HttpRequest, verb: str) -> HttpResponse:
        """One verb that makes something new."""
        chosen = next((each for each in self.list_verbs_of() if each.slug == verb), None)
        if not self.has_module_permission(request):
            raise Http404("There is no such page.")
        return self._perform(request, chosen, None, self.url("changelist"))

    def _perform(
        self, request: HttpRequest, verb: Verb | None, subject: Model | None, back: str
    ) -> HttpResponse:
        if verb is None:
            raise Http404("There is no such action.")
        viewer = viewer_of(request)
        if not verb.is_open_to(viewer, subject):
            return self._closed(request, verb, viewer, back)
        if verb.needs_second_factor and (way := second_factor.wants_one(request)) is not None:
            return way
        data = (request.POST, request.FILES) if request.method == "POST" else ()
        form = self._form(verb, viewer, subject, *data)
        if request.method == "POST" and form.is_valid():
            try:
                outcome = verb.do(request, subject, form.cleaned_data)
            except Refused as refusal:
                form.add_error(None, f"{refusal.detail} {refusal.next_step}".strip())
            else:
                return self._done(request, outcome, back)
        context = {
            **self.admin_site.each_context(request),
            "title": verb.label,
            "above": [
                (self.heading(request), self.url("changelist")),
                *([(str(subject), back)] if subject is not None else []),
            ],
            "opts": self.opts,
            "object": subject,
            "verb": verb,
            "form": form,
            "panels": self.admin_site.panels(request, subject)
            if subject is not None and form.about_template
            else [],
            "back": back,
            "viewer": viewer,
        }
        status = 200 if request.method != "POST" else 422
        return TemplateResponse(request, "provenance/verb.html", context, status=status)

    def _closed(self, request: HttpRequest, verb: Verb, viewer: Viewer, back: str) -> HttpResponse:
        if not viewer.may(verb.right):
            needs = _("'%(verb)s' needs the right '%(right)s'.")
            refusal = NotAllowed(needs % {"verb": verb.label, "right": verb.right})
            messages.error(request, f"{refusal.detail} {refusal.next_step}")
        else:
            gone = _("'%(verb)s' is not possible any more. Nothing changed.")
            messages.warning(request, gone % {"verb": verb.label})
        return HttpResponseRedirect(back)

    def _done(self, request: HttpRequest, outcome: Outcome, back: str) -> HttpResponse:
        if isinstance(outcome, HttpResponseBase):
            return cast(HttpResponse, outcome)
        messages.success(request, outcome)
        return HttpResponseRedirect(back)
