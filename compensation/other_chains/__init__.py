"""Payees on chains that we do not sign for: files for the operator's own payout tool, and back.

What is due leaves in one file, once: the file is written from rows that never change, so that each
download has the same lines. What the tool did is read back line by line; the journal follows.
"""
