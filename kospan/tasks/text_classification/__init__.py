"""Classification or regression of texts and pairs of texts."""
