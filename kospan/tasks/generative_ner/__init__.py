"""Named-entity recognition by generating text with a causal LM."""
