"""The boundary: the kinds of kwatt.dev as models, and their CustomResourceDefinitions."""
