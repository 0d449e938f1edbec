"""The commands of `./run`: each makes sure of the environment, then becomes its program."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from difflib import get_close_matches

from deploy.bootstrap import packages
from deploy.bootstrap.packages import ROOT, Missing

Arguments = list[str]


@dataclass(frozen=True)
class Command:
    """One word after `./run`."""

    usage: str
    does: str
    run: Callable[[Arguments], int]


def main(arguments: Arguments) -> int:
    """Run the command that `arguments` name; the exit status is its own."""
    if os.name != "posix":
        raise Missing("Tallymark runs on Linux and macOS; on Windows, use WSL.")
    word, rest = (arguments[0], arguments[1:]) if arguments else ("help", [])
    if word in ("-h", "--help"):
        word = "help"
    command = COMMANDS.get(word)
    if command is None:
        near = get_close_matches(word, COMMANDS, n=1)
        meant = f" Did you mean ./run {near[0]}?" if near else ""
        raise Missing(f"there is no command {word!r}.{meant} ./run help names them all.")
    try:
        return command.run(rest)
    except KeyboardInterrupt:
        print(file=sys.stderr)
        return 130


def _become(*program: str, arguments: Arguments) -> int:
    """Replace this process by `program`, run by the environment's interpreter."""
    python = str(packages.ensure())
    paths = [str(ROOT), str(ROOT / "client"), os.environ.get("PYTHONPATH", "")]
    os.environ["PYTHONPATH"] = os.pathsep.join(path for path in paths if path)
    sys.stdout.flush()
    os.execv(python, [python, *program, *arguments])


def _module(name: str) -> Callable[[Arguments], int]:
    return lambda arguments: _become("-m", name, arguments=arguments)


def _test(arguments: Arguments) -> int:
    os.chdir(ROOT)
    # A browser's loop must not run in the process of other tests: `./run journeys` has its own.
    # What kills a whole service waits for minutes: `./run faults --service` has it.
    chosen = ("-m", "pytest", "-m", "not browser and not service")
    # Each worker takes a stretch of the list, so that most of what modules share is made once;
    # whoever is through takes from the others.
    return _become(*chosen, arguments=arguments or ["-n", "logical", "--dist", "worksteal"])


def _bench(arguments: Arguments) -> int:
    folder = ROOT / "tests" / "bench"
    files = folder.glob("[a-z]*.py")
    names = sorted(path.stem for path in files if '__name__ == "__main__"' in path.read_text())
    if not arguments or arguments[0] not in names:
        raise Missing("name a benchmark: " + (", ".join(names) or f"there is none in {folder} yet"))
    return _become("-m", f"tests.bench.{arguments[0]}", arguments=arguments[1:])


def _screenshots(arguments: Arguments) -> int:
    if not arguments:
        raise Missing("name the folder for the pictures: ./run screenshots DIR")
    return _become("-m", "tests.journeys.screenshots", arguments=arguments)


def _journeys(arguments: Arguments) -> int:
    os.chdir(ROOT)
    os.environ.setdefault("TALLYMARK_JOURNEY_ARTICLES", "10000")
    browser = ("-m", "pytest", "-m", "browser", "-n", "0", "tests/journeys")
    return _become(*browser, arguments=arguments)


def _matrix(arguments: Arguments) -> int:
    os.chdir(ROOT)
    if "--try" in arguments:
        os.environ["TALLYMARK_TRY_MATRIX"] = "all"
        arguments = [one for one in arguments if one != "--try"]
        return _become("-m", "pytest", "-q", "tests/matrix/test_matrix.py", arguments=arguments)
    missing = "--missing" in arguments
    os.environ["TALLYMARK_WRITE_MATRIX"] = "missing" if missing else "all"
    arguments = [one for one in arguments if one != "--missing"]
    # Each cell was just asked for: what is left to try is what the table as a whole must hold.
    laws = ("-m", "pytest", "-q", "tests/matrix", "-k", "table_is_written or table_has or lets")
    return _become(*laws, arguments=arguments)


CONTRACT_CHECKS = {
    "--audit": ("-m", "tests.contracts.audit"),
    "--invariants": (
        *("-m", "pytest", "-q", "--hypothesis-profile=thorough"),
        "tests/contracts/test_invariants.py",
    ),
    "--mutants": ("-m", "tests.contracts.mutants"),
}


def _contracts(arguments: Arguments) -> int:
    node = shutil.which("node")
    if node is None:
        raise Missing(
            "node is missing, and only rebuilding the contracts needs it (18 or later;"
            " Debian: sudo apt-get install nodejs npm). Tallymark itself does without."
        )
    if arguments and arguments[0] in CONTRACT_CHECKS:
        os.chdir(ROOT)
        return _become(*CONTRACT_CHECKS[arguments[0]], arguments=arguments[1:])
    program = ROOT / "provenance" / "contracts" / "build.mjs"
    return subprocess.run([node, str(program), *arguments], check=False).returncode


def _environment(_: Arguments) -> int:
    print(packages.ensure())
    return 0


def _lock(_: Arguments) -> int:
    return packages.relock()


def _help(_: Arguments) -> int:
    width = max(len(command.usage) for command in COMMANDS.values())
    print("Tallymark: who owns the data, who used it, who is owed what.\n")
    for command in COMMANDS.values():
        print(f"  ./run {command.usage:<{width}}  {command.does}")
    print(f"\nState lives in {ROOT / '.tallymark'} unless --data says otherwise.")
    return 0


COMMANDS = {
    "up": Command(
        "up [--port N] [--data DIR] ...",
        "start everything and stay; --help shows all options",
        _module("deploy.embedded.supervisor"),
    ),
    "test": Command("test [PYTEST ARGUMENTS]", "run the tests on a temporary PostgreSQL", _test),
    "journey": Command(
        "journey [--state FILE|--outside]",
        "walk from registering to payout and check each step",
        _module("tests.journeys.walk"),
    ),
    "journeys": Command(
        "journeys",
        "walk people's days at full size in Chromium: 10,000 articles, payments and all",
        _journeys,
    ),
    "manage": Command(
        "manage COMMAND ...",
        "a Django command on the running service's data",
        _module("deploy.embedded.manage"),
    ),
    "database": Command(
        "database ADMINISTRATOR-URL",
        "prepare a PostgreSQL of your own: roles, extension, queue",
        _module("deploy.database"),
    ),
    "tallymark": Command(
        "tallymark verify FILE ...",
        "the client: verify, fingerprint, register, flush",
        _module("tallymark"),
    ),
    "bench": Command("bench NAME ...", "measure something; without NAME, list what", _bench),
    "faults": Command(
        "faults [--chain|--node|--service] ...",
        "let everything go wrong at money's work, on the way to the chain, in a whole service",
        _module("tests.faults"),
    ),
    "screenshots": Command("screenshots DIR", "picture every page into DIR", _screenshots),
    "accessibility": Command(
        "accessibility [--who WHO] ...",
        "axe-core, our policy and the weight of scripts on every page",
        _module("tests.journeys.accessibility"),
    ),
    "matrix": Command(
        "matrix [--missing|--try]",
        "write down who may open what, docs/matrix.csv; or try every cell of it",
        _matrix,
    ),
    "words": Command(
        "words [--check]",
        "bring the catalogs of words up to date, or say which lack their Chinese",
        _module("deploy.words"),
    ),
    "contracts": Command(
        "contracts [--check]",
        "rebuild the contracts, or compare; --audit, --invariants, --mutants try them",
        _contracts,
    ),
    "environment": Command("environment", "make the environment, print its Python", _environment),
    "lock": Command("lock", "pin deploy/requirements.in anew", _lock),
    "help": Command("help", "show this", _help),
}
