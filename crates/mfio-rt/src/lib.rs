//! Runtimes for mfio (in progress).
