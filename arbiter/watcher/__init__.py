"""The watcher: a process that tells the arbiter when files of the project change, in development."""
