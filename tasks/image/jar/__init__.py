"""Digests of files, and what counts as a change in a jar, which Maven writes anew with each build.

    cache ─▶ workers ─▶ content ─▶ zip ─▶ file_state

`cache_file` writes the files that remember digests and inflated entries.
"""
