"""The client of a ComfyUI server, whose workflows are templates of the operator."""
