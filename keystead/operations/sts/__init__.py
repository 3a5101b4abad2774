"""The operations of the vendor's product Sts: who calls."""
