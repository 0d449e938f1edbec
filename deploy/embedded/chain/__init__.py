"""A durable development chain: JSON-RPC on loopback over py-evm, one process, one folder.

The truth is an append-only log, fsynced before a transaction is acknowledged and before a
block can be seen; the SQLite file beside it is derived and may lag or be deleted. The genesis
is fixed, so that an equal log gives equal hashes on every machine. The node holds no keys and
never reorganises. It is neither for real money nor for an open network.
"""
