"""Copied source code is found under other names, and solving the same task accuses nobody."""

from __future__ import annotations

import argparse
import base64
import dataclasses
import io
import json
import random
import textwrap
import tokenize
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tallymark.fingerprint import code as kernel
from tallymark.fingerprint import code_tokens
from tallymark.fingerprint import prints as home
from tallymark.fingerprint.sources import Record

from ingest import evidence, prints, verdict
from ingest.fingerprint import code
from ingest.prints import CODE, Prints
from ingest.verdict import Kind
from provenance.models import Match, Overlap, Party
from tests import factories
from tests.bench import code_edits
from tests.ingest.conftest import DATA, ingest, jsonl, zipped

JAVA = """
import java.util.Scanner;
/* The licence that everybody copies. */
public class Wage {
    public static void main(String[] args) {
        Scanner input = new Scanner(System.in);
        System.out.print("Enter the hours worked this week: ");
        double hours = input.nextDouble();
        System.out.print("Enter the hourly rate in euros: ");
        double rate = input.nextDouble();
        double wage = 0;
        for (int day = 0; day < 7; day++) {
            if (hours > 38.5) { wage += rate * 1.25; } else { wage += rate; }
        }
        System.out.println("The weekly wage before tax is " + wage);
    }
}
"""
RENAMED_JAVA = """
import java.util.*;
class Lohn {
    // my own work
    static void main(String[] a) {
        Scanner s = new Scanner(System.in);
        System.out.print("Enter the hours worked this week: ");
        final double h = s.nextDouble();
        System.out.print("Enter the hourly rate in euros: ");
        final double r = s.nextDouble();
        double w = 0;
        int t = 0;
        while (t < 7) {
            if (h > 38.5) w += r * 1.25;
            else w += r;
            t++;
        }
        System.out.println("The weekly wage before tax is " + w);
    }
}
"""
SAME_TASK_JAVA = """
import java.util.Scanner;
public class Solution {
    public static void main(String[] args) {
        Scanner scan = new Scanner(System.in);
        System.out.println("How long did you work?");
        double time = scan.nextDouble();
        System.out.println("What are you paid?");
        double pay = scan.nextDouble();
        double sum = 0;
        for (int i = 1; i <= 7; i++) {
            if (time > 38.5) { sum = sum + pay * 1.25; } else { sum = sum + pay; }
        }
        System.out.println("You get " + sum + " in all");
    }
}
"""


def of(text: str) -> Prints:
    return prints.of_texts([text], ["a"], kind=CODE)[0]


def judged(one: str, other: str) -> verdict.Verdict | None:
    return verdict.judge(of(one), of(other))


def made_up(seed: int, functions: int = 12) -> str:
    """Python of functions that no other seed's share."""
    dice = random.Random(seed)
    names = [f"{dice.choice('abcdefgh')}{number}" for number in range(20)]

    def term() -> str:
        return dice.choice([
            dice.choice(names), str(dice.randrange(1000)), f"{dice.choice(names)}.size",
            f"{dice.choice(names)}[{dice.choice(names)}]",
            f"{dice.choice(names)}({dice.choice(names)})",
        ])  # fmt: skip

    def line(depth: int) -> list[str]:
        pad = "    " * depth
        kind = dice.randrange(7) if depth < 4 else 6
        if kind == 0:
            return [f"{pad}for {dice.choice(names)} in {term()}:", *line(depth + 1)]
        if kind == 1:
            sign = dice.choice(["<", "==", "in", "is not", "and"])
            return [f"{pad}if {term()} {sign} {term()}:", *line(depth + 1), *line(depth + 1)]
        if kind == 2:
            return [f"{pad}return {term()} {dice.choice('+-*/%')} {term()}"]
        if kind == 3:
            return [f"{pad}{dice.choice(names)}.append([{term()}, {term()}])"]
        if kind == 4:
            return [f"{pad}while not {term()}:", *line(depth + 1), f"{pad}    break"]
        return [f"{pad}{dice.choice(names)} = {term()} {dice.choice('+-*/%')} {term()}"]

    blocks = []
    for number in range(functions):
        body = [row for _ in range(8) for row in line(1)]
        blocks.append("\n".join([f"def work{number}({', '.join(dice.sample(names, 3))}):", *body]))
    return "\n\n\n".join(blocks) + "\n"


def test_names_comments_and_layout_do_not_count():
    one = "int add(int a, int b) {\n  return a + b; // sum\n}"
    other = "long plus(long left,long right)\n{ /* adds */ return left+right; }"
    assert code_tokens.read(one).codes == code_tokens.read(other).codes


def test_the_same_text_is_read_the_same_under_any_name():
    texts = [JAVA, JAVA]
    one, other = code.sketches(texts, ["Wage.java", "notes.py"])
    assert one == other != b""


@pytest.mark.parametrize(
    ("text", "family"),
    [
        (JAVA, code_tokens.Family.SLASH),
        (
            "#include <stdio.h>\n#define N 3\nint main(void) { return N; }\n",
            code_tokens.Family.SLASH,
        ),
        ("def f(x):\n    # x\n    return [\n        x\n    ]\n", code_tokens.Family.HASH),
        ("SELECT a, b\nFROM t\nWHERE a = 1 -- one\n", code_tokens.Family.DASH),
        ("; adds\n(defun add (a b)\n  (+ a b))\n", code_tokens.Family.SEMICOLON),
    ],
)
def test_how_comments_begin_is_guessed_from_the_text(text: str, family: code_tokens.Family):
    assert code_tokens.family(text) is family


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=300))
def test_any_text_has_a_sketch_in_order(text: str):
    made = kernel.sketch(text)
    assert all(one < next_one for one, next_one in pairwise(made))
    assert all(0 <= value < 2**32 and value & 3 < 3 for value in made)
    assert all(start < end for start, end in code_tokens.read(text).spans)


@pytest.mark.parametrize("name", sorted(code_edits.EDITS))
def test_an_edited_copy_of_a_file_holds(name: str):
    text = made_up(1)
    copy = code_edits.EDITS[name](text, random.Random(2))
    made = judged(copy, text)
    assert copy != text or name in ("without_comments",)
    assert made is not None
    assert made.holds


def test_a_copy_in_the_middle_of_a_larger_file_is_contained():
    text = made_up(1)
    made = judged(made_up(2, functions=20) + code_edits.renamed(text, random.Random(1)), text)
    assert made is not None
    assert made.kind is Kind.CONTAINED
    assert made.containment > 0.8
    assert made.holds


def test_different_files_are_not_alike():
    texts = [made_up(seed) for seed in range(8)]
    assert all(judged(a, b) is None for a, b in pairwise(texts))


def test_a_small_program_that_says_the_same_is_possible_and_holds_nothing():
    made = judged(RENAMED_JAVA, JAVA)
    assert made is not None
    assert made.score >= verdict.code.LEAST_SCORE
    assert not made.holds


def test_another_solution_of_the_same_task_is_no_match():
    """As texts they would be: most of their words are the language's."""
    assert judged(SAME_TASK_JAVA, JAVA) is None


def test_runs_of_few_kinds_of_token_say_nothing():
    assert kernel.long_hashes(bytes([1, 2, 3] * 5)) == [None] * 6
    assert None not in kernel.long_hashes(bytes([1, 2, 3, 4] * 4))


def test_a_table_of_numbers_is_not_like_any_other():
    dice = random.Random(1)
    tables = [
        "VALUES = [\n" + ",\n".join(str(dice.randrange(10**6)) for _ in range(400)) + "\n]\n"
        for _ in range(2)
    ]
    assert judged(*tables) is None


def test_no_verdict_gets_worse_where_more_is_shared():
    sizes = [code.Shared(shared, 100, 100) for shared in range(0, 101, 5)]
    for fixed in (code.Shared(0, 0, 0), code.Shared(90, 100, 100)):
        by_said = [verdict.code.program_score(code.Shared(90, 100, 100), one) for one in sizes]
        by_built = [verdict.code.program_score(one, fixed) for one in sizes]
        assert by_said == sorted(by_said)
        assert by_built == sorted(by_built)
    by_runs = [verdict.code.long_score(one) for one in sizes]
    assert by_runs == sorted(by_runs)


def test_keys_find_what_the_verdict_would_match():
    text = made_up(3)
    for edit in ("rewritten", "disguised"):
        copy = code_edits.EDITS[edit](text, random.Random(4))
        one, other = code.sketches([text, copy], ["", ""])
        assert len(np.intersect1d(code.sample_keys(one), code.sample_keys(other))) >= 3
    one, other = code.sketches([JAVA, RENAMED_JAVA], ["", ""])
    assert len(np.intersect1d(code.band_keys(one), code.band_keys(other))) >= 1
    for keys in (code.band_keys(one), code.sample_keys(one)):
        assert (keys < 2**48).all()


def test_marked_lines_show_what_is_the_same_under_other_names():
    text = made_up(5, functions=3)
    shown = evidence.code_passages("\n\n" + code_edits.renamed(text, random.Random(1)), text)
    longest = max(shown["passages"], key=lambda passage: passage["later"][1] - passage["later"][0])
    assert longest["earlier_lines"] == [1, text.count("\n")]
    assert longest["later_lines"] == [3, text.count("\n") + 2]
    assert "⟦" in shown["earlier_context"]


@pytest.mark.parametrize(("key", "are_code"), [("work.py", False), ("1", True)])
def test_a_sketch_made_at_home_is_the_services_own(key: str, are_code: bool):
    text = made_up(8)
    line = next(home.lines(iter([Record(key, text)]), are_code=are_code))
    assert base64.b64decode(line[code.SCHEME]) == of(text).parts[code.SCHEME]
    assert code.SCHEME not in next(home.lines(iter([Record("1", text)])))


@pytest.mark.parametrize(
    "broken",
    [b"", b"abc", np.array([8, 4], "<u4").tobytes(), np.array([4, 7], "<u4").tobytes()],
)
def test_a_broken_sketch_is_refused(broken: bytes):
    code.check(code.sketches([JAVA], [""])[0])
    with pytest.raises(ValueError, match="sketch of code"):
        code.check(broken)


def test_prints_made_at_home_find_the_copy(ada: Party, ben: Party):
    text = made_up(9)
    ingest(factories.dataset(ada), zipped({"src/work.py": text.encode()}), "first.zip")
    copy = code_edits.renamed(text, random.Random(1))
    made = [home.header(), *home.lines(iter([Record("mine.py", copy)]))]
    ingest(factories.dataset(ben, "copies", is_fingerprint_only=True), jsonl(made), "prints.jsonl")
    assert Match.objects.get().holds


def test_sources_among_texts_are_compared_as_code(ada: Party, ben: Party):
    text = made_up(7)
    files = {"src/work.py": text.encode(), "notes.txt": b"What the code is for, in a few words."}
    ingest(factories.dataset(ada), zipped(files), "first.zip")
    copy = code_edits.renamed(text, random.Random(1)).encode()
    ingest(factories.dataset(ben, "copies"), zipped({"mine.py": copy}), "second.zip")
    match = Match.objects.get()
    assert match.holds
    assert match.kind == "near"
    assert match.evidence["code"]["long_runs"]["shared"] > 80
    assert match.evidence["passages"][0]["later_lines"]
    assert Overlap.objects.get().matching_count == 1


@pytest.mark.skipif(not (DATA / "irplag_java").exists(), reason="no development data here")
def test_student_programs_are_told_apart_as_stated():
    from tests.bench import calibrate_code, code_sets

    pairs = calibrate_code.measured(code_sets.irplag(DATA))
    made = np.array([verdict.code.score(part) for part in pairs.parts])
    assert calibrate_code.auc(made, pairs.labels) >= 0.9
    accused = made >= verdict.code.LEAST_SCORE
    assert accused[~pairs.labels].mean() <= 0.05
    assert accused[pairs.labels].mean() >= 0.8
    held = [v.holds for part in pairs.parts if (v := verdict.code.judge_parts(part))]
    assert not any(held)


@pytest.mark.parametrize("module", [argparse, dataclasses, json.decoder, textwrap])
def test_python_is_read_as_its_own_tokeniser_reads_it(module: Any):
    text = Path(module.__file__).read_text("utf-8")
    found = list(tokenize.generate_tokens(io.StringIO(text).readline))
    numbers = [token.string for token in found if token.type == tokenize.NUMBER]
    comments = [token.start for token in found if token.type == tokenize.COMMENT]
    read = code_tokens.read(text)
    starts = [0, *(at + 1 for at, letter in enumerate(text) if letter == "\n")]
    covered = {place for span in read.spans for place in range(*span)}
    assert read.numbers == numbers
    assert comments
    assert not covered & {starts[row - 1] + column for row, column in comments}
