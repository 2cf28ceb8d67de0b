"""An emulator of the native Gemini API. It stands beside the rest and imports nothing of it."""
