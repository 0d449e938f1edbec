"""Sign-In with Ethereum: the text by which somebody shows that an address is theirs (EIP-4361).

Built and read strictly: a text is taken only if it is, byte for byte, what its own fields build.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime

from django.utils.translation import gettext as _

_FORM = re.compile(
    r"(?P<domain>[^\s/?#]+) wants you to sign in with your Ethereum account:\n"
    r"(?P<address>0x[0-9a-fA-F]{40})\n\n"
    r"(?P<statement>[^\n]+)\n\n"
    r"URI: (?P<uri>[^\s]+)\n"
    r"Version: 1\n"
    r"Chain ID: (?P<chain_id>[1-9][0-9]{0,18})\n"
    r"Nonce: (?P<nonce>[0-9a-zA-Z]{8,64})\n"
    r"Issued At: (?P<issued_at>[^\s]+)\n"
    r"Expiration Time: (?P<expires_at>[^\s]+)\n"
    r"Request ID: (?P<request_id>[^\s]+)"
)


class NotAMessage(ValueError):
    """The text is no sign-in message as we write them."""


@dataclass(frozen=True)
class Message:
    """Who asks whom to sign what, where it counts, once, and until when."""

    domain: str
    address: str
    statement: str
    uri: str
    chain_id: int
    nonce: str
    issued_at: datetime
    expires_at: datetime
    request_id: str

    def text(self) -> str:
        """What the wallet shows and signs (as EIP-191's personal message)."""
        return (
            f"{self.domain} wants you to sign in with your Ethereum account:\n"
            f"{self.address}\n\n"
            f"{self.statement}\n\n"
            f"URI: {self.uri}\n"
            f"Version: 1\n"
            f"Chain ID: {self.chain_id}\n"
            f"Nonce: {self.nonce}\n"
            f"Issued At: {_moment(self.issued_at)}\n"
            f"Expiration Time: {_moment(self.expires_at)}\n"
            f"Request ID: {self.request_id}"
        )


def parse(text: str) -> Message:
    """The message that a text is; raises NotAMessage."""
    found = _FORM.fullmatch(text)
    if found is None:
        raise NotAMessage(_("It has not the form of EIP-4361 with all the lines that we ask for."))
    fields = found.groupdict()
    try:
        message = Message(
            chain_id=int(fields.pop("chain_id")),
            issued_at=datetime.fromisoformat(fields.pop("issued_at")),
            expires_at=datetime.fromisoformat(fields.pop("expires_at")),
            **fields,
        )
        is_exact = message.text() == text
    except ValueError as error:
        raise NotAMessage(
            _("It names a moment that is none: %(error)s.") % {"error": error}
        ) from error
    if not is_exact:
        raise NotAMessage(_("Moments are written in UTC, with whole seconds and a Z."))
    return message


def _moment(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
