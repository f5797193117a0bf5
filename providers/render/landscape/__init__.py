"""The landscape of a clip: sky, a light, land and motes, in the colours of its seed."""
