"""Text as pictures: fonts, shaping, direction, and lines."""
