"""What the rooms of `eso.reconcile` share: every room may import it, and it imports none of them.

Modules marked `~` wait. conditions.py wording of conditions as JSON · difference.py merge patches · event.py the one
Event type · ledger.py what a process knows of each object, by uid · owners.py owner references and field managers ·
record.py what a pass did · status.py ~ writes a status · suspend.py the pause annotation.
"""
