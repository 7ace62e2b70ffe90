"""The server's limits and times, in one place; `/v1/info` publishes them."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["API_VERSION", "Settings"]

API_VERSION = "1.0"


@dataclass(frozen=True)
class Settings:
    json_bytes: int = 2_000_000  # most of one JSON body
    json_depth: int = 32
    blob_bytes: int = 64_000_000
    frames: int = 20_000  # most of one render
    pixel_frames: int = 100_000_000_000  # work budget of one render: width x height x frames
    queued_jobs: int = 256
    body_seconds: float = 120.0  # a body that is not there by then is refused
    reserve_bytes: int = 256_000_000  # always left free on the disk
    blob_days: float = 7.0  # unused blobs are kept so long
    crash_limit: int = 3  # crashes of the worker without progress in between, after which a job has failed
    cancel_grace_s: float = 5.0
    silence_s: float = 30.0  # a worker that says nothing for so long is replaced
    heartbeat_s: float = 15.0  # comment in an idle stream of events
