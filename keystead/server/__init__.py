"""The running service: sockets, TLS, the sequencer, timers, and the one composition root (`app`)."""
