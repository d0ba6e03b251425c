"""The commands of `heeler`, one a file; each returns its exit status."""
