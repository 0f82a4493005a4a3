"""The kinds of the product: frozen records, schemas, and the rules and strings that users see."""
