"""The schemas of our kinds, written once in Python and generated as CustomResourceDefinitions."""
