"""Small faults in the tricky modules, each of which a unit test must notice. `make mutants` runs them."""
