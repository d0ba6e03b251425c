"""The listener: the process that accepts connections and hands them to workers with room."""
