"""How doit meets the graph: loading, actions, doit's state, the command line and the commands that doit has."""
