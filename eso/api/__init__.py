"""The kinds users write: frozen records, schemas, and the rules and strings that can be seen from outside."""
