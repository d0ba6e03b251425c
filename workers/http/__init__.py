"""HTTP/1.1 without I/O: bytes in, events out; no socket, clock, thread or log."""
