"""Media: what bytes are, and their codecs. A layer above `translate`, beside `upstream` and `store`."""
