"""Items and their roles, intake of what holders send, the raw store, linking."""
