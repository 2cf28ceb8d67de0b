"""Media: what bytes are, and later their codecs. A layer above `translate`, beside `upstream` and `store`."""
