"""The command `tallymark replay`, on small exports made by hand."""

import hashlib
import json
import zipfile

from tallymark.canonical import canonical
from tallymark.charge_tree import CHARGE, group_digest, root_of
from tallymark.cli import main
from tallymark.journal import chained, lines_digest
from tallymark.replay.archive import FORMAT, MANIFEST

LAB, OWNER, FEE, ROUNDING = 1, 2, 3, 4
USAGE = "00000000-0000-0000-0000-0000000000aa"
COUNTS = {"records": 5, "tokens": 0, "epochs": 1, "fetches": 0}
AMOUNT = 5
ACCOUNTS = [
    (LAB, "lab", -AMOUNT),
    (OWNER, "owner_pending", 3),
    (FEE, "platform_fee", 1),
    (ROUNDING, "rounding", 1),
]
# What the charge refers to.
BOOKS = {
    "assets.jsonl": [{"asset": "iso4217:EUR", "scale": 6, "token_decimals": None}],
    "accounts.jsonl": [
        {"account": key, "kind": kind, "asset": "iso4217:EUR", "opening": 0, "closing": units,
         "moved": {"2026-03": units}}
        for key, kind, units in ACCOUNTS
    ],
    "rates.jsonl": [{"rate": 7, "basis": "per_1k_records", "price": 1_001, "plan": None}],
    "weights.jsonl": [{"weights": 9, "opening": 0, "closing": AMOUNT, "sum": "3",
                       "parts": [[OWNER, "2"], [FEE, "1"]]}],
    **{f"{empty}.jsonl": [] for empty in ("plans", "versions", "tallies", "leaves")},
}  # fmt: skip


def export(path, *, name=FORMAT, **changes):
    """One usage of five records at 1,001 units for a thousand, two of three weights the owner's."""
    lines = [[account, units] for account, _, units in ACCOUNTS]
    charge = {
        "charge": 1, "usage": USAGE, "revision": 1, "kind": "priced", "account": LAB, "rate": 7,
        **COUNTS, "amount": AMOUNT, "total": AMOUNT, "weights": 9, "running": AMOUNT,
        "tally": None, "tally_quantity": None, "entry": 1, "before": None, "more": False,
        "report": {**COUNTS, "revision": 1, "version": None, "signature": None},
    }  # fmt: skip
    charge |= changes
    numbers = (1, LAB, 7, *COUNTS.values(), AMOUNT, AMOUNT, AMOUNT, 0)
    row = CHARGE.pack(bytes.fromhex(USAGE.replace("-", "")), *numbers)
    group = group_digest(9, hashlib.sha256(row).digest())
    header = "usage\niso4217:EUR\n0\n0\nkey\n\n\n2026-03\n{}"
    parts = (
        hashlib.sha256(header.encode()).digest(),
        lines_digest([tuple(line) for line in lines]),
        root_of([group]),
    )
    previous = hashlib.sha256(b"tallymark journal").digest()
    head = chained(previous, 1, parts)
    files = BOOKS | {
        "charges.jsonl": [charge],
        "groups.jsonl": [{"entry": 1, "weights": 9, "charges": 1, "amount": AMOUNT,
                          "total_after": AMOUNT, "digest": group.hex(), "groups": 1}],
        "entries.jsonl": [{"entry": 1, "header": header, "lines": lines, "hash": head.hex()} | {
            f"{part}_digest": digest.hex()
            for part, digest in zip(("header", "lines", "charges"), parts, strict=True)}],
    }  # fmt: skip
    write(path, files, name=name, previous=previous, head=head)
    return str(path)


def write(path, files, *, name, previous, head):
    """Zip the files beside a manifest that states them."""
    stated = {}
    with zipfile.ZipFile(path, "w") as out:
        for file, rows in files.items():
            data = "".join(json.dumps(one) + "\n" for one in rows).encode()
            stated[file] = {"lines": len(rows), "sha256": hashlib.sha256(data).hexdigest()}
            out.writestr(file, data)
        manifest = {
            "format": name, "is_whole": True, "party": None, "party_name": None,
            "first_period": "2026-03", "last_period": "2026-03", "first_entry": 1, "last_entry": 1,
            "previous_hash": previous.hex(), "hash": head.hex(), "files": stated,
        }  # fmt: skip
        manifest["digest"] = hashlib.sha256(canonical(manifest)).hexdigest()
        out.writestr(MANIFEST, json.dumps(manifest))


def test_an_export_that_agrees_says_so_and_what_it_could_not_check(tmp_path, capsys):
    assert main(["replay", export(tmp_path / "one.zip")]) == 0
    said = capsys.readouterr().out
    assert "AGREES to the unit: 1 charges, 1 entries" in said
    assert "no signature of the lab" in said


def test_the_first_difference_is_named_by_file_line_and_field(tmp_path, capsys):
    assert main(["replay", export(tmp_path / "one.zip", amount=6), "--json"]) == 1
    said = json.loads(capsys.readouterr().out)
    assert said["difference"] == {
        "file": "charges.jsonl", "line": 1, "field": "amount", "expected": 5, "found": 6,
    }  # fmt: skip
    for changes, words in (
        ({"running": 6}, "running: expected 5, found 6"),
        ({"total": 6}, "total: expected 5, found 6"),
        ({"more": True}, "another charge"),
        ({"entry": 2}, "lines, account 1: expected 0, found -5"),
    ):
        assert main(["replay", export(tmp_path / "one.zip", **changes)]) == 1
        assert words in capsys.readouterr().out


def test_what_is_missing_or_no_number_is_a_difference_and_no_crash(tmp_path, capsys):
    for changes in ({"records": "5"}, {"revision": None}, {"report": {}}, {"rate": 8}):
        assert main(["replay", export(tmp_path / "one.zip", **changes)]) == 1
        assert "charges.jsonl, line 1" in capsys.readouterr().out
    assert main(["replay", export(tmp_path / "one.zip", weights=77)]) == 1


def test_a_file_that_is_no_export_is_not_replayed(tmp_path, capsys):
    (tmp_path / "text.zip").write_text("not a zip")
    assert main(["replay", str(tmp_path / "text.zip")]) == 2
    assert main(["replay", str(tmp_path / "nothing.zip")]) == 2
    assert main(["replay", export(tmp_path / "two.zip", name="tallymark-export/2")]) == 2
    assert "tallymark-export/1" in capsys.readouterr().err


def test_a_damaged_zip_names_the_damaged_file(tmp_path, capsys):
    path = tmp_path / "one.zip"
    export(path)
    data = bytearray(path.read_bytes())
    at = data.index(b'"price": 1001')
    data[at + 10] ^= 1
    path.write_bytes(data)
    assert main(["replay", str(path)]) == 1
    assert "rates.jsonl" in capsys.readouterr().out
