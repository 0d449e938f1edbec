"""Made by tests/bench/calibrate_code.py from labelled sources; docs/detection.md says how."""

EVIDENCE_HALF = 5.0
LITERAL_SLOPE = 4.179
LITERAL_MIDDLE = 2.864
SHORT_SLOPE = 0.7311
SHORT_MIDDLE = 1.194
PROGRAM_OFFSET = -1.95
LONG_SLOPE = 14.59
LONG_MIDDLE = 0.466
