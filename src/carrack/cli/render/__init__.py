"""What is printed: tables, templates, JSON, progress."""
