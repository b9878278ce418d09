"""The database backend named in the settings; Django looks for it in `base`."""
