"""A module that holds no application."""
