import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from tasks.errors import CommandError
from tasks.system import run
from tests.faults.processes import alive
from tests.waiting import await_until


def python(code: str) -> list[str]:
    return [sys.executable, "-c", textwrap.dedent(code)]


def test_a_child_is_in_a_process_group_of_its_own() -> None:
    done = run.run(python("import os; print(os.getpgrp() == os.getpid())"))
    assert done.output == "True\n"


def test_stop_all_ends_a_child_that_ignores_signals_and_its_own_children(tmp_path: Path) -> None:
    """In a process of its own, since stop_all lets nothing start afterwards."""
    ready = tmp_path / "grandchild"
    os.mkfifo(ready)
    stubborn = f"trap '' INT TERM; sleep 60 & echo $! > {ready}; wait; sleep 60"
    outer = subprocess.Popen(
        python(f"""
            import os, threading
            from tasks.system import children, run
            children.INTERRUPT_SECONDS = children.TERMINATE_SECONDS = 0.1
            thread = threading.Thread(target=lambda: run.run(["sh", "-c", {stubborn!r}]))
            thread.start()
            pid = int(open({str(ready)!r}).read())
            run.stop_all()
            thread.join(10)
            print(pid, thread.is_alive())
        """),
        stdout=subprocess.PIPE,
        text=True,
    )
    output, _ = outer.communicate(timeout=30)
    pid, waits = output.split()
    assert waits == "False"
    assert not alive(int(pid))


def test_nothing_starts_after_stop_all() -> None:
    outer = subprocess.run(
        python("""
            from tasks.system import run
            from tasks.errors import CommandError
            run.stop_all()
            try:
                run.run(["true"])
            except CommandError as error:
                print(error.message)
        """),
        capture_output=True,
        text=True,
        check=True,
    )
    assert "is being stopped" in outer.stdout


def test_what_a_command_started_is_ended_with_it_even_where_the_command_ends_first(tmp_path: Path) -> None:
    """As docker does, which ends at a signal that its plugin may take no notice of."""
    code = f"""
        import subprocess, sys, time
        stubborn = "import os, signal, time; signal.signal(2, signal.SIG_IGN); signal.signal(15, signal.SIG_IGN);"
        stubborn += "open({str(tmp_path / "pid")!r}, 'w').write(str(os.getpid())); time.sleep(60)"
        child = subprocess.Popen([sys.executable, "-c", stubborn])
        time.sleep(60)
    """
    with pytest.raises(CommandError, match="did not end within"):
        run.run(python(code), timeout=1.5)
    pid = int((tmp_path / "pid").read_text())
    await_until(lambda: not alive(pid), 5)
