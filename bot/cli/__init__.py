"""The commands of `frontdesk` that need no web server; `web.cli` adds `ask` and `serve`, and is the entry point."""
