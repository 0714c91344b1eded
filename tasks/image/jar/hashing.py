"""Digests of files in this process, and in worker processes of this module: `python -m tasks.image.jar.hashing`.

A worker reads one JSON object from its standard input and writes one to its standard output, so that it is started
like any other command: forking is unsafe under doit's threads, and multiprocessing would import doit in each worker.
It ends when its parent is gone, however that ended.
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
from tasks.image import source
from tasks.image.jar import jar
from tasks.image.jar.inflated import Inflated
from tasks.image.jar.stamp import FileStamp

REMEMBERED_BYTES = 4 << 20
"""Fewer bytes of jars than this are inflated sooner than the memory of what was inflated is read."""

PARENT_SECONDS = 0.2
"""How often a worker looks whether its parent is still there."""

_ERRORS = {
    kind.__name__: kind for kind in (ChangedWhileBuildingError, InputError, MissingInputError, UnreadableInputError)
}


def is_jar(path: Path) -> bool:
    """Whether a file is digested by its meaning, if it is a zip archive at all; told by its name."""
    return path.suffix == ".jar"


def digest_all(
    paths: Mapping[Path, FileStamp], memory: Path | None, keep: Callable[[Path, jar.Meaning], object] | None = None
) -> dict[Path, str | InputError]:
    """Digest files one after another in this process.

    Args:
        paths: the files, and what they must be like when they are opened.
        memory: the file of `tasks.image.jar.inflated`, or None.
        keep: is given what was read of each jar, or None.

    Returns:
        Each file's digest, or why it has none.
    """
    jars = sum(stamp.size for path, stamp in paths.items() if is_jar(path))
    inflated = Inflated(memory if jars >= REMEMBERED_BYTES else None)
    results: dict[Path, str | InputError] = {}
    for path, stamp in paths.items():
        try:
            if is_jar(path):
                found = jar.read(path, inflated.known, stamp)
                results[path] = found.digest
                if keep is not None:
                    keep(path, found)
            else:
                results[path] = f"sha256:{source.file_digest(path, stamp)}"
        except InputError as error:
            results[path] = error
    inflated.save()
    return results


def digest_in_workers(
    paths: Mapping[Path, FileStamp], memory: Path | None, workers: int
) -> dict[Path, str | InputError]:
    """Digest files in worker processes, each given about as many bytes.

    Args:
        paths: the files, and what they must be like when they are opened.
        memory: as for `digest_all`.
        workers: how many processes at most.

    Returns:
        Each file's digest, or why it has none.

    Raises:
        CommandError: a worker could not be started, or the run is being stopped.
    """
    from tasks.system import processes  # noqa: PLC0415  # Only what has much to read starts processes.

    results: dict[Path, str | InputError] = {}
    faults: list[BaseException] = []

    def work(share: Mapping[Path, FileStamp]) -> None:
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
        # An interrupt ends the run; the workers lead process groups of their own and would not hear of it.
        processes.stop_all()
        raise
    if faults:
        raise faults[0]
    return results


def shares(paths: Mapping[Path, FileStamp], count: int) -> list[dict[Path, FileStamp]]:
    """Split files into at most `count` shares of about equal size: the largest first, each to the least loaded."""
    found: list[dict[Path, FileStamp]] = [{} for _ in range(min(count, len(paths)))]
    heap = [(0, number) for number in range(len(found))]
    for path, stamp in sorted(paths.items(), key=lambda item: (-item[1].size, item[0])):
        load, number = heapq.heappop(heap)
        found[number][path] = stamp
        heapq.heappush(heap, (load + stamp.size, number))
    return found


def _ask_worker(share: Mapping[Path, FileStamp], memory: Path | None) -> dict[Path, str | InputError]:
    from tasks.system import processes  # noqa: PLC0415  # As above.

    request = {
        "parent": os.getpid(),
        "memory": None if memory is None else str(memory.absolute()),
        "paths": [[str(path.absolute()), *astuple(stamp)] for path, stamp in share.items()],
    }
    # -m finds this package in the directory that the command runs in, whether it is installed or not.
    root = Path(__file__).resolve().parents[3]
    done = processes.run([sys.executable, "-m", "tasks.image.jar.hashing"], directory=root, stdin=json.dumps(request))
    if done.code != 0:
        reason = f"the process that read it ended with code {done.code}\n{processes.tail(done)}".rstrip()
        remedy = "see whether this machine is out of memory, then run again"
        return {path: UnreadableInputError(f"{path} was not read: {reason}", remedy) for path in share}
    answers = json.loads(done.output)
    return {path: _decoded(answer) for path, answer in zip(share, answers, strict=True)}


def _decoded(answer: str | Sequence[str]) -> str | InputError:
    if isinstance(answer, str):
        return answer
    kind, message, next_step = answer
    return _ERRORS[kind](message, next_step)


def _encoded(result: str | InputError) -> str | list[str]:
    return result if isinstance(result, str) else [type(result).__name__, result.message, result.next_step]


def main() -> None:
    """Answer one request as a worker."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    request = json.load(sys.stdin)
    threading.Thread(target=_end_with, args=(request["parent"],), daemon=True).start()
    memory = None if request["memory"] is None else Path(request["memory"])
    results = digest_all({Path(path): FileStamp(*stamp) for path, *stamp in request["paths"]}, memory)
    json.dump([_encoded(result) for result in results.values()], sys.stdout)


def _end_with(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(PARENT_SECONDS)
    with contextlib.suppress(OSError):
        os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    main()
