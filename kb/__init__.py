"""What we know: pairs, phrasings, indexes, the conversation log."""
