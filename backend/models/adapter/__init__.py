"""The skeleton adapter: a video diffusion model that draws the hands of a skeleton video without hands.

(Fleximo, arXiv 2411.19459, section 3.3.) It shares its parts with MimicMotion through `backend.models.svd`.
"""
