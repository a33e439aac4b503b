"""Evidence -> Partition; one rule per file."""
