"""The subcommands of `tallymark`, one module each; see `tallymark.cli.parser` for their shape."""
