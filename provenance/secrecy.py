"""What must not lie readable in the database: account numbers and bank files, encrypted.

Fernet (AES-128-CBC, HMAC-SHA256) under keys derived from the service's secret key; earlier secret
keys in SECRET_KEY_FALLBACKS still reveal, so that the secret can be changed.
"""

from __future__ import annotations

import base64
import hashlib
import hmac

from cryptography.fernet import Fernet, MultiFernet
from django.conf import settings

_PURPOSE = b"tallymark/secrecy/1"


def hide(content: bytes) -> bytes:
    """`content` encrypted; hiding it twice gives two different results."""
    return _keys().encrypt(content)


def reveal(hidden: bytes | memoryview) -> bytes:
    """What was hidden; raises cryptography's InvalidToken where no key of ours hid it."""
    return _keys().decrypt(bytes(hidden))


def print_of(text: str) -> str:
    """By what two equal texts are known to be equal, without telling them: 64 hex digits."""
    key = _derived(settings.SECRET_KEY)
    return hmac.new(key, text.encode(), hashlib.sha256).hexdigest()


def _keys() -> MultiFernet:
    secrets = [settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS]
    return MultiFernet([Fernet(base64.urlsafe_b64encode(_derived(one))) for one in secrets])


def _derived(secret: str) -> bytes:
    return hmac.new(secret.encode(), _PURPOSE, hashlib.sha256).digest()
