"""The settings of the core, one file a section; worker classes bring their own."""
