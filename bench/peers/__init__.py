"""The servers that Scenewire is compared with."""
