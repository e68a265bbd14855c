"""A system's page in words, in a drawing, in numbers, and beside another's."""
