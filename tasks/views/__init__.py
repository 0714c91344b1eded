"""The text and the JSON of `doit settings`."""
