"""The conformance kit: proves that a worker class keeps its promises.

It starts real servers and talks to them by sockets, signals and `heeler status --json` only,
so it holds for every worker class, whoever wrote it. Nothing else of Heeler imports it.
"""
