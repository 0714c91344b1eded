import contextlib
import hashlib
import itertools
import random
import struct
import tempfile
import zipfile
import zlib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.errors import MissingInputError, UnreadableInputError
from tasks.image.jar import content as jar_content
from tasks.image.jar import file_state
from tests.zips import MANIFEST, Member, archive, directory_at, patched

_folder = tempfile.TemporaryDirectory()
_numbers = itertools.count()

# A busy machine must not make a property fail.
unhurried = settings(deadline=None)


def write(content: bytes) -> Path:
    path = Path(_folder.name) / f"{next(_numbers)}.jar"
    path.write_bytes(content)
    return path


def digest(content: bytes) -> str:
    return jar_content.read(write(content)).digest


def entries(members: list[Member]) -> dict[str, str]:
    return jar_content.read(write(archive(members))).entries()


NAMES = st.sampled_from(
    [MANIFEST, "META-INF/", "a.class", "b/", "b/a.class", "b/é.txt", "lib/x.jar", "META-INF/maven/g/a/pom.properties"]
)
CONTENTS = st.binary(max_size=40) | st.integers(0, 3).map(lambda seed: bytes([seed]) * 3000)
MEMBERS = st.lists(
    st.builds(Member, name=NAMES, content=CONTENTS, mode=st.sampled_from([0, 0o100644, 0o100755, 0o120777, 0o040755])),
    max_size=6,
)
TIMES = st.tuples(
    st.integers(1980, 2107), st.integers(1, 12), st.integers(1, 28), st.integers(0, 23), st.integers(0, 59), st.just(0)
)
# Two fields that readers of jars pass over: the mark of an executable jar, and Unix times.
EXTRAS = st.sampled_from([b"", b"\xfe\xca\0\0", b"UT\5\0\1abcd", b"UT\5\0\1upup"])
WAYS = st.fixed_dictionaries(
    {
        "time": TIMES,
        "extra": EXTRAS,
        "method": st.sampled_from([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED]),
        "level": st.integers(0, 9),
        "zip64": st.booleans(),
    }
)


def laid_out_otherwise(members: list[Member], data: st.DataObject, *, streamed: bool = False) -> list[Member]:
    """Return the same entries packed in other ways and in another order; duplicates keep theirs.

    Those of a streamed archive are deflated: Java's streaming reader takes no stored ones there.
    """
    shuffled = data.draw(st.permutations(sorted({member.name for member in members})))
    order = {name: rank for rank, name in enumerate(shuffled)}
    moved = sorted(members, key=lambda member: order[member.name])
    repacked = []
    for member in moved:
        way = data.draw(WAYS)
        if member.name.endswith(".jar"):
            way["method"] = member.method
        elif streamed:
            way["method"] = zipfile.ZIP_DEFLATED
        repacked.append(member.packed(**way))
    return repacked


def manifest_place(members: list[Member]) -> tuple[bool, bool]:
    names = [*(member.name for member in members[:2]), "", ""]
    return names[0] == MANIFEST or names[:2] == ["META-INF/", MANIFEST], MANIFEST in names[:2]


@unhurried
@given(members=MEMBERS, streamed=st.booleans(), data=st.data())
def test_packing_times_and_order_do_not_count(members: list[Member], streamed: bool, data: st.DataObject) -> None:
    again = laid_out_otherwise(members, data, streamed=streamed)
    if manifest_place(members) == manifest_place(again):
        assert digest(archive(members)) == digest(archive(again, streamed=streamed))


@unhurried
@given(members=MEMBERS.filter(bool), data=st.data())
def test_content_name_and_executable_bit_count(members: list[Member], data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(members) - 1))
    member = members[at]
    changes: list[dict[str, Any]] = [{"content": member.content + b"x"}, {"name": "x" + member.name}]
    if not member.name.endswith("/") and member.mode != 0o120777:
        changes.append({"mode": (member.mode or 0o100000) ^ 0o100})
    other = member.packed(**data.draw(st.sampled_from(changes)))
    assert digest(archive(members)) != digest(archive([*members[:at], other, *members[at + 1 :]]))


@unhurried
@given(members=MEMBERS.filter(bool), data=st.data())
def test_an_entry_more_counts(members: list[Member], data: st.DataObject) -> None:
    more = members[data.draw(st.integers(0, len(members) - 1))]
    assert digest(archive(members)) != digest(archive([*members, more]))


@unhurried
@given(first=CONTENTS, second=CONTENTS)
def test_the_order_of_duplicates_counts(first: bytes, second: bytes) -> None:
    one, other = Member("a.class", first), Member("a.class", second)
    same = digest(archive([one, other])) == digest(archive([other, one]))
    assert (first == second) == same


@unhurried
@given(members=MEMBERS, others=MEMBERS)
def test_the_entries_are_equal_exactly_when_the_digests_are(members: list[Member], others: list[Member]) -> None:
    one, other = write(archive(members)), write(archive(others))
    found, wanted = jar_content.read(one), jar_content.read(other)
    assert (found.entries() == wanted.entries()) == (found.digest == wanted.digest)


@unhurried
@given(members=MEMBERS, data=st.data())
def test_known_deflated_bytes_change_no_digest(members: list[Member], data: st.DataObject) -> None:
    known: dict[bytes, bytes] = {}
    one, other = write(archive(members)), write(archive(laid_out_otherwise(members, data)))
    for path in (one, other, one):
        assert jar_content.read(path).digest == jar_content.read(path, known).digest


@unhurried
@given(content=st.binary(min_size=30, max_size=300), at=st.integers(0), bit=st.integers(0, 7))
def test_a_flipped_bit_is_an_error_or_counts_or_lies_where_nothing_counts(content: bytes, at: int, bit: int) -> None:
    whole = archive([Member("a.class", content), Member("b.class", content[::-1], method=zipfile.ZIP_STORED)])
    at %= len(whole)
    flipped = patched(whole, at, "<B", whole[at] ^ 1 << bit)
    path = write(flipped)
    try:
        same = jar_content.read(path).digest == jar_content.read(write(whole)).digest
    except UnreadableInputError:
        return
    if same:
        try:
            with zipfile.ZipFile(path) as zipped:
                read = [zipped.read("a.class"), zipped.read("b.class")]
        except NotImplementedError:  # "Version needed" is more than zipfile knows; it counts for nothing here.
            return
        assert [content, content[::-1]] == read


def test_a_rebuild_of_many_entries_on_another_file_system_does_not_count() -> None:
    chance = random.Random(7)  # noqa: S311  # An order, not a secret.
    head = [Member("META-INF/"), Member(MANIFEST, b"Manifest-Version: 1.0\n")]
    members = [Member(f"p/{number}.class", chance.randbytes(number % 700)) for number in range(1500)]
    again = [member.packed(time=(2025, 1, 1, 0, 0, 0), level=1) for member in members]
    chance.shuffle(again)
    assert digest(archive([*head, *members])) == digest(archive([*head, *again], streamed=True))


def test_the_manifest_counts_in_full() -> None:
    one, other = (archive([Member(MANIFEST, b"Main-Class: " + name)]) for name in (b"A\n", b"B\n"))
    assert digest(one) != digest(other)


def test_a_manifest_that_streaming_readers_miss_counts() -> None:
    manifest, a, b = Member(MANIFEST, b"x"), Member("a"), Member("b")
    orders = ([manifest, a, b], [a, manifest, b], [a, b, manifest])
    assert len({digest(archive(order)) for order in orders}) == 3


def test_a_manifest_behind_its_directory_is_as_good_as_first() -> None:
    manifest, folder = Member(MANIFEST, b"x"), Member("META-INF/")
    assert digest(archive([manifest, folder])) == digest(archive([folder, manifest]))


def test_a_manifest_behind_an_index_at_the_start_counts() -> None:
    manifest, index, a = Member(MANIFEST, b"x"), Member("META-INF/INDEX.LIST", b"y"), Member("a")
    assert digest(archive([Member("META-INF/"), index, manifest, a])) != digest(
        archive([Member("META-INF/"), index, a, manifest])
    )


def test_the_order_of_jars_inside_counts() -> None:
    one, other, a = (Member(name, b"x") for name in ("lib/one.jar", "lib/other.jar", "a"))
    assert digest(archive([one, other, a])) == digest(archive([one, a, other]))
    assert digest(archive([one, other, a])) != digest(archive([other, one, a]))


def test_the_order_of_jars_inside_counts_in_the_directory_too() -> None:
    whole = archive([Member("one.jar", b"x"), Member("two.jar", b"x")])
    start, end = directory_at(whole), whole.rindex(b"PK\5\6")
    half = whole.index(b"PK\1\2", start + 4)
    swapped = whole[:start] + whole[half:end] + whole[start:half] + whole[end:]
    assert digest(whole) != digest(swapped)


def test_signatures_count_as_directly_behind_the_manifest_or_not() -> None:
    manifest, signature, a = Member(MANIFEST, b"x"), Member("META-INF/ME.SF", b"y"), Member("a")
    assert digest(archive([manifest, signature, a])) != digest(archive([manifest, a, signature]))


def test_entries_of_a_signed_jar_may_change_places_elsewhere() -> None:
    head, a, b = [Member(MANIFEST, b"x"), Member("META-INF/ME.SF", b"y")], Member("a"), Member("META-INF/b")
    assert digest(archive([*head, a, b])) == digest(archive([*head, b, a]))


def test_only_the_owners_executable_bit_of_a_mode_counts() -> None:
    modes = [archive([Member("run.sh", b"x", mode=mode)]) for mode in (0o100755, 0o100700, 0o100744, 0o100775)]
    assert len({digest(content) for content in modes}) == 1


def test_a_symlink_is_not_a_file_of_its_target() -> None:
    assert digest(archive([Member("a", b"b", mode=0o120777)])) != digest(archive([Member("a", b"b")]))


def test_bytes_before_the_first_entry_count() -> None:
    members = [Member("a", b"x")]
    scripts = [archive(members, before=before) for before in (b"", b"#!/bin/sh\n", b"#!/bin/zsh\n")]
    assert len({digest(content) for content in scripts}) == 3


def test_offsets_that_do_not_know_of_the_bytes_before_do_not_count() -> None:
    members = [Member("a", b"x")]
    assert digest(archive(members, before=b"#!/bin/sh\n")) == digest(b"#!/bin/sh\n" + archive(members))


@pytest.mark.parametrize(
    "other",
    [
        archive([Member("a", b"x")], comment=b"built by hand"),
        archive([Member("a", b"x", comment=b"of an entry")]),
        archive([Member("a", b"x")]) + b"behind the end",
    ],
    ids=["comment", "entry comment", "trailing bytes"],
)
def test_what_else_readers_can_see_counts(other: bytes) -> None:
    assert digest(archive([Member("a", b"x")])) != digest(other)


def test_bytes_between_entries_count() -> None:
    whole = archive([Member("a", b"x", method=zipfile.ZIP_STORED)])
    at = directory_at(whole)
    gaps = [whole[:at] + gap + whole[at:] for gap in (b"ab", b"cd")]
    gaps = [patched(content, len(content) - 6, "<I", at + 2) for content in gaps]
    assert len({digest(content) for content in (whole, *gaps)}) == 3


def test_a_name_that_only_the_local_header_has_counts() -> None:
    whole = archive([Member("a.class", b"x")])
    assert digest(whole) != digest(whole.replace(b"a.class", b"b.class", 1))


def deflated(content: bytes, trailer: bytes) -> bytes:
    """Return an archive of one entry whose deflated bytes have some behind their end."""
    stream = zlib.compressobj(6, zlib.DEFLATED, -15)
    packed = stream.compress(content) + stream.flush() + trailer
    stored = archive([Member("a", packed, method=zipfile.ZIP_STORED)])
    at = directory_at(stored)
    for header, method, crc in ((0, 8, 14), (at, 10, 16)):
        stored = patched(stored, header + method, "<H", 8)
        stored = patched(stored, header + crc, "<I", zlib.crc32(content))
        stored = patched(stored, header + crc + 8, "<I", len(content))
    return stored


def test_bytes_behind_the_end_of_a_deflated_stream_count() -> None:
    known: dict[bytes, bytes] = {}
    trailers = (b"", b"1", b"2", b"1")
    found = [jar_content.read(write(deflated(b"content", trailer)), known).digest for trailer in trailers]
    assert (3, found[1]) == (len(set(found)), found[3])


def test_how_a_name_is_encoded_counts_where_it_is_not_ascii() -> None:
    def flagged(name: str, flags: int) -> bytes:
        whole = archive([Member(name, b"x")])
        return patched(patched(whole, 6, "<H", flags), directory_at(whole) + 8, "<H", flags)

    assert digest(flagged("é", 0)) != digest(flagged("é", 0x800))
    assert digest(flagged("e", 0)) == digest(flagged("e", 0x800))


def test_a_unicode_path_that_replaces_a_name_counts() -> None:
    paths = [b"up" + struct.pack("<HBI", 5 + len(name), 1, zlib.crc32(b"a")) + name for name in (b"b", b"c")]
    assert len({digest(archive([Member("a", b"x", extra=extra)])) for extra in (b"", *paths)}) == 3


def test_a_unicode_path_that_the_local_header_does_not_have_counts() -> None:
    extra = b"up" + struct.pack("<HBI", 6, 1, zlib.crc32(b"a")) + b"b"
    whole = archive([Member("a", b"x", extra=extra)])
    at = whole.index(extra)
    without = whole[:28] + b"\0\0" + whole[30:at] + whole[at + len(extra) :]
    without = patched(without, without.rindex(b"PK\5\6") + 16, "<I", directory_at(whole) - len(extra))
    assert digest(whole) != digest(without)


def test_a_data_descriptor_behind_a_stored_entry_counts() -> None:
    """Java's ZipInputStream: "only DEFLATED entries can have EXT descriptor"."""
    members = [Member("a", b"x", method=zipfile.ZIP_STORED)]
    assert digest(archive(members)) != digest(archive(members, streamed=True))


def test_malformed_extra_fields_count() -> None:
    ways = (b"UT\5\0\1abcd", b"UT\x09\0\1abcd", b"UT\x09\0\1abcx")
    assert len({digest(archive([Member("a", b"x", extra=extra)])) for extra in ways}) == 3


def test_a_jar_inside_a_jar_counts_by_its_content() -> None:
    def outer(member: Member) -> bytes:
        return archive([Member("lib/in.jar", archive([member]), method=zipfile.ZIP_STORED)])

    inner = Member("a.class", b"x" * 500)
    assert digest(outer(inner)) == digest(outer(inner.packed(time=(2020, 1, 1, 0, 0, 0), level=1)))
    assert digest(outer(inner)) != digest(outer(inner.packed(content=b"y" * 500)))


def test_a_nested_jar_counts_as_stored_or_deflated() -> None:
    inner = archive([Member("a.class", b"x")])
    ways = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
    assert len({digest(archive([Member("lib/in.jar", inner, method=way)])) for way in ways}) == 2


def test_the_date_comment_of_pom_properties_does_not_count() -> None:
    dates = (b"Mon Jan 01 09:30:00 UTC 2024", b"Tue Feb 13 23:59:59 GMT+01:00 2024", b"Wed May 01 00:00:00 CEST 2024")
    heads = (b"#%b\n", b"#Generated by Maven\n#%b\n")
    for head in heads:
        found = {
            digest(archive([Member("META-INF/maven/g/a/pom.properties", head % date + b"version=1\n")]))
            for date in dates
        }
        assert len(found) == 1


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("META-INF/maven/g/a/pom.properties", b"#Mon Jan 01 09:30:00 UTC %d\nversion=%d\n"),
        ("META-INF/maven/g/a/pom.properties", b"#Built on %d\nversion=1\n"),
        ("META-INF/maven/g/a/pom.properties", b"version=1\n#Mon Jan 01 09:30:00 UTC %d\n"),
        ("META-INF/maven/g/a/pom.properties", b"a=b\\\n#Mon Jan 01 09:30:00 UTC %d\n"),
        ("META-INF/maven/g/a/pom.properties", b"#x\n#Mon Jan 01 09:30:00 UTC 2024\n#Mon Jan 01 09:30:00 UTC %d\n"),
        ("META-INF/maven/g/a/pom.properties", b"#Mon Jan 01 09:30:00 UTC %d and more\n"),
        ("pom.properties", b"#Mon Jan 01 09:30:00 UTC %d\nversion=1\n"),
        ("git.properties", b"#Mon Jan 01 09:30:00 UTC %d\nversion=1\n"),
    ],
)
def test_other_comments_and_other_files_count(name: str, text: bytes) -> None:
    years = [text.replace(b"%d", str(year).encode()) for year in (2023, 2024)]
    assert len({digest(archive([Member(name, content)])) for content in years}) == 2


def test_the_digest_of_a_file_is_never_that_of_a_jar() -> None:
    path = write(b"no zip archive")
    assert jar_content.read(path).digest == "sha256:" + hashlib.sha256(b"no zip archive").hexdigest()
    assert jar_content.read(path).digest == f"sha256:{file_state.file_digest(path)}"
    assert jar_content.read(write(archive([]))).digest.startswith("jar-2:")


def test_the_scheme_is_kept_until_its_number_is_counted_up() -> None:
    members = [
        Member(MANIFEST, b"Manifest-Version: 1.0\r\n"),
        Member("run.sh", b"#!/bin/sh\n", mode=0o100755),
        Member("META-INF/maven/g/a/pom.properties", b"#Mon Jan 01 09:30:00 UTC 2024\nversion=1\n"),
        Member("lib/in.jar", archive([Member("é", b"x")]), method=zipfile.ZIP_STORED),
    ]
    assert digest(archive(members)) == "jar-2:12ccc1f901a6c8770f6017e8060b37b5ad5408ffe0120636fef387b359956578"


def test_the_entries_say_which_one_differs() -> None:
    one = entries([Member("a", b"x"), Member("b", b"1"), Member("b", b"2")])
    other = entries([Member("a", b"x"), Member("b", b"1"), Member("b", b"3")])
    assert [name for name in one if one[name] != other[name]] == ["b (2)"]


def test_entries_with_names_that_are_shown_alike_have_a_line_each() -> None:
    members = [Member("b (2)"), Member("b"), Member("b"), Member("\\n"), Member("\n")]
    assert len(entries(members)) == len(members)


# Faults


def assert_unreadable(path: Path, entry: str, reason: str) -> None:
    with pytest.raises(UnreadableInputError) as caught:
        jar_content.read(path)
    assert caught.value.message.startswith(f"{path}: {entry}")
    assert reason in caught.value.message
    assert caught.value.next_step


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_a_corrupt_entry_is_an_error_that_names_it(method: int) -> None:
    whole = archive([Member("a.class", bytes(range(200)), method=method)])
    assert_unreadable(write(patched(whole, 100, "<B", whole[100] ^ 0xFF)), "entry a.class: ", "")


def test_a_wrong_checksum_is_an_error_although_the_deflated_bytes_are_known() -> None:
    whole = archive([Member("a.class", b"x" * 100)])
    known: dict[bytes, bytes] = {}
    jar_content.read(write(whole), known)
    for at in (14, directory_at(whole) + 16):
        whole = patched(whole, at, "<I", 7)
    with pytest.raises(UnreadableInputError, match="checksum"):
        jar_content.read(write(whole), known)


@pytest.mark.parametrize("left", [0.3, 0.9, 0.99])
def test_a_truncated_jar_is_an_error(left: float) -> None:
    whole = archive([Member(f"{number}.class", bytes(range(256))) for number in range(20)])
    assert_unreadable(write(whole[: int(len(whole) * left)]), "", "truncated")


def test_a_jar_with_a_hole_in_it_is_an_error() -> None:
    whole = archive([Member(f"{number}.class", bytes(range(256))) for number in range(20)])
    assert_unreadable(write(whole[:500] + whole[900:]), "", "")


def test_an_encrypted_entry_is_an_error() -> None:
    whole = archive([Member("a", b"x")])
    assert_unreadable(write(patched(whole, directory_at(whole) + 8, "<H", 1)), "entry a: ", "encrypted")


def test_an_unsupported_compression_is_an_error() -> None:
    assert_unreadable(write(archive([Member("a", b"x", method=zipfile.ZIP_BZIP2)])), "entry a: ", "method 12")


def test_an_entry_that_goes_on_beyond_its_stated_size_is_an_error() -> None:
    whole = archive([Member("a", bytes(50_000_000))])
    for at in (22, directory_at(whole) + 24):
        whole = patched(whole, at, "<I", 10)
    assert_unreadable(write(whole), "entry a: ", "10 bytes")


def test_an_entry_beyond_the_limit_is_an_error_before_it_is_inflated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jar_content, "MAX_ENTRY_BYTES", 1000)
    assert_unreadable(write(archive([Member("a", bytes(1000)), Member("b", bytes(1001))])), "entry b: ", "1,001")


def test_the_limit_of_a_jar_holds_for_the_jars_inside_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jar_content, "MAX_TOTAL_BYTES", 10_000)
    path = write(archive([Member(f"{number}.jar", archive([Member("a", bytes(4000))])) for number in range(3)]))
    with pytest.raises(UnreadableInputError, match=r"2\.jar: entry a: the jar would inflate to more"):
        jar_content.read(path)


@pytest.mark.parametrize("length", [28, 30, 32], ids=["name", "extra field", "comment"])
def test_an_entry_that_reaches_beyond_the_directory_is_an_error(length: int) -> None:
    """Java refuses it ("invalid CEN header"); Python's zipfile reads as much as there is."""
    whole = archive([Member("a", b"x")])
    assert_unreadable(write(patched(whole, directory_at(whole) + length, "<H", 200)), "", "truncated")


def test_an_entry_within_another_is_an_error() -> None:
    """Java's ZipFile finds both, its ZipInputStream the outer one only."""
    inner = archive([Member("b", b"x", method=zipfile.ZIP_STORED)])
    header = inner[: directory_at(inner)]
    whole = archive([Member("a", header, method=zipfile.ZIP_STORED), Member("b", b"x", method=zipfile.ZIP_STORED)])
    at = directory_at(whole)
    without = whole[: at - len(header)] + whole[at:]
    at -= len(header)
    without = patched(without, without.rindex(b"PK\5\6") + 16, "<I", at)
    second = without.rindex(b"PK\1\2")
    assert_unreadable(write(patched(without, second + 42, "<I", at - len(header))), "entry a: ", "zip bomb")


def test_many_entries_of_the_same_bytes_are_an_error_and_take_no_time() -> None:
    """Each is a megabyte to read and inflates to one byte, so that no limit of what is inflated is met."""
    whole = deflated(b"x", bytes(1_000_000))
    at, end = directory_at(whole), whole.rindex(b"PK\5\6")
    many = whole[:at] + whole[at:end] * 50_000 + whole[end:]
    for place, form, value in ((8, "<H", 50_000), (10, "<H", 50_000), (12, "<I", (end - at) * 50_000)):
        many = patched(many, many.rindex(b"PK\5\6") + place, form, value)
    assert_unreadable(write(many), "entry a: ", "zip bomb")


def test_jars_too_deep_in_jars_are_an_error() -> None:
    content = archive([Member("a")])
    for _ in range(jar_content.MAX_DEPTH):
        content = archive([Member("x.jar", content)])
    assert jar_content.read(write(content))
    with pytest.raises(UnreadableInputError, match="jars deep"):
        jar_content.read(write(archive([Member("x.jar", content)])))


def test_a_fault_in_a_nested_jar_names_both() -> None:
    path = write(archive([Member("lib/in.jar", archive([Member("a", b"x" * 50)])[:40])]))
    with pytest.raises(UnreadableInputError) as caught:
        jar_content.read(path)
    assert caught.value.message.startswith(f"{path}!/lib/in.jar: ")


def test_a_name_in_an_error_cannot_steer_the_terminal() -> None:
    with pytest.raises(UnreadableInputError) as caught:
        jar_content.read(write(archive([Member("\x1b[2J", b"x", method=zipfile.ZIP_BZIP2)])))
    assert "\x1b" not in caught.value.message


def test_a_jar_that_is_not_there_is_missing(tmp_path: Path) -> None:
    with pytest.raises(MissingInputError):
        jar_content.read(tmp_path / "none.jar")


@unhurried
@given(content=st.binary(max_size=400), cut=st.integers(0, 200), data=st.data())
def test_no_bytes_at_all_are_a_fault_of_ours(content: bytes, cut: int, data: st.DataObject) -> None:
    whole = archive([Member("a", content[:50]), Member("x.jar", archive([Member("b", b"1")]))], before=content[:cut])
    at = data.draw(st.integers(0, len(whole)))
    with contextlib.suppress(UnreadableInputError):
        assert jar_content.read(write(whole[:at] + content + whole[at + cut :])).entries()
