"""The applications that the checks have served."""
