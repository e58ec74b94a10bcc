"""One module per vendor: its Config and its Driver. None is imported before it is used."""
