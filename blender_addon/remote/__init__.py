"""What the worker thread does with the render server over HTTP. Never imports bpy.

Functions that take `report` are generators: they yield while they wait, so that other work gets its turn.
"""
