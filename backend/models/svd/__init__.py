"""What the models built on Stable Video Diffusion share: conditioning, windows, sampling, decoding, memory plans.

MimicMotion and the skeleton adapter import from here; nothing here knows either of them, jobs or the server.
"""
