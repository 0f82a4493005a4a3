"""The real clocks and entropy of a rendering: the one door of this room.

Neighbours: bounds.py gives the shape; tests hand in their own World.
"""

from __future__ import annotations

import os
import time

from eso.template.bounds import World

WORLD = World(time.time_ns, time.monotonic, os.urandom, time.monotonic())
