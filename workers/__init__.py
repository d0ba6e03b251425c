"""Data plane: the base worker, the I/O drivers, HTTP, WSGI and the worker classes."""
