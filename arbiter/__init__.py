"""Control plane: settings, command line, supervision of the worker processes."""
