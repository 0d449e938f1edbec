"""Catalogs of words: brought up to date, compiled, and held against what the code says."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import polib

from deploy.words import marked
from deploy.words.marked import APPS, Word

ROOT = Path(__file__).resolve().parent.parent.parent
# The folder's name for each language that is not the code's own.
LOCALES = ("zh_Hans",)
PLURALS = {"zh_Hans": "nplurals=1; plural=0;"}
_HOLE = re.compile(r"%\(\w+\)[sd]|%[sd]|\{\w*\}")
_Key = tuple[str, str]


def path_of(app: str, locale: str, domain: str) -> Path:
    """Where a catalog stands: `django` holds the server's words, `djangojs` the scripts'."""
    return ROOT / app / "locale" / locale / "LC_MESSAGES" / f"{domain}.po"


def found() -> dict[tuple[str, str], dict[Word, set[str]]]:
    """Every marked word by app and domain; one that several apps mark stands in the first's."""
    words = {(app, "django"): marked.in_app(ROOT, app) for app in APPS}
    words |= {(app, "djangojs"): marked.in_scripts(ROOT, app) for app in APPS}
    return {place: held for place, held in words.items() if held}


def renew() -> int:
    """Bring every catalog up to date and compile it; how many words still lack theirs."""
    lacking = 0
    for locale in LOCALES:
        known = _known(locale)
        for (app, domain), words in found().items():
            catalog = _renewed(words, known, locale)
            path = path_of(app, locale, domain)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(f"{catalog}")
            path.with_suffix(".mo").write_bytes(catalog.to_binary())
            lacking += sum(1 for entry in catalog if not _is_said(entry))
    return lacking


def wrong() -> Iterator[str]:
    """What is missing, stale or contradictory in the catalogs, one sentence each."""
    for locale in LOCALES:
        said: dict[_Key, tuple[str, str]] = {}
        places = found()
        for (app, domain), words in places.items():
            path = path_of(app, locale, domain)
            name = path.relative_to(ROOT)
            if not path.exists():
                yield f"{name}: is missing; ./run words makes it"
                continue
            catalog = polib.pofile(str(path))
            yield from (f"{name}: {each}" for each in _stale(catalog, words, path))
            for entry in catalog:
                yield from (f"{name}: {each}" for each in _amiss(entry))
                first = said.setdefault(_key(entry), (_saying(entry), str(name)))
                if first[0] != _saying(entry):
                    yield f"{name}: {entry.msgid!r} is said otherwise in {first[1]}"
        kept = {path for app in APPS for path in (ROOT / app / "locale").rglob("*.po")}
        for path in kept - {path_of(app, locale, domain) for app, domain in places}:
            yield f"{path.relative_to(ROOT)}: nothing is marked any more; remove it"


def _known(locale: str) -> dict[_Key, polib.POEntry]:
    """What any catalog says already, so that a word that moves keeps what it was."""
    known: dict[_Key, polib.POEntry] = {}
    for app in APPS:
        for path in sorted((ROOT / app / "locale" / locale).rglob("*.po")):
            for entry in polib.pofile(str(path)):
                if _is_said(entry):
                    known.setdefault(_key(entry), entry)
    return known


def _renewed(
    words: dict[Word, set[str]], known: dict[_Key, polib.POEntry], locale: str
) -> polib.POFile:
    catalog = polib.POFile(wrapwidth=99)
    catalog.metadata = {
        "Project-Id-Version": "Tallymark",
        "Language": locale,
        "MIME-Version": "1.0",
        "Content-Type": "text/plain; charset=UTF-8",
        "Content-Transfer-Encoding": "8bit",
        "Plural-Forms": PLURALS[locale],
    }
    for word, names in sorted(_merged(words).items()):
        entry = polib.POEntry(msgid=word.text, msgctxt=word.context or None)
        entry.occurrences = [(name, "") for name in sorted(names)]
        before = known.get((word.context, word.text))
        text = _saying(before) if before else ""
        if word.plural:
            entry.msgid_plural, entry.msgstr_plural = word.plural, {0: text}
        else:
            entry.msgstr = text
        if "%" in word.text + word.plural:
            entry.flags = ["python-format"]
        catalog.append(entry)
    return catalog


def _merged(words: dict[Word, set[str]]) -> dict[Word, set[str]]:
    """One word for each text: where one place counts and another does not, it has a plural."""
    merged: dict[_Key, Word] = {}
    for word in sorted(words):
        before = merged.get((word.context, word.text))
        if before is None or word.plural:
            merged[(word.context, word.text)] = word
    places: dict[Word, set[str]] = {}
    for word, names in words.items():
        places.setdefault(merged[(word.context, word.text)], set()).update(names)
    return places


def _stale(catalog: polib.POFile, words: dict[Word, set[str]], path: Path) -> Iterator[str]:
    now = {(word.context, word.text): word.plural for word in _merged(words)}
    then = {_key(entry): entry.msgid_plural or "" for entry in catalog if not entry.obsolete}
    for key in sorted(now.keys() - then.keys()):
        yield f"lacks {key[1]!r}; ./run words adds it"
    for key in sorted(then.keys() - now.keys()):
        yield f"still holds {key[1]!r}; ./run words drops it"
    for key in sorted(key for key in now.keys() & then.keys() if now[key] != then[key]):
        yield f"counts {key[1]!r} otherwise; ./run words mends it"
    compiled = path.with_suffix(".mo")
    if not compiled.exists() or compiled.read_bytes() != catalog.to_binary():
        yield "is not compiled as it stands; ./run words does it"


def _amiss(entry: polib.POEntry) -> Iterator[str]:
    if not _is_said(entry):
        yield f"{entry.msgid!r} has no words yet"
        return
    # Where there is one form for all counts, it holds what the plural holds.
    wanted = sorted(_HOLE.findall(entry.msgid_plural or entry.msgid))
    if sorted(_HOLE.findall(_saying(entry))) != wanted:
        yield f"{entry.msgid!r} fills in {', '.join(wanted) or 'nothing'}; its words differ"
    if entry.fuzzy:
        yield f"{entry.msgid!r} is marked fuzzy"


def _key(entry: polib.POEntry) -> _Key:
    return (entry.msgctxt or "", entry.msgid)


def _saying(entry: polib.POEntry) -> str:
    return str(entry.msgstr_plural.get(0, "") if entry.msgid_plural else entry.msgstr)


def _is_said(entry: polib.POEntry) -> bool:
    return bool(_saying(entry).strip())
