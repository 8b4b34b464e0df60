"""One body in, one parsed value or one InvalidInput out. Import the modules, not this package."""
