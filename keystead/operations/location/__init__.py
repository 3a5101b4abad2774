"""The operations of the vendor's product Location: where the endpoints of other products are."""
