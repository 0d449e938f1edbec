"""The one shape of a refusal: what a use case says when the world does not allow what was asked."""

from typing import ClassVar

from django.utils.translation import gettext


class Refused(Exception):
    """A use case will not do what was asked; `code` is stable, `hint` says what to do next.

    The first line of a refusal's docstring and its `hint` are words for people: `./run words` finds
    them, and they are said in the language that is active.
    """

    code: ClassVar[str] = "refused"
    status: ClassVar[int] = 409
    hint: ClassVar[str] = ""

    retry_after_seconds: int | None = None
    """When it may be asked again, where waiting helps."""

    def __init__(self, detail: str = "", *, hint: str | None = None) -> None:
        self.detail = detail or _said((self.__class__.__doc__ or "").strip().split("\n")[0])
        self.next_step = _said(self.hint) if hint is None else hint
        super().__init__(self.detail)


def _said(words: str) -> str:
    """`words` in the language that is active; nothing where there are none."""
    return gettext(words) if words else ""
