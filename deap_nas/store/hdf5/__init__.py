"""A population file: HDF5 with one writer, live readers, and nothing that a kill can tear."""
