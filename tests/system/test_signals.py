from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tasks.system.signals import interrupts
from tests.faults.processes import alive
from tests.waiting import await_until

ROOT = Path(__file__).resolve().parents[2]

# A command that takes no notice of SIGINT and SIGTERM, in a process like a run's.
PROGRAM = """
    import sys, time
    from tasks.system import processes
    from tasks.system.signals import code, interrupts
    child = (
        "import os, signal, time; signal.signal(15, signal.SIG_IGN);"
        "signal.signal(2, lambda *_: print('told', flush=1)); print(os.getpid(), flush=1)"
    )
    with interrupts() as received:
        try:
            processes.foreground([sys.executable, "-c", child + "; time.sleep(60)"])
        except KeyboardInterrupt:
            sys.exit(code(received[0]))
        finally:
            processes.stop_all()
"""


@contextlib.contextmanager
def started(*, before: str = "") -> Iterator[tuple[subprocess.Popen[str], int]]:
    program = textwrap.dedent(PROGRAM)
    patience = "from tasks.system import processes; processes.WIND_UP_SECONDS = processes.TERMINATE_SECONDS = 0.5\n"
    command = [sys.executable, "-c", before + patience + program]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield process, int(process.stdout.readline())


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_the_exit_code_tells_the_signal_and_no_child_is_left(number: signal.Signals) -> None:
    with started() as (process, child):
        process.send_signal(number)
        assert process.wait(20) == 128 + number
        assert not alive(child)


def test_an_ignored_sigint_counts_all_the_same() -> None:
    with started(before="import signal; signal.signal(signal.SIGINT, signal.SIG_IGN)\n") as (process, child):
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 130
        assert not alive(child)


def test_an_ignored_sighup_stays_ignored() -> None:
    with started(before="import signal; signal.signal(signal.SIGHUP, signal.SIG_IGN)\n") as (process, child):
        process.send_signal(signal.SIGHUP)
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 143
        assert not alive(child)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_that_another_thread_gets_is_heard_by_a_main_thread_that_waits(number: signal.Signals) -> None:
    # The kernel may give a process's signal to any of its threads, and then nothing interrupts the main thread's wait.
    program = f"""
        import signal, sys, threading
        from tasks.system.signals import code, interrupts
        other = threading.Thread(target=threading.Event().wait, daemon=True)
        other.start()
        threading.Timer(0.1, signal.pthread_kill, (other.ident, {int(number)})).start()
        with interrupts() as received:
            try:
                threading.Event().wait()
            except KeyboardInterrupt:
                sys.exit(code(received[0]))
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(program)], cwd=ROOT, check=False, timeout=20)
    assert done.returncode == 128 + number


def test_the_handlers_and_the_wakeup_descriptor_are_put_back() -> None:
    def found() -> list[object]:
        descriptor = signal.set_wakeup_fd(-1)
        signal.set_wakeup_fd(descriptor)
        numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGURG)
        return [descriptor, threading.active_count(), *map(signal.getsignal, numbers)]

    before = found()
    with interrupts():
        assert found() != before
    assert found() == before


def test_a_second_signal_ends_everything_at_once() -> None:
    with started(before="from tasks.system import processes, signals; signals.AGAIN_SECONDS = 0\n") as (process, child):
        begun = time.monotonic()
        process.send_signal(signal.SIGINT)
        # Two that are there before Python has looked may come in either order.
        assert process.stdout is not None
        assert process.stdout.readline() == "told\n"
        while process.poll() is None:
            os.kill(process.pid, signal.SIGTERM)
        assert process.returncode in {143, -signal.SIGTERM}
        assert time.monotonic() - begun < 0.5
        # Its end takes the kernel a moment; on its own it would live for a minute.
        await_until(lambda: not alive(child), 10)


def ended(program: str) -> tuple[int, str]:
    """Run a program that interrupts itself; return its exit code and what it said."""
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)],
        cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, timeout=30,
    )  # fmt: skip
    return done.returncode, done.stdout


def test_an_interrupt_that_python_passes_over_is_raised_again_and_shows_nothing() -> None:
    program = """
        import os, signal, sys, threading
        from tasks.system.signals import code, interrupts
        class Gone:
            def __del__(self):
                os.kill(os.getpid(), signal.SIGINT)
        with interrupts() as received:
            try:
                Gone()
                threading.Event().wait(20)
            except KeyboardInterrupt:
                sys.exit(code(received[0]))
    """
    assert ended(program) == (130, "")


def test_a_signal_that_comes_while_a_command_puts_things_away_only_changes_its_code() -> None:
    program = """
        import os, signal, sys
        from tasks.system.signals import code, ending, interrupts
        with interrupts() as received:
            ending()
            os.kill(os.getpid(), signal.SIGTERM)
            print("put away")
            sys.exit(code(received[0]))
    """
    assert ended(program) == (143, "put away\n")
