"""The one admin site: whoever belongs to a party comes in, and sees that party's facts."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import wraps
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from django.db.models import Model
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, URLResolver, path, reverse
from django.utils.translation import gettext_lazy as _lazy
from unfold.sites import UnfoldAdminSite

if TYPE_CHECKING:
    from provenance.admin.verbs import Verb


@dataclass(frozen=True)
class Panel:
    """One block of an object's page; an outer app may add its own to a page of ours."""

    title: str
    template: str
    context: dict[str, Any] = field(default_factory=dict)
    is_aside: bool = False


PanelMaker = Callable[[HttpRequest, Any], Panel | None]
Column = Callable[[Any], str]
# Finds what a column says of all the rows of a page at once, and leaves it on them.
Preparer = Callable[[list[Any]], None]


class TallymarkAdminSite(UnfoldAdminSite):  # type: ignore[misc]  # unfold ships no types
    """The web for owners, labs and operators: same pages, each limited to its party."""

    site_header = "Tallymark"
    site_title = "Tallymark"
    index_title = _lazy("Home")
    enable_nav_sidebar = True

    def __init__(self, name: str = "admin") -> None:
        super().__init__(name)
        self._panels: dict[type[Model], list[PanelMaker]] = defaultdict(list)
        self._verbs: dict[type[Model], list[Verb]] = defaultdict(list)
        self._list_verbs: dict[type[Model], list[Verb]] = defaultdict(list)
        self._columns: dict[type[Model], list[Column]] = defaultdict(list)
        self._preparers: dict[type[Model], list[Preparer]] = defaultdict(list)
        self._pages: list[URLPattern] = []
        self._twins: dict[type[Model], tuple[type[Model], type[Model]]] = {}

    def has_permission(self, request: HttpRequest) -> bool:
        """A signed-in active person who belongs to a party."""
        return bool(request.user.is_active and getattr(request, "viewer", None) is not None)

    def admin_view(self, view: Callable[..., Any], *options: Any) -> Callable[..., Any]:
        """As Django's, and an operator without a second factor is shown the way to one."""
        inner = super().admin_view(view, *options)

        @wraps(inner)
        def checked(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
            from provenance.admin.second_factor import of_operator

            return of_operator(request) or inner(request, *args, **kwargs)

        return checked

    def login(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Send a stranger to sign in, and a person without a party to where that is explained."""
        if request.user.is_authenticated:
            target = reverse("choose-party" if not self.has_permission(request) else "admin:index")
            return HttpResponseRedirect(target)
        back = request.GET.get("next", reverse("admin:index"))
        return HttpResponseRedirect(f"{reverse('account_login')}?{urlencode({'next': back})}")

    def get_urls(self) -> list[URLPattern | URLResolver]:
        """Unfold's addresses and the page where an operator says why it looks."""
        from provenance.admin.looking import end_view, reason_view

        own = [
            path("reason/", self.admin_view(reason_view), name="reason"),
            path("view-as/end/", self.admin_view(end_view), name="view-as-end"),
        ]
        return [*own, *self._pages, *super().get_urls()]

    def add_page(self, route: str, view: Callable[..., Any], name: str) -> None:
        """Put a page of its own beside the lists: `admin:NAME`, for whoever may come in."""
        self._pages.append(path(route, self.admin_view(view), name=name))

    def add_panel(self, model: type[Model], make: PanelMaker) -> None:
        """Put a block on every page of `model`, below those that are there."""
        self._panels[model].append(make)

    def panels(self, request: HttpRequest, subject: Model) -> list[Panel]:
        """The blocks that other modules put on the page of `subject`."""
        made = (make(request, subject) for make in self._panels[type(subject)])
        return [panel for panel in made if panel is not None]

    def add_twin(self, real: type[Model], test: type[Model]) -> None:
        """Join a list with that of the same noun's test data by a switch above both."""
        self._twins[real] = self._twins[test] = (real, test)

    def twins(self, model: type[Model]) -> list[tuple[type[Model], str]]:
        """The lists that the switch above a model's list leads to; none without test data."""
        return [
            (one, reverse(f"{self.name}:{one._meta.app_label}_{one._meta.model_name}_changelist"))
            for one in self._twins.get(model, ())
        ]

    def add_verb(self, model: type[Model], verb: Verb) -> None:
        """Offer another verb on every page of `model`."""
        self._verbs[model].append(verb)

    def verbs(self, model: type[Model]) -> list[Verb]:
        """The verbs that other modules offer on `model`."""
        return list(self._verbs[model])

    def add_list_verb(self, model: type[Model], verb: Verb) -> None:
        """Offer another verb that makes a new `model`, on its list."""
        self._list_verbs[model].append(verb)

    def list_verbs(self, model: type[Model]) -> list[Verb]:
        """The verbs that other modules offer on the list of `model`."""
        return list(self._list_verbs[model])

    def add_column(
        self, model: type[Model], column: Column, prepare: Preparer | None = None
    ) -> None:
        """Show another column on the list of `model`; name it with unfold's `display`.

        `prepare` is given the rows of a page before the column is asked about any of them.
        """
        self._columns[model].append(column)
        if prepare is not None:
            self._preparers[model].append(prepare)

    def prepare(self, model: type[Model], rows: list[Any]) -> None:
        """Let columns of other modules look up what they say of these rows."""
        for prepare in self._preparers[model]:
            prepare(rows)

    def columns(self, model: type[Model]) -> list[Column]:
        """The columns that other modules show on the list of `model`."""
        return list(self._columns[model])


site = TallymarkAdminSite()
