"""Who may do what, and what a project is for."""
