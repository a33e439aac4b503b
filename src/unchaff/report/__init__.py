"""One self-contained page about a run: view records, charts, thumbnails, template."""
