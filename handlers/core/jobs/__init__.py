"""Background work that survives the request that asked for it, and the process that does it. See docs/jobs.md.

`services.jobs.enqueue(...)` asks for it, `Definition` says how it is done, `Run` is what it is done with, and the
server's worker does it.
"""

from handlers.core.jobs.definition import Definition, Definitions
from handlers.core.jobs.jobs import Jobs
from handlers.core.jobs.run import Run, StepFailed
from storage.repositories.job_events import JobEvent
from storage.repositories.job_schedules import JobSchedule
from storage.repositories.jobs import FINAL, Job, JobState

__all__ = [
    "FINAL",
    "Definition",
    "Definitions",
    "Job",
    "JobEvent",
    "JobSchedule",
    "JobState",
    "Jobs",
    "Run",
    "StepFailed",
]
