"""The base images that a Dockerfile names. Nothing else of a Dockerfile is interpreted here.

e2b-dockerfile-utils, a port of BuildKit's parser, reads lines, directives, continuations, heredocs and flags. Which
names are stages and which are images follows `frontend/dockerfile/dockerfile2llb` of github.com/moby/buildkit:

- `FROM` can name an earlier stage, `COPY --from` any stage by name or number, `RUN --mount=from=` any stage by name;
- the names of stages ignore case, and `scratch` is not an image;
- only `FROM` can use variables: the `ARG`s before the first `FROM`, and BuildKit's own.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tasks.errors import UnreadableInputError
from tasks.image.text import UNDECODED

if TYPE_CHECKING:
    from e2b_dockerfile_utils import DockerfileInstruction

_NO_IMAGE = "scratch"

_STAGE_NUMBER = re.compile(r"[+-]?[0-9]+")
_STAGE_NAME = re.compile(r"[a-z][a-z0-9_.-]*")

_BUILDERS_OWN = ("BUILDPLATFORM", "BUILDOS", "BUILDARCH", "BUILDVARIANT")
_TARGETS_OWN = ("TARGETPLATFORM", "TARGETOS", "TARGETARCH", "TARGETVARIANT")


def bases(text: str, build_args: Mapping[str, str], platforms: Sequence[str] = ()) -> tuple[str, ...]:
    """Return the images that a Dockerfile builds on or copies from.

    Args:
        text: the Dockerfile.
        build_args: the values of `--build-arg`.
        platforms: what it is built for, such as `linux/arm64`; a name can depend on it.

    Returns:
        The references with their variables substituted, each once, in the order of the file, including those in
        `ONBUILD` and in stages that are not built.

    Raises:
        UnreadableInputError: the Dockerfile cannot be parsed, or a name has a variable without a value. The message
            begins with the line.
    """
    parsed = _parse(text)
    found: dict[str, None] = {}
    for platform in platforms or ("",):
        found.update(dict.fromkeys(_Reader(_Arguments(build_args, platform)).references(parsed)))
    return tuple(found)


def named_as_a_stage(text: str, references: Iterable[str]) -> frozenset[str]:
    """Return those of the images that `bases` found in a text that have a stage's name, as in `FROM debian AS debian`.

    An image that is given with `--build-context` replaces a stage of that name, and the stage is not built
    (`NamedContext` in BuildKit's frontend/dockerui, dispatchStages in dockerfile2llb).
    """
    stages = {_stage_name(instruction) for instruction in _parse(text)[0] if instruction.name == "FROM"}
    return frozenset(
        name for name in references if name.lower().removeprefix("docker.io/library/").removesuffix(":latest") in stages
    )


def runs(text: str) -> bool:
    """Whether the build runs commands of the target platform, and needs its processor or an emulator.

    It does if the last stage, or a stage that it needs, has a RUN and no platform of its own
    (`FROM --platform=$BUILDPLATFORM`). The ONBUILD triggers of a base image are not known here.
    """
    stages: list[_Stage] = []
    try:
        instructions = _parse(text)[0]
        for instruction in instructions:
            if instruction.name == "FROM":
                own = any(flag.startswith("--platform") for flag in instruction.flags)
                stages.append(_Stage(_stage_name(instruction), own_platform=own, needs={instruction.args[0].lower()}))
            elif stages:
                stages[-1].needs.update(name.lower() for name in _sources(instruction))
                stages[-1].runs |= instruction.name == "RUN"
    except UnreadableInputError:
        return False
    waiting, seen = stages[-1:], set[int]()
    while waiting:
        stage = waiting.pop()
        if id(stage) not in seen:
            seen.add(id(stage))
            if stage.runs and not stage.own_platform:
                return True
            waiting += [other for number, other in enumerate(stages) if {other.name, str(number)} & stage.needs]
    return False


@dataclass
class _Stage:
    """A stage: its name, the stages and images that it uses, and whether it runs something."""

    name: str
    own_platform: bool
    needs: set[str]
    runs: bool = False


class _NoValueError(ValueError):
    """A variable has a value only during the build."""


class _Arguments(dict[str, str]):
    """The values of the `ARG`s before the first `FROM`; to get one that is not known yet is an error."""

    def __init__(self, build_args: Mapping[str, str], platform: str) -> None:
        system, _, rest = platform.partition("/")
        machine, _, variant = rest.partition("/")
        if machine == "arm64" and variant == "v8":
            variant = ""
        own = "/".join(filter(None, (system, machine, variant))), system, machine, variant
        super().__init__(zip(_TARGETS_OWN, own, strict=True) if platform else ())
        self.given = build_args
        self.faults: dict[str, ValueError] = {
            name: _NoValueError(f"ARG {name} has a value only during the build")
            for name in (*_BUILDERS_OWN, *_TARGETS_OWN)
            if name not in self
        }
        for name in (*_BUILDERS_OWN, *_TARGETS_OWN):
            if name in build_args:
                self.set(name, build_args[name])

    def set(self, name: str, value: str) -> None:
        """Set a variable."""
        self[name] = value
        self.faults.pop(name, None)

    def get(self, name: str, _default: object = None) -> str | None:  # type: ignore[override]  # The lexer wants text.
        """Return a variable's value; raises the ValueError of a variable whose value is not known."""
        if name in self.faults:
            raise self.faults[name]
        return super().get(name)


class _Reader:
    """Reads one Dockerfile for one platform."""

    def __init__(self, arguments: _Arguments) -> None:
        self._arguments = arguments
        self._stages: set[str] = set()

    def references(self, parsed: Parsed) -> Iterator[str]:
        """Yield each image that the Dockerfile names, in the order of the file."""
        instructions, escape = parsed
        later = {_stage_name(instruction) for instruction in instructions if instruction.name == "FROM"}
        started = False
        for instruction in instructions:
            if instruction.name == "FROM":
                started = True
                yield from self._from(instruction, escape)
            elif started:
                yield from _copied_from(instruction, later, escape)
            elif instruction.name == "ARG":
                self._declare(instruction, escape)
            else:
                raise _fault(instruction.start_line, f"{instruction.name} before the first FROM")
        if not started:
            raise _fault(1, "the Dockerfile does not have a FROM")

    def _from(self, instruction: DockerfileInstruction, escape: str) -> Iterator[str]:
        name = _stage_name(instruction)
        try:
            reference = _substitute(instruction.args[0], escape, self._arguments)
        except _NoValueError as error:
            raise _fault(instruction.start_line, str(error), "give it a value in build_args") from error
        except ValueError as error:
            raise _fault(instruction.start_line, str(error)) from error
        if not reference:
            reason = f"FROM {instruction.args[0]}: a variable in it has no value"
            raise _fault(instruction.start_line, reason, "give its ARG a default, or set it in build_args")
        if reference.lower() not in self._stages and reference != _NO_IMAGE:
            yield reference
        if name:
            self._stages.add(name)

    def _declare(self, instruction: DockerfileInstruction, escape: str) -> None:
        for word in instruction.args:
            name, _, default = word.partition("=")
            if name in self._arguments.given:
                self._arguments.set(name, self._arguments.given[name])
                continue
            try:
                self._arguments.set(name, _substitute(default, escape, self._arguments))
            except ValueError as error:
                # An error only if a FROM uses it: what the stages do with it does not matter here.
                self._arguments.faults[name] = error


def _copied_from(instruction: DockerfileInstruction, stages: set[str], escape: str) -> Iterator[str]:
    """Yield the images that an instruction of a stage names."""
    if instruction.name == "ONBUILD":
        trigger = instruction.original.strip().partition(" ")[2]
        for inner in _parse(trigger, escape, instruction.start_line)[0]:
            yield from _copied_from(inner, stages, escape)
        return
    for reference in _sources(instruction):
        if "$" in reference:
            flag = "--from" if instruction.name == "COPY" else "--mount=from"
            reason = f"{instruction.name} {flag}={reference}: only FROM can use variables"
            raise _fault(instruction.start_line, reason, f"add a stage (FROM {reference} AS name) and name it instead")
        numbered = instruction.name == "COPY" and _STAGE_NUMBER.fullmatch(reference)
        if reference and not numbered and reference.lower() not in stages and reference != _NO_IMAGE:
            yield reference


def _sources(instruction: DockerfileInstruction) -> Iterator[str]:
    for flag in instruction.flags:
        name, _, value = flag.partition("=")
        if instruction.name == "COPY" and name == "--from":
            yield value
        elif instruction.name == "RUN" and name == "--mount":
            # As CSV, as BuildKit reads it (frontend/dockerfile/instructions/commands_runmount.go).
            for part in next(csv.reader([value]), ()):
                key, _, reference = part.partition("=")
                if key.lower() == "from":
                    yield reference


def _stage_name(instruction: DockerfileInstruction) -> str:
    """Return the name that a FROM gives its stage, in lower case; empty if it gives none."""
    words = instruction.args
    if len(words) == 1:
        return ""
    if len(words) != 3 or words[1].lower() != "as":  # noqa: PLR2004  # FROM <image> AS <name>
        raise _fault(instruction.start_line, "FROM takes an image, and perhaps AS and a name")
    name = words[2].lower()
    if not _STAGE_NAME.fullmatch(name):
        raise _fault(instruction.start_line, f"{words[2]!r} cannot be the name of a stage")
    return name


Parsed = tuple[Sequence["DockerfileInstruction"], str]
"""The instructions, and the character that escapes another."""


def _parse(text: str, escape: str = "", line: int = 0) -> Parsed:
    from e2b_dockerfile_utils import (  # noqa: PLC0415  # 6 ms that `doit list` need not pay.
        DockerfileSyntaxError,
        parse_dockerfile_ast,
    )

    try:
        tree = parse_dockerfile_ast(f"# escape={escape}\n{text}" if escape else text)
    except DockerfileSyntaxError as error:
        reason = str(error).partition(": ")[2]
        raise _fault(line or error.line or 1, reason) from error
    for instruction in tree.instructions:
        if UNDECODED.search(instruction.original + "".join(document.content for document in instruction.heredocs)):
            raise UnreadableInputError(
                f"line {line or instruction.start_line}: the text is not UTF-8; perhaps it is Latin-1",
                "save the Dockerfile as UTF-8",
            )
    return tree.instructions, tree.escape_token


def _substitute(word: str, escape: str, arguments: _Arguments) -> str:
    from e2b_dockerfile_utils import ShellLex  # noqa: PLC0415  # As above.

    text: str = ShellLex(escape, env=arguments, skip_unset_env=False).process_word(word)
    return text


def _fault(
    line: int, reason: str, next_step: str = "correct the Dockerfile; `docker buildx build` says more about it"
) -> UnreadableInputError:
    return UnreadableInputError(f"line {line}: {reason}", next_step)
