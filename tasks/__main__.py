"""doit for this project: `doit`, `./doitw` and `python -m tasks`.

A signal before a command begins, or after it has ended, ends the process at once: nothing has to be cleaned up, and an
exception in the middle of an import would show a traceback. While a command runs, `tasks/system/signals.py` handles
signals.
"""

from __future__ import annotations

import os
import signal
import sys
from types import FrameType

_NUMBERS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def main() -> int:
    """Run the command line; return the exit code."""
    for number in _NUMBERS:
        if number is not signal.SIGHUP or signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _end)
    # doitw starts Python with SIGINT held back, as Python itself shows a traceback while it starts.
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _NUMBERS)
    from tasks.commands.main import Main  # noqa: PLC0415  # Importing doit takes a while.

    return Main().run(sys.argv[1:])


def _end(number: int, frame: FrameType | None) -> None:  # noqa: ARG001  # A signal handler's signature.
    os._exit(128 + number)


if __name__ == "__main__":
    sys.exit(main())
