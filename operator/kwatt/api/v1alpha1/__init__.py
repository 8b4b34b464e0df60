"""The four kinds of kwatt.dev/v1alpha1 as pydantic models. Import the modules, not this package."""
