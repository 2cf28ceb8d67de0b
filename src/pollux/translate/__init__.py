"""The translation, pure: no I/O, no clock, no chance, no settings, no logging."""
