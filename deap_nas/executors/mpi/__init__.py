"""MPI ranks as workers: rank 0 hands out calls and takes their ends, whatever becomes of the others."""
