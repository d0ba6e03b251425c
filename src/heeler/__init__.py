"""Heeler: a pre-fork application server for Python whose worker classes are plugins.

Importing this package imports none of socket, ssl, threading, asyncio: a worker
class that patches the standard library must be able to do so first.
"""

__version__ = "0.1.0.dev0"
