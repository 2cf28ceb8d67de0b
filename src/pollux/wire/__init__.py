"""Shapes and framing of both protocols; decides nothing."""
