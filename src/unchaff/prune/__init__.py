"""(model, Partition) -> PrunePlan -> pruned copy; one rule per file."""
