"""What banks read and write (ISO 20022): pure kernels, bytes in and plain values out, and back.

`pain001` orders payments, `pain002` says what a bank answered, `camt053` what it booked.
"""
