"""Long work beside the service, in processes of its own (CAL).

    queued -> running -> done | failed | canceled | interrupted

A request is a row of the table `jobs` (`board` says how it changes). Each instance of the service,
leading or standing by, has a `supervisor`, which takes what is queued and starts a worker for it:
`python -m app.calibration.worker`, which alone imports NumPy. What a run is made with is told in
`parameters`, what becomes of a calibration in `calibrations`.
"""
