"""What every room needs of this machine: processes, signals, files, locks, threads, the terminal."""
