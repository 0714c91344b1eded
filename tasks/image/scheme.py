"""The numbers of our schemes, apart from the code that follows them, so that reading a cache does not import it."""

from __future__ import annotations

JAR = 2
"""Counts up whenever `tasks.image.jar.jar` gives the same jar another meaning; it is part of every meaning."""
