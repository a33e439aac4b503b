"""The run folder: what it holds, written whole or not at all, and read back."""
