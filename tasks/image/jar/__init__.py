"""The content digest of a jar: what counts as a change in an archive that Maven writes anew each time."""
