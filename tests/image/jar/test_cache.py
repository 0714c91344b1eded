import hashlib
import json
import os
import select
import signal
import sys
import threading
import time
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from tasks.errors import ChangedWhileBuildingError, InputError, MissingInputError, UnreadableInputError
from tasks.image.jar import cache as digest_cache
from tasks.image.jar import cache_file, content, file_state
from tasks.image.jar import workers as digest_workers
from tasks.image.jar.cache import Digests
from tasks.image.jar.file_state import FileState
from tasks.system import processes
from tests.zips import Member, archive

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder whose files are old enough to be remembered at once."""
    monkeypatch.setattr(digest_cache, "YOUNG_SECONDS", 0.0)
    folder = tmp_path / "files"
    folder.mkdir()
    return folder


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "state" / "digests"


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Which files are read from here on."""
    seen: list[Path] = []
    for module, name in ((content, "read"), (file_state, "file_digest")):
        original: Callable[..., object] = getattr(module, name)

        def recorded(path: Path, *rest: object, original: Callable[..., object] = original) -> object:
            seen.append(path)
            return original(path, *rest)

        monkeypatch.setattr(module, name, recorded)
    return seen


def write(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def large_jar(path: Path, seed: int = 1) -> Path:
    """A jar that is worth a process: its entries differ from any other's."""
    entries = [Member(f"{seed}/{number}", os.urandom(600_000), method=zipfile.ZIP_STORED) for number in range(24)]
    return write(path, archive(entries))


def digests_of(digests: Digests, paths: Sequence[Path]) -> dict[Path, str | InputError]:
    found = digests.of(paths)
    return {path: one if isinstance(one, InputError) else one.digest for path, one in found.items()}


def state_of(path: Path) -> FileState:
    return FileState.of(path.stat())


def sha256(content: bytes) -> str:
    return "sha256:" + hashlib.sha256(content).hexdigest()


def test_a_jar_counts_by_its_content_and_any_other_file_by_its_bytes(files: Path) -> None:
    packed = archive([Member("a", b"x")])
    jar, other = write(files / "a.jar", packed), write(files / "a.zip", packed)
    assert digests_of(Digests(None), [jar, other]) == {jar: content.read(jar).digest, other: sha256(packed)}


def test_what_has_not_changed_is_not_read_again(files: Path, cache: Path, reads: list[Path]) -> None:
    paths = [write(files / "a.jar", archive([Member("a")])), write(files / "b", b"b")]
    first = digests_of(Digests(cache), paths)
    assert (first, paths) == (digests_of(Digests(cache), paths), reads)


def test_one_file_with_two_names_is_read_as_each_of_them(files: Path, cache: Path) -> None:
    content = archive([Member("a", b"x")])
    one, other = write(files / "a.jar", content), files / "a.bin"
    other.hardlink_to(one)
    assert digests_of(Digests(cache), [one]) != digests_of(Digests(cache), [other])
    assert digests_of(Digests(cache), [other]) == {other: sha256(content)}


def test_a_change_of_the_same_size_with_its_old_times_is_seen(files: Path, cache: Path) -> None:
    path = write(files / "a", b"one")
    before = path.stat()
    digests_of(Digests(cache), [path])
    write(path, b"two")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert digests_of(Digests(cache), [path]) == {path: sha256(b"two")}


def test_another_file_of_the_same_size_under_the_name_is_seen(files: Path, cache: Path) -> None:
    path = write(files / "a", b"one")
    before = path.stat()
    digests_of(Digests(cache), [path])
    os.utime(write(files / "b", b"two"), ns=(before.st_atime_ns, before.st_mtime_ns))
    (files / "b").rename(path)
    assert digests_of(Digests(cache), [path]) == {path: sha256(b"two")}


def test_a_young_file_is_digested_and_not_remembered(tmp_path: Path, cache: Path, reads: list[Path]) -> None:
    path = write(tmp_path / "a", b"a")
    for _ in range(2):
        assert digests_of(Digests(cache), [path]) == {path: sha256(b"a")}
    assert ([path, path], False) == (reads, cache.exists())


def test_a_file_from_the_future_is_not_remembered(files: Path, cache: Path, reads: list[Path]) -> None:
    path = write(files / "a", b"a")
    os.utime(path, (time.time() + 3600,) * 2)
    for _ in range(2):
        digests_of(Digests(cache), [path])
    assert [path, path] == reads


def test_a_file_of_a_file_system_without_a_time_of_change_is_not_remembered(
    files: Path, cache: Path, reads: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(files / "a", b"a")
    monkeypatch.setattr(file_state, "devices_without_change_time", lambda: frozenset({path.stat().st_dev}))
    for _ in range(2):
        digests_of(Digests(cache), [path])
    assert [path, path] == reads


def test_the_entries_of_a_jar_that_was_read_alone_are_not_read_again(files: Path, reads: list[Path]) -> None:
    path, small = large_jar(files / "a.jar"), write(files / "small.jar", archive([Member("a", b"x")]))
    found = Digests(None)
    digests_of(found, [path, small])
    expected = {one: content.read(one).entries() for one in (path, small)}
    del reads[:]
    assert {one: found.entries(one, state_of(one)) for one in (path, small)} == expected
    assert reads == [small]


def test_the_entries_of_another_state_of_a_jar_are_not_known(files: Path) -> None:
    path = large_jar(files / "a.jar")
    found, before = Digests(None), state_of(path)
    digests_of(found, [path])
    large_jar(path, seed=2)
    assert found.entries(path, before) is None
    assert found.entries(path, state_of(path)) == content.read(path).entries()


@pytest.mark.parametrize("workers", [1, 2])
def test_of_many_jars_no_entries_are_kept(files: Path, reads: list[Path], workers: int) -> None:
    paths = [large_jar(files / f"{number}.jar", seed=number) for number in range(2)]
    found = Digests(None, workers=workers)
    digests_of(found, paths)
    del reads[:]
    assert all(found.entries(path, state_of(path)) for path in paths)
    assert reads == paths


def test_a_file_is_not_read_within_the_tick_of_its_last_change(files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(files / "a", b"a")
    begun: list[int] = []
    original = digest_workers.digest_here

    def recorded(paths: dict[Path, FileState], memory: Path | None) -> dict[Path, str | InputError]:
        begun.append(time.time_ns())
        return original(paths, memory)

    monkeypatch.setattr(digest_workers, "digest_here", recorded)
    digests_of(Digests(None), [path])
    assert begun[-1] - path.stat().st_ctime_ns >= digest_cache.TICK_SECONDS * 1e9


def test_a_file_that_changes_while_it_is_read_is_read_again(files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(files / "a", b"one")
    original = file_state.file_digest

    def overtaken(path: Path, expected: FileState) -> str:
        digest = original(path, expected)
        if path.read_bytes() == b"one":
            write(path, b"two")
        return digest

    monkeypatch.setattr(file_state, "file_digest", overtaken)
    assert digests_of(Digests(None), [path]) == {path: sha256(b"two")}


@pytest.mark.parametrize("workers", [1, 2])
def test_a_path_that_leads_elsewhere_while_it_is_read_gets_its_own_digest(
    files: Path, cache: Path, monkeypatch: pytest.MonkeyPatch, workers: int
) -> None:
    """As where a directory is a link to one release and then to another, or is moved away and back."""
    for name in ("one", "other"):
        (files / name).mkdir()
        for number in range(2):
            large_jar(files / name / f"{number}.jar", seed=len(name))
    paths = [files / "current" / f"{number}.jar" for number in range(2)]
    (files / "current").symlink_to("one")
    expected = digests_of(Digests(None, workers=1), paths)
    turns = iter(["other", "one"])

    def turned(function: Callable[..., object]) -> Callable[..., object]:
        def call(*given: object) -> object:
            lead(next(turns, "one"))
            found = function(*given)
            lead("one")
            return found

        return call

    def lead(name: str) -> None:
        (files / "next").symlink_to(name)
        (files / "next").rename(files / "current")

    name = "digest_here" if workers == 1 else "digest_in_workers"
    monkeypatch.setattr(digest_workers, name, turned(getattr(digest_workers, name)))
    again = [digests_of(Digests(cache, workers=count), paths) for count in (workers, 1)]
    assert again == [expected, expected]


def test_a_file_that_changes_each_time_it_is_read_is_an_error(files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, other = write(files / "a", b""), write(files / "b", b"b")
    original = file_state.file_digest

    def overtaken(read: Path, expected: FileState) -> str:
        digest = original(read, expected)
        if read == path:
            path.write_bytes(path.read_bytes() + b"x")
        return digest

    monkeypatch.setattr(file_state, "file_digest", overtaken)
    found = digests_of(Digests(None), [path, other])
    assert isinstance(found[path], ChangedWhileBuildingError)
    assert found[other] == sha256(b"b")


def test_a_fault_of_one_file_leaves_the_others_their_digests(files: Path) -> None:
    none, pipe, bad, good = files / "none", files / "pipe", files / "bad.jar", write(files / "good", b"x")
    os.mkfifo(pipe)
    write(bad, archive([Member("a", b"x")])[:20])
    found = digests_of(Digests(None), [none, pipe, bad, good])
    kinds = [type(found[path]) for path in (none, pipe, bad, good)]
    assert [MissingInputError, UnreadableInputError, UnreadableInputError, str] == kinds


def test_a_fault_is_not_remembered(files: Path, cache: Path) -> None:
    path = write(files / "a.jar", archive([Member("a", b"x")])[:20])
    assert isinstance(digests_of(Digests(cache), [path])[path], UnreadableInputError)
    write(path, archive([Member("a", b"x")]))
    assert digests_of(Digests(cache), [path]) == {path: content.read(path).digest}


# The cache's file


@pytest.mark.parametrize("damage", [lambda _: b"", lambda c: c[:-9], lambda c: c[:-3] + b"0" + c[-2:], lambda _: b"\0"])
def test_a_damaged_cache_is_made_anew(files: Path, cache: Path, damage: Callable[[bytes], bytes]) -> None:
    path = write(files / "a", b"a")
    digests_of(Digests(cache), [path])
    whole = cache.read_bytes()
    cache.write_bytes(damage(whole))
    assert digests_of(Digests(cache), [path]) == {path: sha256(b"a")}
    assert whole == cache.read_bytes()


def test_a_cache_that_cannot_be_read_or_written_is_gone_without(files: Path, cache: Path) -> None:
    cache.mkdir(parents=True)
    path = write(files / "a", b"a")
    assert digests_of(Digests(cache), [path]) == {path: sha256(b"a")}
    assert digests_of(Digests(files / "a" / "below a file"), [path]) == {path: sha256(b"a")}
    assert [cache] == list(cache.parent.iterdir())


def test_two_runs_at_once_keep_what_both_have_found(files: Path, cache: Path, reads: list[Path]) -> None:
    one, other = write(files / "a", b"a"), write(files / "b", b"b")
    first, second = Digests(cache), Digests(cache)
    digests_of(first, [one])
    digests_of(second, [other])
    reads.clear()
    digests_of(Digests(cache), [one, other])
    assert reads == []


def test_many_writers_and_readers_of_one_cache_get_right_answers(files: Path, cache: Path) -> None:
    paths = [write(files / str(number), str(number).encode()) for number in range(40)]
    expected = {path: sha256(path.name.encode()) for path in paths}
    found: list[dict[Path, str | InputError]] = []

    def work(number: int) -> None:
        mine = paths[number:] + paths[:number]
        found.append({path: digest for path in mine for digest in digests_of(Digests(cache), [path]).values()})

    threads = [threading.Thread(target=work, args=(number,)) for number in range(0, 40, 10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [expected] * 4 == found


def test_the_cache_forgets_what_is_no_longer_asked_for(
    files: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(digest_cache, "MAX_UNUSED", 5)
    for number in range(20):
        digests_of(Digests(cache), [write(files / str(number), b"x")])
    assert len(cache.read_bytes().splitlines()) == 1 + 5 + 1


def test_the_state_of_a_file_is_what_stat_says_of_it(files: Path) -> None:
    found = write(files / "a", b"abc").stat()
    assert state_of(files / "a") == FileState(found.st_dev, found.st_ino, 3, found.st_mtime_ns, found.st_ctime_ns)


# What was inflated before


def test_equal_deflated_bytes_are_inflated_once_in_all_runs(files: Path, cache: Path) -> None:
    entries = [Member(str(number), os.urandom(50_000)) for number in range(100)]
    path = write(files / "a.jar", archive(entries))
    first = digests_of(Digests(cache), [path])
    memory = cache.with_name("digests.inflated")
    size = memory.stat().st_size
    write(path, archive([entry.packed(time=(2025, 1, 1, 0, 0, 0)) for entry in entries]))
    assert (digests_of(Digests(cache), [path]), memory.stat().st_size) == (first, size)


def test_a_few_entries_that_are_new_are_not_worth_writing_all_others_anew(files: Path, cache: Path) -> None:
    members = [Member(f"{number}.class", os.urandom(110_000), method=zipfile.ZIP_DEFLATED) for number in range(40)]
    path = write(files / "a.jar", archive(members))
    digests_of(Digests(cache), [path])
    memory = cache.with_name("digests.inflated")
    before = memory.read_bytes()
    write(path, archive([Member("0.class", os.urandom(110_000), method=zipfile.ZIP_DEFLATED), *members[1:]]))
    digests_of(Digests(cache), [path])
    assert memory.read_bytes() == before
    write(
        path,
        archive([Member(f"new/{member.name}", os.urandom(110_000), method=zipfile.ZIP_DEFLATED) for member in members]),
    )
    digests_of(Digests(cache), [path])
    assert len(memory.read_bytes()) > len(before)


def test_a_damaged_memory_of_what_was_inflated_is_not_believed(files: Path, cache: Path) -> None:
    path = write(files / "a.jar", archive([Member(str(number), os.urandom(50_000)) for number in range(100)]))
    expected = digests_of(Digests(cache), [path])
    memory = cache.with_name("digests.inflated")
    memory.write_bytes(memory.read_bytes().replace(memory.read_bytes()[-32:], bytes(32)))
    cache.unlink()
    assert expected == digests_of(Digests(cache), [path])


def test_a_file_is_replaced_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "cache"
    assert cache_file.write(path, "make 1", b"body")
    assert (cache_file.read(path, "make 1"), cache_file.read(path, "make 2")) == (b"body", b"")


# Worker processes


def test_workers_come_to_the_same_digests(files: Path) -> None:
    paths = [large_jar(files / f"{number}.jar", number) for number in range(3)]
    paths.append(write(files / "big", os.urandom(5_000_000)))
    paths.append(write(files / "small.jar", archive([Member("a")])))
    assert digests_of(Digests(None, workers=2), paths) == digests_of(Digests(None, workers=1), paths)


def test_a_fault_in_a_worker_is_the_same_error(files: Path) -> None:
    good, bad = large_jar(files / "good.jar"), large_jar(files / "bad.jar")
    bad.write_bytes(bad.read_bytes()[:-1000])
    found, alone = digests_of(Digests(None, workers=2), [good, bad]), digests_of(Digests(None, workers=1), [good, bad])
    assert isinstance(found[bad], UnreadableInputError)
    assert str(alone[bad]) == str(found[bad])
    assert alone[good] == found[good]


def test_a_worker_that_dies_is_an_error_of_each_of_its_files(files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(files / "a", b"a")
    monkeypatch.setattr(sys, "executable", "/bin/false")
    found = digest_workers.digest_in_workers({path: state_of(path)}, None, 1)[path]
    assert isinstance(found, UnreadableInputError)
    assert "ended with code 1" in found.message


def test_files_are_shared_out_evenly() -> None:
    sizes = {Path(str(number)): FileState(0, 0, size, 0, 0) for number, size in enumerate((9, 8, 6, 5, 4, 4))}
    assert [sum(found.size for found in share.values()) for share in digest_workers.shares(sizes, 2)] == [18, 18]


@pytest.mark.parametrize(
    ("end", "code"),
    [
        ("os.kill(os.getpid(), signal.SIGKILL)", -signal.SIGKILL),
        ("signal.raise_signal(signal.SIGTERM)", -signal.SIGTERM),
    ],
)
def test_a_worker_ends_with_its_parent(files: Path, end: str, code: int) -> None:
    # Nobody writes to the pipe, so a worker that reads it waits for ever.
    os.mkfifo(files / "endless")
    script = f"""
import json, os, signal, subprocess, sys
quiet = {{"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}}
argv = [sys.executable, "-m", "tasks.image.jar.workers"]
worker = subprocess.Popen(argv, stdin=subprocess.PIPE, process_group=0, **quiet)
request = {{"parent": os.getpid(), "memory": None, "paths": [[sys.argv[1], 0, 0, 1, 0, 0]]}}
worker.stdin.write(json.dumps(request).encode())
worker.stdin.close()
print(worker.pid, flush=True)
{end}
"""
    done = processes.run([sys.executable, "-c", script, str(files / "endless")], directory=ROOT)
    assert done.code == code
    assert ended(int(done.output))


def test_an_interrupt_ends_the_workers(files: Path) -> None:
    os.mkfifo(files / "endless")
    script = """
import os, signal, sys, threading
from pathlib import Path
from tasks.system import processes
from tasks.image.jar import workers
from tasks.image.jar.file_state import FileState
def interrupt():
    while not processes._running:
        pass
    print(next(iter(processes._running)).pid, flush=True)
    os.kill(os.getpid(), signal.SIGINT)
threading.Thread(target=interrupt).start()
workers.digest_in_workers({Path(sys.argv[1]): FileState(0, 0, 1, 0, 0)}, None, 1)
"""
    done = processes.run([sys.executable, "-c", script, str(files / "endless")], directory=ROOT)
    assert done.code != 0
    assert ended(int(done.output))


def ended(pid: int) -> bool:
    """Wait until a process that is not our child has ended; end it where it does not."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        ready, _, _ = select.select([descriptor], [], [], 10)
        if not ready:
            signal.pidfd_send_signal(descriptor, signal.SIGKILL)
    finally:
        os.close(descriptor)
    return bool(ready)


def test_an_unchanged_run_imports_nothing_that_reads_jars(files: Path, cache: Path) -> None:
    path = write(files / "a.jar", archive([Member("a")]))
    digests_of(Digests(cache), [path])
    code = (
        "import sys; from pathlib import Path; from tasks.image.jar.cache import Digests;"
        "Digests(Path(sys.argv[1])).of([Path(sys.argv[2])]);"
        "import json; print(json.dumps(sorted(sys.modules)))"
    )
    # Coverage would import modules of its own.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")}
    argv = [sys.executable, "-c", code, str(cache), str(path)]
    modules = json.loads(processes.run(argv, directory=ROOT, environment=environment).output)
    assert not {
        "tasks.image.jar.content",
        "tasks.image.jar.workers",
        "isal",
        "sqlite3",
        "subprocess",
        "multiprocessing",
    } & set(modules)
