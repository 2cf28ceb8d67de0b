"""The native Gemini API over HTTP, as seen from here."""
