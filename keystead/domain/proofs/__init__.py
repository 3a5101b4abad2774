"""What the records of all chains prove together: that nobody used what was disabled, and that no chain is missing or cut off."""
