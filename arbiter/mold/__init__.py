"""The mold: loads the application once, and has workers forked from itself."""
