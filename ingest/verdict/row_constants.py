"""Made by tests/bench/calibrate_rows.py from labelled sets; docs/detection.md says how."""

ROW_FACTORS = (2.267, 1.844, 1.986, 0.976, 4.5, 1.161, 2.386, 2.922, 1.31, 1.558)
"""In the order of `ingest.fingerprint.rows.Likeness`."""
ROW_OFFSET = -12.164
ROW_MATCH = 0.77
ROW_HOLDS = 0.9781
