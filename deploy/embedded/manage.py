"""`./run manage`: a Django command with the settings of the service in a data folder.

Where the service runs, its database and chain are used; where it does not, the embedded
PostgreSQL is started for as long as the command lasts.
"""

import os
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

from deploy.embedded.folder import ROOT, DataFolder, Held, NotOurs
from deploy.embedded.place import CannotStart
from deploy.embedded.postgres import start
from deploy.embedded.service import Options, Service, Unfit, default_data, default_host
from deploy.environment import environment


def main() -> int:
    """Run the command on the command line; the exit status is its own."""
    arguments = sys.argv[1:]
    data = default_data()
    if arguments[:1] == ["--data"] and len(arguments) > 1:
        data, arguments = Path(arguments[1]), arguments[2:]
    try:
        with ExitStack() as stack:
            settings = _settings(DataFolder(data.absolute()), stack)
            return subprocess.run(
                [sys.executable, str(ROOT / "manage.py"), *arguments],
                env={**os.environ, **settings},
                check=False,
            ).returncode
    except KeyboardInterrupt:
        return 130
    except (CannotStart, NotOurs, Unfit) as error:
        print(f"Cannot run it: {error}", file=sys.stderr)
        return 1


def _settings(folder: DataFolder, stack: ExitStack) -> dict[str, str]:
    """The running service's settings, or those of a database started for the time."""
    if environment().database_url:
        return {}
    folder.open()
    try:
        stack.enter_context(folder.hold())
    except Held:
        return folder.read_settings()
    planned = Service.plan(folder, Options(data=folder.path, host=default_host(), port=0))
    server = start(folder.postgres, say=lambda line: print(line, file=sys.stderr))
    stack.callback(server.stop)
    planned.use_database(server)
    return planned.settings


if __name__ == "__main__":
    sys.exit(main())
