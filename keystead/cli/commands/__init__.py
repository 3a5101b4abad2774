"""One module a noun: what `keystead NOUN` reads from its command line and does."""
