"""How long the digests of many jars take, beside what could be done instead, all in one run.

    python -m bench.jars TREE      every *.jar below TREE, for instance a Sleeper build's scripts directory

Each figure is the best of three, from the page cache. "After a Maven rebuild" is what the next build on the same
machine leaves: every jar is new, and most entries were deflated to the same bytes before.
"""

from __future__ import annotations

import hashlib
import os
import sqlite3
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path

from tasks.image.jar.cache import Digests

ROUNDS = 3


def best(action: Callable[[], object], before: Callable[[], object] = lambda: None) -> float:
    """Return the seconds of the quickest of some rounds of `action`, each after `before`."""
    times = []
    for _ in range(ROUNDS):
        before()
        begun = time.perf_counter()
        action()
        times.append(time.perf_counter() - begun)
    return min(times)


def raw(jars: Sequence[Path]) -> None:
    """Hash the bytes, which a rebuild changes."""
    for jar in jars:
        with jar.open("rb") as file:
            hashlib.file_digest(file, "sha256")


def directories(jars: Sequence[Path]) -> None:
    """Read names, sizes and CRC-32 only, which prove nothing."""
    for jar in jars:
        with zipfile.ZipFile(jar) as archive:
            sorted((entry.filename, entry.file_size, entry.CRC) for entry in archive.infolist())


def one_thread_of_zlib(jars: Sequence[Path]) -> None:
    """Inflate, check and hash every entry with the standard library."""
    for jar in jars:
        with zipfile.ZipFile(jar) as archive:
            sorted((entry.filename, hashlib.sha256(archive.read(entry)).digest()) for entry in archive.infolist())


def compare(jars: Sequence[Path], state: Path) -> None:
    """Print the table for `jars`; `state` is a folder for caches."""
    cache = state / "digests"
    memory = state / "digests.inflated"

    def forget_digests() -> None:
        cache.unlink(missing_ok=True)

    def forget_all() -> None:
        forget_digests()
        memory.unlink(missing_ok=True)

    rows = {
        "sha256 of the raw bytes, one thread": best(lambda: raw(jars)),
        "central directories only, one thread": best(lambda: directories(jars)),
        "zlib, one thread": best(lambda: one_thread_of_zlib(jars)),
        "this, the first time on a machine": best(lambda: Digests(cache).of(jars), forget_all),
        "this, after a Maven rebuild": best(lambda: Digests(cache).of(jars), forget_digests),
        "this, nothing changed": best(lambda: Digests(cache).of(jars)),
    }
    largest = max(jars, key=lambda jar: jar.stat().st_size)
    rows[f"this, one jar rebuilt ({largest.stat().st_size / 1e6:.0f} MB)"] = best(
        lambda: Digests(cache).of([largest]), forget_digests
    )
    print(f"{len(jars)} jars, {sum(jar.stat().st_size for jar in jars) / 1e9:.2f} GB, {os.cpu_count()} processors\n")
    print(f"{'':40}{'seconds':>9}{'of zlib':>9}{'of sha256':>11}")
    base, least = rows["zlib, one thread"], rows["sha256 of the raw bytes, one thread"]
    for name, seconds in rows.items():
        print(f"{name:40}{seconds:9.4f}{seconds / base:9.3f}{seconds / least:11.2f}")


def compare_caches(state: Path) -> None:
    """Print what it costs to open a cache of 200 and of 5,000 digests and ask for each."""
    print(f"\n{'open the cache and ask':40}{'seconds':>9}")
    for count in (200, 5_000):
        files = [state / f"{count}-{number}" for number in range(count)]
        for file in files:
            file.write_bytes(b"x")
            os.utime(file, (0, 0))
        cache, database = state / f"{count}.cache", state / f"{count}.sqlite"
        time.sleep(2.1)  # A younger file is not remembered.
        known = Digests(cache).of(files)
        with sqlite3.connect(database) as connection:
            connection.execute("CREATE TABLE digest (file TEXT PRIMARY KEY, digest TEXT)")
            connection.executemany("INSERT INTO digest VALUES (?, ?)", ((str(f), str(d)) for f, d in known.items()))
        connection.close()

        def ask_sqlite(files: Sequence[Path] = files, database: Path = database) -> None:
            connection = sqlite3.connect(database)
            known = dict(connection.execute("SELECT file, digest FROM digest"))
            for file in files:
                file.stat()
                known[str(file)]
            connection.close()

        print(f"{f'this, {count} files':40}{best(lambda f=files, c=cache: Digests(c).of(f)):9.4f}")  # type: ignore[misc]
        print(f"{f'sqlite, {count} files':40}{best(ask_sqlite):9.4f}")


def main() -> None:
    """Run all comparisons on the jars below the folder named on the command line."""
    if len(sys.argv) != 2 or not (jars := sorted(Path(sys.argv[1]).rglob("*.jar"))):
        sys.exit(__doc__)
    with tempfile.TemporaryDirectory() as state:
        compare(jars, Path(state))
        compare_caches(Path(state))


if __name__ == "__main__":
    main()
