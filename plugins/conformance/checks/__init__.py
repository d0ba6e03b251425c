"""What is promised, a module a theme; `heeler.plugins.conformance.table` has them in their order."""
