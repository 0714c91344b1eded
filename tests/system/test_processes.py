import os
import subprocess
import sys
import textwrap
import threading
from pathlib import Path

import pytest

from tasks.errors import CommandError
from tasks.system import processes
from tasks.system.secrets import keep
from tests.faults.processes import alive
from tests.waiting import await_until


def python(code: str) -> list[str]:
    return [sys.executable, "-c", textwrap.dedent(code)]


def test_output_errors_and_code_come_back() -> None:
    done = processes.run(python("import sys; print('out'); print('err', file=sys.stderr); sys.exit(3)"))
    assert (done.code, done.output, done.errors) == (3, "out\n", "err\n")


def test_no_shell_reads_the_arguments() -> None:
    done = processes.run(["printf", "%s", "$(id); `id` && 'x' \"y\"\n"])
    assert done.output == "$(id); `id` && 'x' \"y\"\n"


def test_the_child_gets_the_environment_given_and_no_other() -> None:
    done = processes.run(["/usr/bin/env"], environment={"ONLY": "this"})
    assert done.output == "ONLY=this\n"


def test_input_is_handed_over() -> None:
    assert processes.run(["cat"], stdin="secret").output == "secret"


def test_a_log_holds_the_command_and_both_streams_in_order(tmp_path: Path) -> None:
    log = tmp_path / "deep" / "x.log"
    processes.run(python("import os; os.write(1, b'one\\n'); os.write(2, b'two\\n'); os.write(1, b'three')"), log=log)
    command, *output = log.read_text().splitlines()
    assert command.startswith(f"$ {sys.executable} -c ")
    assert output == ["one", "two", "three"]


def test_a_log_and_what_is_given_back_of_it_hold_no_secret(tmp_path: Path) -> None:
    keep("MARKEDsecret0123456789")
    log = tmp_path / "x.log"
    done = processes.run(python("print('Authorization: Bearer MARKEDsecret0123456789')"), log=log)
    assert done.output == "Authorization: ***"
    assert log.read_text().splitlines()[1:] == ["Authorization: ***"]
    assert "MARKED" not in log.read_text()


def test_a_logged_command_gives_back_its_last_lines(tmp_path: Path) -> None:
    done = processes.run(python("[print(n) for n in range(1000)]"), log=tmp_path / "x.log")
    assert done.output.splitlines() == [str(n) for n in range(1000 - processes.TAIL_LINES, 1000)]


def test_a_program_that_is_not_there_is_named_with_what_to_do() -> None:
    with pytest.raises(CommandError, match="no-such-program could not be started") as fault:
        processes.run(["no-such-program"])
    assert "install no-such-program" in fault.value.next_step


def test_check_shows_the_end_of_what_a_failed_command_said() -> None:
    with pytest.raises(CommandError, match="exit code 7\n    because") as fault:
        processes.check(python("import sys; print('because', file=sys.stderr); sys.exit(7)"), next_step="fix it")
    assert fault.value.next_step == "fix it"


@pytest.mark.parametrize("logged", [False, True])
def test_a_command_that_takes_too_long_is_ended(tmp_path: Path, logged: bool) -> None:
    with pytest.raises(CommandError, match="did not end within"):
        processes.run(["sleep", "60"], timeout=0.1, log=tmp_path / "x.log" if logged else None)


@pytest.mark.parametrize("logged", [False, True])
def test_a_command_that_something_else_kills_is_not_said_to_have_taken_too_long(tmp_path: Path, logged: bool) -> None:
    argv = python("import os; os.kill(os.getpid(), 9)")
    assert processes.run(argv, timeout=60, log=tmp_path / "x.log" if logged else None).code == -9


def test_a_logged_command_that_ends_in_its_own_way_has_timed_out_all_the_same(tmp_path: Path) -> None:
    code = "import signal, sys, time; signal.signal(2, lambda *_: sys.exit(3)); time.sleep(60)"
    with pytest.raises(CommandError, match="did not end within 1 s"):
        processes.run(python(code), timeout=1, log=tmp_path / "x.log")


def test_commands_run_at_once_from_many_threads() -> None:
    results: list[str] = []
    threads = [
        threading.Thread(target=lambda n=n: results.append(processes.run(["echo", str(n)]).output)) for n in range(16)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(results) == sorted(f"{n}\n" for n in range(16))


class Doubled:
    """Writes every line twice, and a last one."""

    def line(self, line: str) -> list[str]:
        return [line, line]

    def end(self) -> list[str]:
        return ["end"]


def test_a_log_gets_what_a_rewriter_makes_of_the_output(tmp_path: Path) -> None:
    log = tmp_path / "x.log"
    done = processes.run(["seq", "2"], log=log, rewriter=Doubled())
    assert log.read_text().splitlines()[1:] == ["1", "1", "2", "2", "end"]
    assert done.output.splitlines() == ["1", "1", "2", "2", "end"]


def test_a_child_is_in_a_process_group_of_its_own() -> None:
    done = processes.run(python("import os; print(os.getpgrp() == os.getpid())"))
    assert done.output == "True\n"


def test_stop_all_ends_a_child_that_ignores_signals_and_its_own_children(tmp_path: Path) -> None:
    """In a process of its own, since stop_all lets nothing start afterwards."""
    ready = tmp_path / "grandchild"
    os.mkfifo(ready)
    stubborn = f"trap '' INT TERM; sleep 60 & echo $! > {ready}; wait; sleep 60"
    outer = subprocess.Popen(
        python(f"""
            import os, threading
            from tasks.system import processes
            processes.INTERRUPT_SECONDS = processes.TERMINATE_SECONDS = 0.1
            thread = threading.Thread(target=lambda: processes.run(["sh", "-c", {stubborn!r}]))
            thread.start()
            pid = int(open({str(ready)!r}).read())
            processes.stop_all()
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
            from tasks.system import processes
            from tasks.errors import CommandError
            processes.stop_all()
            try:
                processes.run(["true"])
            except CommandError as error:
                print(error.message)
        """),
        capture_output=True,
        text=True,
        check=True,
    )
    assert "is being stopped" in outer.stdout


class Interrupted:
    """Is interrupted at the first line, which is then what the interrupt carries."""

    def line(self, line: str) -> list[str]:
        raise KeyboardInterrupt(line)

    def end(self) -> list[str]:
        return []


def test_what_a_command_started_is_ended_with_it_even_where_the_command_ends_first(tmp_path: Path) -> None:
    """As docker does, which ends at a signal that its plugin may take no notice of."""
    code = """
        import subprocess, sys, time
        stubborn = "import os, signal, time; signal.signal(2, signal.SIG_IGN); signal.signal(15, signal.SIG_IGN);"
        stubborn += "print(os.getpid(), flush=True); time.sleep(60)"
        child = subprocess.Popen([sys.executable, "-c", stubborn])
        time.sleep(60)
    """
    with pytest.raises(KeyboardInterrupt) as interrupt:
        processes.run(python(code), log=tmp_path / "x.log", rewriter=Interrupted())
    await_until(lambda: not alive(int(str(interrupt.value))), 5)
