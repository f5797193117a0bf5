"""The chaos run: writers, subscribers and a server that is killed, all by chance; then what must hold is checked."""
