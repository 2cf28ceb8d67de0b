"""Pollux: the OpenAI-compatible API for Gemini that you run yourself."""

__version__ = "0.1.0"
