"""A study -> jobs -> result files -> a published store.

`plan(study)` lists the jobs, `run(study)` does what is not done yet, `publish(study)` makes a version of the store.
"""

from brainalign.jobs.planning import Job, plan
from brainalign.jobs.publishing import publish, warnings
from brainalign.jobs.running import run

__all__ = ["Job", "plan", "publish", "run", "warnings"]
