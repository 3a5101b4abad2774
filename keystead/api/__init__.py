"""The protocol core, without sockets: bind, authenticate, resolve, authorize, gate, run, audit, encode."""
