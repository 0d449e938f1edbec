#!/usr/bin/env python
"""Django's commands; `./run manage` calls this with the settings of the running service."""

import os
import sys
from pathlib import Path

from django.core.management import execute_from_command_line


def main() -> None:
    """Run the command named on the command line."""
    client = str(Path(__file__).resolve().parent / "client")
    if client not in sys.path:
        sys.path.insert(1, client)
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "deploy.settings")
    execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
