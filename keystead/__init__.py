"""Keystead: a key management service that speaks Alibaba Cloud KMS on the wire."""

__version__ = "0.1.0"
