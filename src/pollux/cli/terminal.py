"""What is written for people."""


def visible(text: str) -> str:
    """Leave out what would steer the terminal: a model's or a caller's text may hold escape sequences."""
    return "".join(character for character in text if character.isprintable() or character in "\n\t")
