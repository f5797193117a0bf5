"""The child process that looks at a file: can it be used, what is it, its poster; and takes pictures out of clips."""
