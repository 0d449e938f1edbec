"""Celery with a clock that is off: `python -m tests.faults.money.shifted SECONDS -A APP ...`."""

import sys
from datetime import datetime, timedelta

from celery.__main__ import main
from django.utils import timezone

if __name__ == "__main__":
    shift, right = timedelta(seconds=float(sys.argv.pop(1))), timezone.now

    def now() -> datetime:
        return right() + shift

    timezone.now = now
    main()
