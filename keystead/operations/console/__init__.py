"""What the console shows and no API of the vendor's tells."""
