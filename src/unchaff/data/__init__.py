"""A spec or a data set -> Samples; one format per file."""
