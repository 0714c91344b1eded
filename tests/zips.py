"""Zip archives for tests: the content of each entry, and separately how it is packed."""

import io
import struct
import warnings
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

MANIFEST = "META-INF/MANIFEST.MF"


@dataclass(frozen=True)
class Member:
    """An entry: name, content and mode, then how it is packed."""

    name: str
    content: bytes = b""
    mode: int = 0o100644
    method: int = field(default=zipfile.ZIP_DEFLATED)
    level: int = 6
    time: tuple[int, int, int, int, int, int] = (2024, 1, 2, 3, 4, 6)
    extra: bytes = b""
    zip64: bool = False
    comment: bytes = b""

    def packed(self, **how: object) -> "Member":
        """Return the same entry packed in another way."""
        return replace(self, **how)  # type: ignore[arg-type]


class _Pipe(io.RawIOBase):
    """A file that cannot seek, so zipfile writes sizes after each entry, in data descriptors."""

    def __init__(self) -> None:
        self.content = io.BytesIO()

    def writable(self) -> bool:
        return True

    def write(self, data: object) -> int:
        return self.content.write(data)  # type: ignore[arg-type]


def archive(members: Sequence[Member], *, streamed: bool = False, before: bytes = b"", comment: bytes = b"") -> bytes:
    """Return a zip archive of `members`, in their order."""
    target = _Pipe() if streamed else io.BytesIO()
    target.write(before)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # zipfile warns of two entries of one name.
        with zipfile.ZipFile(target, "w") as zipped:
            for member in members:
                info = zipfile.ZipInfo(member.name, member.time)
                info.compress_type, info._compresslevel = member.method, member.level  # type: ignore[attr-defined]
                info.external_attr, info.create_system = member.mode << 16, 3
                info.extra, info.comment = member.extra, member.comment
                with zipped.open(info, "w", force_zip64=member.zip64) as file:
                    file.write(member.content)
            zipped.comment = comment
    return (target.content if isinstance(target, _Pipe) else target).getvalue()


def directory_at(content: bytes) -> int:
    """Return where the central directory of a plain archive begins."""
    at: int = struct.unpack_from("<I", content, content.rindex(b"PK\5\6") + 16)[0]
    return at


def patched(content: bytes, at: int, form: str, value: int) -> bytes:
    """Return `content` with one number overwritten."""
    changed = bytearray(content)
    struct.pack_into(form, changed, at, value)
    return bytes(changed)
