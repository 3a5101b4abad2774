"""Pure values and rules: keys, lifecycle, aliases, ARNs, audit chain. No I/O, no clock, no randomness."""
