"""How requests come in: sockets, TLS, HTTP on a connection, the front process and its link."""
