"""Pure kernels: digests, MinHash, image hashes and embeddings. Arrays in, arrays out."""
