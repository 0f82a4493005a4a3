"""The room of ChangeSource: who may send change events, and what was heard and is not carried out yet."""
