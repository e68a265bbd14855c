"""The nouns that everything else is made of: batches, boxes, seeds, vocabulary, errors."""
