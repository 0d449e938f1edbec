"""What `./run up` starts on one machine: PostgreSQL, the chain, and the supervisor over them."""
