"""What the end-to-end tests share: a real server, real clients, and function packages."""
