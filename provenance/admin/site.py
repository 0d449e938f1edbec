"""The one admin site: whoever belongs to a party comes in, and sees that party's facts."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from django.db.models import Model
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, URLResolver, path, reverse
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


class TallymarkAdminSite(UnfoldAdminSite):  # type: ignore[misc]  # unfold ships no types
    """The web for owners, labs and operators: same pages, each limited to its party."""

    site_header = "Tallymark"
    site_title = "Tallymark"
    index_title = "Home"
    enable_nav_sidebar = True

    def __init__(self, name: str = "admin") -> None:
        super().__init__(name)
        self._panels: dict[type[Model], list[PanelMaker]] = defaultdict(list)
        self._verbs: dict[type[Model], list[Verb]] = defaultdict(list)
        self._list_verbs: dict[type[Model], list[Verb]] = defaultdict(list)
        self._columns: dict[type[Model], list[Column]] = defaultdict(list)

    def has_permission(self, request: HttpRequest) -> bool:
        """A signed-in active person who belongs to a party."""
        return bool(request.user.is_active and getattr(request, "viewer", None) is not None)

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
        from provenance.admin.looking import reason_view

        own = [path("reason/", self.admin_view(reason_view), name="reason")]
        return [*own, *super().get_urls()]

    def add_panel(self, model: type[Model], make: PanelMaker) -> None:
        """Put a block on every page of `model`, below those that are there."""
        self._panels[model].append(make)

    def panels(self, request: HttpRequest, subject: Model) -> list[Panel]:
        """The blocks that other modules put on the page of `subject`."""
        made = (make(request, subject) for make in self._panels[type(subject)])
        return [panel for panel in made if panel is not None]

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

    def add_column(self, model: type[Model], column: Column) -> None:
        """Show another column on the list of `model`; name it with unfold's `display`."""
        self._columns[model].append(column)

    def columns(self, model: type[Model]) -> list[Column]:
        """The columns that other modules show on the list of `model`."""
        return list(self._columns[model])


site = TallymarkAdminSite()
