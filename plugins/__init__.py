"""The contract with plugins: errors, settings, entry points, hooks."""
