"""What is in a region store, in figures and on a page."""
