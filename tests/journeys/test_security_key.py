"""A security key as second factor, in Chromium with an authenticator of its own (CDP)."""

from __future__ import annotations

from typing import Any

import pytest

from tests.journeys.browser import MISSING, Watched, program, sign_in
from tests.journeys.people import fresh_page, sees
from tests.journeys.service import Place

pytestmark = [
    pytest.mark.browser,
    pytest.mark.slow,
    pytest.mark.skipif(program() is None, reason=MISSING),
]

AUTHENTICATOR = {
    "protocol": "ctap2",
    "transport": "usb",
    "hasResidentKey": False,
    "hasUserVerification": True,
    "isUserVerified": True,
    "automaticPresenceSimulation": True,
}


def with_key(page: Any) -> tuple[Any, str]:
    """Plug a key into the page's browser; the session that holds it, and its id."""
    session = page.context.new_cdp_session(page)
    session.send("WebAuthn.enable")
    made = session.send("WebAuthn.addVirtualAuthenticator", {"options": AUTHENTICATOR})
    return session, str(made["authenticatorId"])


def confirm(page: Any, password: str) -> None:
    """Say the password again, where it is asked for before something about it is changed."""
    page.wait_for_load_state()
    if "reauthenticate" in page.url:
        page.fill("input[name=password]", password)
        page.click("main form button[type=submit]")
        page.wait_for_load_state()


def test_who_adds_a_security_key_signs_in_with_it(browser: Any, place: Place) -> None:
    # Keys are bound to a name; an address of numbers has none.
    url = place.url.replace("127.0.0.1", "localhost")
    watched = Watched(url)
    page = fresh_page(browser, watched)
    session, key = with_key(page)
    person = place.passwords["birch-books"]
    sign_in(page, url, *person)
    page.goto(f"{url}/accounts/2fa/webauthn/add/")
    confirm(page, person[1])
    page.wait_for_url("**/2fa/webauthn/add/")
    page.fill("input[name=name]", "The key on my ring")
    page.locator("#mfa_webauthn_add").click()
    page.wait_for_url("**/accounts/2fa/**codes/**")
    held = session.send("WebAuthn.getCredentials", {"authenticatorId": key})
    assert len(held["credentials"]) == 1

    page.context.clear_cookies()
    page.goto(f"{url}/accounts/login/")
    page.fill("input[name=login]", person[0])
    page.fill("input[name=password]", person[1])
    page.click("main form button[type=submit]")
    page.locator("#mfa_webauthn_authenticate").wait_for()
    # The password alone opened nothing.
    page.goto(f"{url}/admin/")
    assert "/accounts/" in page.url
    page.goto(f"{url}/accounts/2fa/authenticate/")
    page.locator("#mfa_webauthn_authenticate").click()
    page.wait_for_url("**/admin/")

    page.goto(f"{url}/accounts/2fa/webauthn/")
    sees(page, "The key on my ring")
    page.get_by_role("link", name="Remove").click()
    confirm(page, person[1])
    page.locator("main form button[type=submit], main form button").first.click()
    page.goto(f"{url}/accounts/2fa/")
    sees(page, "None was added yet.")
    assert not watched.errors
    assert not watched.foreign
