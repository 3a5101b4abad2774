"""The operations of the vendor's product Ram: who there is in an account, and which policies they have."""
