"""doit commands of our own; each module is one command."""
