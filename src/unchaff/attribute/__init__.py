"""(Trained, Observed) -> Evidence; one attributor per file."""
