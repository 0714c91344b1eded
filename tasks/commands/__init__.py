"""doit commands of our own; each module but `names`, `options` and `target` is one: options, a question, a view."""
