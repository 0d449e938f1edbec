"""The inbox: what the party was told, what the person has read, and what they want by mail."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from itertools import chain
from typing import Any
from uuid import UUID
from zoneinfo import available_timezones

from django import forms
from django.contrib import messages
from django.contrib.admin import ModelAdmin, SimpleListFilter
from django.db.models import Exists, OuterRef, QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, resolve, reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, pgettext

from provenance import inbox, notices
from provenance.access import Viewer
from provenance.admin.base import ReadOnlyFacts
from provenance.admin.columns import column
from provenance.admin.site import site
from provenance.admin.verbs import Verb, VerbForm, person_of, viewer_of
from provenance.models import (
    DatasetVersion,
    Letter,
    Notice,
    OwnershipTransfer,
    Party,
    Sending,
    User,
)
from provenance.refusals import Refused
from provenance.templatetags.tallymark import moment, until


class UnreadFilter(SimpleListFilter):
    """All, or what the person has not read."""

    title = gettext_lazy("read or not")
    parameter_name = "unread"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        """The one choice besides all."""
        return [("1", _("not read yet"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Narrow the list."""
        return queryset.filter(is_unread=True) if self.value() == "1" else queryset


class TopicFilter(SimpleListFilter):
    """What it is about."""

    title = gettext_lazy("topic")
    parameter_name = "topic"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        """Every topic."""
        return list(notices.Topic.choices)

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Narrow the list."""
        if not self.value():
            return queryset
        codes = [kind.code for kind in notices.kinds() if kind.topic == self.value()]
        return queryset.filter(kind__in=codes)


class KindFilter(SimpleListFilter):
    """Which kind, among those that this party was told."""

    title = gettext_lazy("kind")
    parameter_name = "kind"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        """Kinds by their names."""
        mine = Notice.objects.visible_to(viewer_of(request))
        told = mine.order_by().values_list("kind", flat=True).distinct()
        return [(code, notices.kind_of(code).name) for code in told]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Narrow the list."""
        return queryset.filter(kind=self.value()) if self.value() else queryset


class PreferencesForm(VerbForm):
    """When each kind is mailed, and when the day begins."""

    def __init__(self, *args: Any, person: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        chosen, day = inbox.choices_of(person), inbox.day_of(person)
        self.fields["zone"] = forms.ChoiceField(
            label=_("Your time zone"),
            choices=[(zone, zone) for zone in sorted(available_timezones())],
            initial=day.zone,
        )
        self.fields["hour"] = forms.TypedChoiceField(
            label=_("What is gathered comes at"),
            choices=[(hour, f"{hour:02}:00") for hour in range(24)],
            coerce=int,
            initial=day.hour,
        )
        self._offered = notices.kinds_for(self.viewer.party)
        for kind in chain.from_iterable(self._offered.values()):
            if kind.may_be_off:
                self.fields[kind.code] = forms.ChoiceField(
                    label=kind.name,
                    choices=Sending.choices,
                    initial=chosen.get(kind.code, kind.sending),
                )

    def groups(self) -> list[dict[str, Any]]:
        """The kinds by topic, each with its field; None for those that are always mailed."""
        return [
            {"topic": topic.label, "kinds": [self._row(kind) for kind in some]}
            for topic, some in self._offered.items()
        ]

    def _row(self, kind: notices.Kind) -> dict[str, Any]:
        field = self[kind.code] if kind.code in self.fields else None
        return {"title": kind.name, "code": kind.code, "field": field}


def _read_all(request: HttpRequest, subject: Any, cleaned: dict[str, Any]) -> str:
    person = person_of(request)
    assert person is not None, "the admin site lets people in, not keys"
    count = inbox.mark_read(user=person, party=viewer_of(request).party, at=timezone.now())
    return _("Marked as read: %(count)s.") % {"count": count}


class NoticeAdmin(ReadOnlyFacts):
    """What the party was told, the newest first."""

    list_title = gettext_lazy("Notices")
    page_template = "provenance/notice.html"
    list_before_template = "provenance/notices_head.html"
    list_display = ("mark", "what", "topic", "when", "until_when")
    list_display_links = None
    list_filter = (UnreadFilter, TopicFilter, KindFilter)
    ordering = ("-made_at", "-pk")
    list_words = gettext_lazy(
        "What you were told, and where you act on it. It is mailed to you as you choose."
    )
    empty_title = gettext_lazy("Nothing yet")
    empty_words = gettext_lazy(
        "You are told here of overlaps, claims, deadlines, grants, payouts and keys."
    )
    empty_step = (gettext_lazy("To what waits for you"), "admin:index")
    list_verbs = (
        Verb(
            "read-all",
            gettext_lazy("Mark all as read"),
            "read",
            _read_all,
            explains=gettext_lazy("They stay here."),
        ),
    )

    def more_urls(self, named: Any) -> list[URLPattern]:
        return [
            named("preferences/", self.preferences_view, "preferences"),
            named("<str:object_id>/open/", self.open_view, "open"),
        ]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """With whether this person has read each."""
        unread = Letter.objects.filter(notice=OuterRef("pk"), user=person_of(request), read_at=None)
        rows: QuerySet[Any] = super().get_queryset(request).annotate(is_unread=Exists(unread))
        return rows

    def scope(self, viewer: Viewer) -> QuerySet[Any]:
        """What was told to the viewer's own party."""
        return Notice.objects.visible_to(viewer).select_related("party")

    def parties_of(self, subject: Any) -> Iterable[Party]:
        """Nobody sees another party's notices: there is no look to log."""
        return []

    def open_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Go where one acts; it is read with that."""
        notice = self.found(request, object_id)
        self._read(request, notice)
        path = notices.say(notice).path
        here = self.url("change", notice.pk)
        return HttpResponseRedirect(path if self._is_there(request, path) else here)

    def page_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """The notice as it was mailed; it is read with that."""
        answer = super().page_view(request, object_id)
        self._read(request, self.found(request, object_id))
        return answer

    def _is_there(self, request: HttpRequest, path: str) -> bool:
        """Whether what the page at `path` shows is there for this viewer: it may have passed on."""
        admin, pk = self._shown_at(path)
        if admin is None:
            return True
        subject = admin.get_object(request, pk)
        return subject is not None and bool(admin.has_view_permission(request, subject))

    def _shown_at(self, path: str) -> tuple[ModelAdmin[Any] | None, str]:
        """Whose page of one fact stands at `path`, and which; nobody's where it is a list."""
        match = resolve(path)
        for admin in self.admin_site._registry.values():
            label = "_".join((admin.opts.app_label, str(admin.opts.model_name), "change"))
            if match.url_name == label:
                return admin, match.kwargs["object_id"]
        return None, ""

    def _taken_by(self, notice: Notice, path: str) -> OwnershipTransfer | None:
        """The transfer with which a version that a notice is about left the party."""
        admin, pk = self._shown_at(path)
        if admin is None or admin.model is not DatasetVersion:
            return None
        accepted = OwnershipTransfer.objects.filter(state=OwnershipTransfer.State.ACCEPTED)
        given = accepted.filter(giver=notice.party, dataset__versions=UUID(pk))
        return given.order_by("-decided_at").first()

    def preferences_view(self, request: HttpRequest) -> HttpResponse:
        """What the person wants by mail, and when."""
        person = person_of(request)
        if person is None:
            raise Http404("There is no such page.")
        data = request.POST if request.method == "POST" else None
        form = PreferencesForm(data, viewer=viewer_of(request), person=person)
        if form.is_valid():
            given = dict(form.cleaned_data)
            zone, hour = given.pop("zone"), given.pop("hour")
            try:
                inbox.choose(user=person, choices=given, zone=zone, hour=hour)
            except Refused as refusal:
                form.add_error(None, f"{refusal.detail} {refusal.next_step}")
            else:
                messages.success(request, _("Saved. It holds for what happens from now on."))
                return HttpResponseRedirect(self.url("preferences"))
        context = {
            **self.admin_site.each_context(request),
            "title": _("What is mailed to you"),
            "above": [(self.heading(request), self.url("changelist"))],
            "opts": self.opts,
            "form": form,
            "person": person,
        }
        status = 422 if form.errors else 200
        return TemplateResponse(
            request, "provenance/notice_preferences.html", context, status=status
        )

    def details(self, request: HttpRequest, subject: Any) -> dict[str, Any]:
        said = notices.say(subject)
        is_there = self._is_there(request, said.path)
        return {
            "title": said.title,
            "said": said,
            "until": _until(subject, notices.awaited([subject], timezone.now())),
            "goes_to": self.url("open", subject.pk) if is_there else None,
            "taken_by": None if is_there else self._taken_by(subject, said.path),
            "all": self.url("changelist"),
        }

    def prepare(self, rows: list[Notice]) -> None:
        super().prepare(rows)
        awaited = notices.awaited(rows, timezone.now())
        for row in rows:
            row.until = _until(row, awaited)  # type: ignore[attr-defined]

    @staticmethod
    def _read(request: HttpRequest, notice: Notice) -> None:
        person = person_of(request)
        if person is not None:
            inbox.mark_read(user=person, party=notice.party, notice=notice.pk, at=timezone.now())

    @column(gettext_lazy("Read?"))
    def mark(self, notice: Any) -> SafeString:
        if not notice.is_unread:
            return format_html('<span class="tm-faint">{}</span>', _("read"))
        return format_html('<span class="tm-chip info">{}</span>', _("new"))

    @column(gettext_lazy("What happened"))
    def what(self, notice: Any) -> SafeString:
        said = notices.say(notice)
        return format_html(
            '<div class="tm tm-told"><a href="{}">{}</a><p class="tm-small">{}</p></div>',
            self.url("open", notice.pk),
            said.title,
            said.words,
        )

    @column(gettext_lazy("Topic"))
    def topic(self, notice: Notice) -> str:
        return str(notices.Topic(notices.kind_of(notice.kind).topic).label)

    @column(gettext_lazy("When"), ordering="made_at")
    def when(self, notice: Notice) -> SafeString | str:
        return moment(notice.made_at)

    @column(gettext_lazy("Until"), ordering="deadline_at")
    def until_when(self, notice: Any) -> str:
        return notice.until or "–"


def newest(viewer: Viewer, limit: int = 5) -> list[dict[str, Any]]:
    """What the person has not read yet, for the first page."""
    if viewer.user is None:
        return []
    letters = Letter.objects.unread(user=viewer.user, party=viewer.party)
    rows = list(letters.select_related("notice__party").order_by("-notice__made_at", "-pk")[:limit])
    waiting = notices.awaited([row.notice for row in rows], timezone.now())
    return [
        {
            "title": notices.say(row.notice).title,
            "url": reverse("admin:provenance_notice_open", args=[row.notice_id]),
            "at": row.notice.made_at,
            "until": _until(row.notice, waiting),
        }
        for row in rows
    ]


def _until(notice: Notice, awaited: Collection[UUID]) -> str:
    """Until when a notice's party is awaited, that this is over, or nothing without a deadline."""
    if notice.deadline_at is None:
        return ""
    return until(notice.deadline_at) if notice.pk in awaited else pgettext("a deadline", "over")


site.register(Notice, NoticeAdmin)
