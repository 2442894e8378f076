"""Measures, each with its formula, over plain arrays; and bootstrap intervals of them."""
