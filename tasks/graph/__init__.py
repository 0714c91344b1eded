"""How doit meets the graph: loading it, the actions of its tasks, their files, and the tasks that words select."""
