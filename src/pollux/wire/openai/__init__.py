"""Shapes of OpenAI's API, one file per family."""
