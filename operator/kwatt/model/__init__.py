"""Values of the domain: frozen, exact, without I/O. Import the modules, not this package."""
