"""What Gemini does not keep for us. It knows nothing of the upstream."""
