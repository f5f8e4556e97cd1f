"""The commands of `moda`, a file each: `register(commands)` adds its options, `run(options)` does it and returns the exit status."""
