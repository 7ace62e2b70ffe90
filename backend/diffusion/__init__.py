"""What every engine that denoises needs: the engine's own way through a job, settings, memory plans, weights into
networks, cost of a call, checkpoints, pace, devices.

The folders under `backend/models/` import from here; nothing here knows any of them or the server.
"""
