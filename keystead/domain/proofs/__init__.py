"""What the records of all chains prove together: that nothing was used while it was closed, and that no chain is missing."""
