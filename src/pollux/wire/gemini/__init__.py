"""Shapes of the native Gemini API."""
