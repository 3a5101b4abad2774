"""The benchmark: Keystead beside a bare HTTP server, OpenBao and moto, in one run on one machine."""
