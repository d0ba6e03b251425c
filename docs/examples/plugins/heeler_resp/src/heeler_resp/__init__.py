"""The worker class `resp` for Heeler: Redis's protocol instead of HTTP."""
