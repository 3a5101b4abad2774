"""The service without its sockets: the sequencer, its pools of threads and timers, metrics and health."""
