"""A page on this computer on which a person decides about the suspects of a run."""
