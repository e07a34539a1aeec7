"""The one place where objects are built from settings, one file a thing."""
