"""`python -m tallymark` is the command `tallymark`."""

import sys

from tallymark.cli import main

sys.exit(main())
