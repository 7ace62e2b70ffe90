"""A body for the rig: the mannequin of our own, and what lays any skinned body around a rig and poses it."""

from fleximo.body.skin import MOST_JOINTS, SkinnedBody, few_joints, fitted_body, mannequin, posed_body, skinned

__all__ = ["MOST_JOINTS", "SkinnedBody", "few_joints", "fitted_body", "mannequin", "posed_body", "skinned"]
