"""Docker: which builder builds (`builders`), with which command (`buildx`), and who gives it credentials."""
