"""In which language a person reads: chosen on any page, kept with the account, used for mail.

Programs read one: what stands under /api/v1/ is English, whatever a request would accept.
"""

from __future__ import annotations

from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.middleware.locale import LocaleMiddleware
from django.urls import path
from django.utils import translation
from django.views.decorators.cache import cache_control
from django.views.decorators.http import require_POST, require_safe
from django.views.i18n import JavaScriptCatalog, set_language

from provenance import parties
from provenance.models import User

FOR_PROGRAMS = ("/api/v1/", "/api/schema")
OUR_APPS = ["provenance", "ingest", "compensation", "deploy"]


class LanguageMiddleware(LocaleMiddleware):
    """The language of the account; else the one chosen here; else what the browser asks for."""

    def process_request(self, request: HttpRequest) -> None:
        """Activate the language of this request."""
        own = "" if _is_for_programs(request) else _own_language(request)
        if not own and not _is_for_programs(request):
            super().process_request(request)
            return
        translation.activate(own or settings.LANGUAGE_CODE)
        request.LANGUAGE_CODE = translation.get_language()

    def process_response(
        self, request: HttpRequest, response: HttpResponseBase
    ) -> HttpResponseBase:
        """Say in which language a page is; answers to programs stay as they are."""
        if _is_for_programs(request):
            return response
        return super().process_response(request, response)


class AccountAdapter(DefaultAccountAdapter):  # type: ignore[misc]  # allauth ships no types
    """Keeps with the account what a person chose before there was one, or before signing in."""

    def save_user(self, request: HttpRequest, user: User, form: Any, commit: bool = True) -> User:  # noqa: FBT001, FBT002
        """A new person reads on in the language of the sign-up."""
        user.language = translation.get_language() or ""
        saved: User = super().save_user(request, user, form, commit)
        return saved

    def login(self, request: HttpRequest, user: User) -> None:
        """Sign in; the first choice that an account lacks is the one made in this browser."""
        super().login(request, user)
        chosen = request.COOKIES.get(settings.LANGUAGE_COOKIE_NAME, "")
        if not user.language and is_known(chosen):
            parties.choose_language(user=user, language=chosen)


def is_known(language: str) -> bool:
    """Whether our words are there in this language."""
    return language in dict(settings.LANGUAGES)


@require_POST
def choose(request: HttpRequest) -> HttpResponse:
    """Keep the chosen language in the browser, and with the account of who is signed in."""
    chosen = request.POST.get("language", "")
    if is_known(chosen) and isinstance(request.user, User):
        parties.choose_language(user=request.user, language=chosen)
    return set_language(request)


@require_safe
@cache_control(max_age=300)
def script_words(request: HttpRequest) -> HttpResponseBase:
    """The words of our scripts: `gettext` and its like for the browser, in `?language=`."""
    language = request.GET.get("language", "")
    with translation.override(language if is_known(language) else settings.LANGUAGE_CODE):
        return JavaScriptCatalog.as_view(packages=OUR_APPS)(request)


def _is_for_programs(request: HttpRequest) -> bool:
    return request.path.startswith(FOR_PROGRAMS)


def _own_language(request: HttpRequest) -> str:
    """What the account of a signed-in person says; empty for strangers."""
    if settings.SESSION_COOKIE_NAME not in request.COOKIES or not isinstance(request.user, User):
        return ""
    return request.user.language if is_known(request.user.language) else ""


urlpatterns = [
    path("language", choose, name="language"),
    path("words.js", script_words, name="script-words"),
]
