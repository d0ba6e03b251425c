"""What `heeler new-worker` writes: a whole distribution with a worker class in it."""
