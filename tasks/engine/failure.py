"""What a build that failed says, short enough for a screen: the step, its line, its error and the end of its output.

Pure. The whole output is in the build's log, which begins with the command.
"""

from __future__ import annotations

import re

from tasks.errors import BuildError

OUTPUT_LINES = 5
"""How many lines of what the step printed are told."""

_LONGEST = 240
_LINE = 72

_STEP_ERROR = re.compile(r"#(\d+) ERROR: ")
_PLACE = re.compile(r"\S+:\d+")
_MARKED = re.compile(r"\s*\d+ \| >>> (.*)")
_SAID = re.compile(r"#(\d+) \d+\.\d+ (.*)")
_ENDED = re.compile(r"(?:ERROR|DONE|CACHED|CANCELED)\b")
_LOST = re.compile(
    r"Cannot connect to the Docker daemon|Is the docker daemon running|error reading from server"
    r"|code = Unavailable|transport is closing|connection error: desc|failed to receive status"
    r"|error during connect|listing workers for Build|closing transport"
)


def conclusion(output: str) -> str:
    """Return the line in which buildx says why a build failed; nothing where it does not."""
    return next((line for line in reversed(output.splitlines()) if line.startswith("ERROR")), "")


def failed(image: str, code: int, output: str, log: str, next_step: str = "") -> BuildError:
    """Return the error of a build that failed.

    Args:
        image: its name.
        code: the command's exit code.
        output: the end of its log.
        log: where the whole log is.
        next_step: what to do, where more is known than the output says.
    """
    lines = output.splitlines()
    said = conclusion(output)
    if _LOST.search(said):
        return BuildError(
            f"the build of {image} broke off: the Docker engine, or its builder, stopped answering",
            f"see that `docker version` answers, then run again; images already pushed are kept (log: {log})",
            said=said,
        )
    todo = next_step or "fix it and run again; images already pushed are kept"
    told = _told(lines, said) or [f"  {_short(line.strip(), _LONGEST)}" for line in lines[-OUTPUT_LINES:]]
    return BuildError(
        "\n".join([f"the build of {image} failed with exit code {code}", *told]),
        f"{todo}\n  log:  {log} (begins with the command)",
        said=said,
    )


def _told(lines: list[str], said: str) -> list[str]:
    number = next((match[1] for line in reversed(lines) if (match := _STEP_ERROR.match(line))), None)
    own = [line.removeprefix(f"#{number} ") for line in lines if number and line.startswith(f"#{number} ")]
    steps = [line for line in own if line.startswith("[")]
    printed = [match[2] for line in lines if (match := _SAID.match(line)) and match[1] == number]
    printed = [line for line in printed if line.strip() and not _ENDED.match(line)]
    found = [f"  step: {_short(steps[-1], _LONGEST)}"] if steps else []
    marked = [index for index, line in enumerate(lines) if _MARKED.match(line)]
    if marked:
        place = next((line for line in reversed(lines[: marked[0]]) if _PLACE.fullmatch(line)), "Dockerfile")
        code = _MARKED.match(lines[marked[-1]])
        found.append(f"  line: {place}  {_short(code[1].strip() if code else '', _LINE)}".rstrip())
    found += [f"  {_short(said, _LONGEST)}"] if said else []
    found += [f"    | {_short(line, _LINE)}" for line in printed[-OUTPUT_LINES:]]
    return found


def _short(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"
