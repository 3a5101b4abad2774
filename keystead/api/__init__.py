"""The protocol core, without sockets: decode, authenticate, find, authorize, gate, run, audit, encode."""
