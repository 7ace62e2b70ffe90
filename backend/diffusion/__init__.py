"""What every engine that denoises needs: weights into networks, cost of a call, checkpoints, pace, devices.

The folders under `backend/models/` import from here; nothing here knows any of them, jobs or the server.
"""
