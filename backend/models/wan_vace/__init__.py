"""Wan 2.1 VACE 1.3B (arXiv 2503.07598): a photo, skeletons and words to a video, on diffusers' own classes.

The engine is `engine.WanVACE`; its settings can be read without torch.
"""
