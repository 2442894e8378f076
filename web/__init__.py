"""What we show: chat page and REST."""
