"""The worker: `python -m app.calibration.worker`, started by the service for one job.

See `app.jobs.working` for how it is told which one.
"""

from app.calibration.tasks.calibrating import calibration
from app.calibration.tasks.stress_testing import stress_test
from app.jobs.working import main

if __name__ == "__main__":
    main({"calibration": calibration, "stress_test": stress_test})
