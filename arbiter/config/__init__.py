"""Where values come from and what they may be: the settings of the command."""
