"""HTTP in: routes, keys, streaming, error answers."""
