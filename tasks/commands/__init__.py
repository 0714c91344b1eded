"""The command line: a file for each command, with what it asks, its text and its JSON.

A function with a `context` asks the registry, the engine or the files; the others turn values into text and JSON and
are pure (tests/test_architecture.py checks it).

Shared: `main` starts a command, `command` is its base, `table` formats.
"""
