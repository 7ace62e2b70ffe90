"""MimicMotion (arXiv 2406.19680): a photo and a track of skeletons to a video, on Stable Video Diffusion.

The engine is `engine.MimicMotion`; its settings can be read without torch.
"""
