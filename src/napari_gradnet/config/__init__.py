"""Configuration models: the one source of every default. No torch here."""
