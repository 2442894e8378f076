"""Relevance plus diversity: arrays in, positions out. Start with `select`; each strategy is a file beside it."""

from bot.selector.selecting import STRATEGIES, Strategy, duplicates, select

__all__ = ["STRATEGIES", "Strategy", "duplicates", "select"]
