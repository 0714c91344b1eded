"""Computes digests of files in this process, or in worker processes: `python -m tasks.image.jar.workers`.

A worker is started as any other command: threads take turns in Python's interpreter, a fork is unsafe under doit's
threads, and multiprocessing would import doit in each worker. It reads one JSON object from its standard input and
writes one to its standard output. It ends when its parent ends, for whatever reason.
"""

from __future__ import annotations

import contextlib
import heapq
import json
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import astuple
from pathlib import Path

from tasks.errors import ChangedWhileBuildingError, InputError, MissingInputError, UnreadableInputError
from tasks.image.jar import file_state
from tasks.image.jar.cache_file import Inflated
from tasks.image.jar.file_state import FileState
from tasks.image.jar.formats import Archive, format_of
from tasks.system import processes

LEAST_REMEMBERED_BYTES = 4 << 20
"""Fewer bytes of archives than this are inflated in less time than it takes to load what was inflated before."""

PARENT_SECONDS = 0.2
"""How often a worker checks whether its parent still runs."""

_ERRORS = {
    kind.__name__: kind for kind in (ChangedWhileBuildingError, InputError, MissingInputError, UnreadableInputError)
}


def digest_here(
    paths: Mapping[Path, FileState], memory: Path | None, keep: Callable[[Path, Archive], object] | None = None
) -> dict[Path, str | InputError]:
    """Digest files one after another in this process.

    Args:
        paths: the files, and the state that each must have when it is opened.
        memory: the file of `tasks.image.jar.cache_file.Inflated`, or None.
        keep: is called with each archive that was read.
    """
    packed = sum(state.size for path, state in paths.items() if format_of(path))
    inflated = Inflated(memory if packed >= LEAST_REMEMBERED_BYTES else None)
    results: dict[Path, str | InputError] = {}
    for path, state in paths.items():
        try:
            form = format_of(path)
            if form is None:
                results[path] = f"sha256:{file_state.file_digest(path, state)}"
                continue
            archive = form.read(path, inflated.known, state)
            results[path] = archive.digest
            if keep is not None:
                keep(path, archive)
        except InputError as error:
            results[path] = error
    inflated.save()
    return results


def digest_in_workers(
    paths: Mapping[Path, FileState], memory: Path | None, workers: int
) -> dict[Path, str | InputError]:
    """Digest files as `digest_here` does, in at most so many processes, each with about the same number of bytes.

    Raises:
        CommandError: a worker could not be started, or the run is being stopped.
    """
    results: dict[Path, str | InputError] = {}
    faults: list[BaseException] = []

    def work(share: Mapping[Path, FileState]) -> None:
        try:
            results.update(_ask_worker(share, memory))
        except BaseException as fault:  # noqa: BLE001  # Raised again in the thread that waits.
            faults.append(fault)

    threads = [threading.Thread(target=work, args=(share,), daemon=True) for share in shares(paths, workers)]
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    except BaseException:
        # The workers have process groups of their own, so an interrupt of this process does not reach them.
        processes.stop_all()
        raise
    if faults:
        raise faults[0]
    return results


def shares(paths: Mapping[Path, FileState], count: int) -> list[dict[Path, FileState]]:
    """Split files into at most `count` shares of about equal size: the largest first, each to the smallest share."""
    found: list[dict[Path, FileState]] = [{} for _ in range(min(count, len(paths)))]
    heap = [(0, number) for number in range(len(found))]
    for path, state in sorted(paths.items(), key=lambda item: (-item[1].size, item[0])):
        load, number = heapq.heappop(heap)
        found[number][path] = state
        heapq.heappush(heap, (load + state.size, number))
    return found


def _ask_worker(share: Mapping[Path, FileState], memory: Path | None) -> dict[Path, str | InputError]:
    request = {
        "parent": os.getpid(),
        "memory": None if memory is None else str(memory.absolute()),
        "paths": [[str(path.absolute()), *astuple(state)] for path, state in share.items()],
    }
    # -m finds this package in the working directory, whether it is installed or not.
    root = Path(__file__).resolve().parents[3]
    done = processes.run([sys.executable, "-m", "tasks.image.jar.workers"], directory=root, stdin=json.dumps(request))
    if done.code != 0:
        reason = f"the worker process ended with code {done.code}\n{processes.tail(done)}".rstrip()
        remedy = "check whether this machine is out of memory, then run again"
        return {path: UnreadableInputError(f"{path} was not read: {reason}", remedy) for path in share}
    answers = json.loads(done.output)
    return {path: _decoded(answer) for path, answer in zip(share, answers, strict=True)}


def _decoded(answer: str | Sequence[str]) -> str | InputError:
    if isinstance(answer, str):
        return answer
    kind, message, next_step = answer
    return _ERRORS[kind](message, next_step)


def main() -> None:
    """Answer one request as a worker."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    request = json.load(sys.stdin)
    threading.Thread(target=_end_with, args=(request["parent"],), daemon=True).start()
    memory = None if request["memory"] is None else Path(request["memory"])
    results = digest_here({Path(path): FileState(*state) for path, *state in request["paths"]}, memory)
    answers = [
        result if isinstance(result, str) else [type(result).__name__, result.message, result.next_step]
        for result in results.values()
    ]
    json.dump(answers, sys.stdout)


def _end_with(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(PARENT_SECONDS)
    with contextlib.suppress(OSError):
        os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    main()
