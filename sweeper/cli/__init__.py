"""The commands: they declare, call one function and print; nothing imports this room."""
