"""What is kept: protocols with their error contract, and the stores that keep them."""
