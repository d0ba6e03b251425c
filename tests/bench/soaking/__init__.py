"""What the soak is made of: see soak.py."""
