"""Orders of one jar's entries that a real JVM tells apart, against the digests that they are given here.

It needs a JDK (apt-get install openjdk-17-jdk-headless), which the project itself does not.
"""

from __future__ import annotations

import itertools
import shutil
import zipfile
from pathlib import Path

import pytest

from tasks.image.jar import content as jar_content
from tasks.system import processes
from tests.zips import Member, archive

pytestmark = pytest.mark.integration

MISSING = [program for program in ("java", "javac", "jarsigner", "keytool") if shutil.which(program) is None]
if MISSING:
    pytest.skip(f"no JDK on this machine; missing: {MISSING}", allow_module_level=True)

PROBE = """\
import java.io.FileInputStream;
import java.util.ArrayList;
import java.util.List;
import java.util.jar.JarEntry;
import java.util.jar.JarFile;
import java.util.jar.JarInputStream;
import java.util.jar.Manifest;

public class Probe {
    public static void main(String[] paths) throws Exception {
        for (String path : paths) {
            StringBuilder seen = new StringBuilder();
            try (JarInputStream in = new JarInputStream(new FileInputStream(path))) {
                List<JarEntry> entries = new ArrayList<>();
                for (JarEntry entry; (entry = in.getNextJarEntry()) != null;) {
                    in.readAllBytes();
                    entries.add(entry);
                    if (entry.getName().endsWith(".jar")) seen.append(entry.getName()).append(" ");
                }
                int signed = 0;
                for (JarEntry entry : entries) if (entry.getCodeSigners() != null) signed++;
                seen.append("signed ").append(signed).append(" runs ").append(mainClass(in.getManifest()));
            }
            try (JarFile file = new JarFile(path)) {
                seen.append(" or ").append(mainClass(file.getManifest()));
            }
            System.out.println(seen);
        }
    }

    static String mainClass(Manifest manifest) {
        return manifest == null ? "nothing" : manifest.getMainAttributes().getValue("Main-Class");
    }
}
"""

A, B = Member("a/A.class", b"x"), Member("b", b"y")
META, INDEX = Member("META-INF/"), Member("META-INF/INDEX.LIST", b"JarIndex-Version: 1.0\n\n")
MANIFEST = Member("META-INF/MANIFEST.MF", b"Manifest-Version: 1.0\r\nMain-Class: a.A\r\n\r\n")
OTHER = Member("meta-inf/manifest.mf", b"Manifest-Version: 1.0\r\nMain-Class: b.B\r\n\r\n")
JARS = [Member(f"lib/{name}.jar", archive([Member("C.class", name.encode())])) for name in ("one", "two")]


def signed(folder: Path) -> list[Member]:
    """Return the entries of a signed jar: the manifest, what signs it, and two more."""
    path, keys = folder / "signed.jar", ("-keystore", str(folder / "keys"), "-storepass", "secret1")
    path.write_bytes(archive([MANIFEST, A, B]))
    for words in (
        ("keytool", "-genkeypair", *keys, "-alias", "me", "-keyalg", "RSA", "-dname", "CN=me", "-validity", "9000"),
        ("jarsigner", *keys, str(path), "me"),
    ):
        processes.check(words, next_step="see above")
    with zipfile.ZipFile(path) as zipped:
        found = {name: Member(name, zipped.read(name)) for name in zipped.namelist()}
    return [found[name] for name in ("META-INF/MANIFEST.MF", "META-INF/ME.SF", "META-INF/ME.RSA", "a/A.class", "b")]


def assert_told_apart(orders: list[list[Member]], folder: Path) -> None:
    """What Java sees two of in these orders has two digests; and it does see at least two."""
    paths = [folder / f"{number}.jar" for number in range(len(orders))]
    for path, members in zip(paths, orders, strict=True):
        path.write_bytes(archive(members))
    (folder / "Probe.java").write_text(PROBE)
    done = processes.check(["java", str(folder / "Probe.java"), *map(str, paths)], next_step="see above")
    views = done.output.splitlines()
    digests = [jar_content.read(path).digest for path in paths]
    assert len(views) == len(orders)
    assert len(set(views)) > 1
    for one, other in itertools.combinations(range(len(orders)), 2):
        assert views[one] == views[other] or digests[one] != digests[other], (views[one], views[other])


def permuted(*members: Member) -> list[list[Member]]:
    return [list(order) for order in itertools.permutations(members)]


def test_the_place_of_the_manifest(tmp_path: Path) -> None:
    assert_told_apart(permuted(META, MANIFEST, A, INDEX), tmp_path)


def test_two_manifests_whose_names_differ_in_case(tmp_path: Path) -> None:
    assert_told_apart(permuted(MANIFEST, OTHER, A), tmp_path)


def test_signatures_behind_the_manifest_or_later(tmp_path: Path) -> None:
    assert_told_apart(permuted(*signed(tmp_path)), tmp_path)


def test_jars_inside_in_another_order(tmp_path: Path) -> None:
    assert_told_apart(permuted(*JARS, A), tmp_path)
