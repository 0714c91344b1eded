"""What every package needs of this machine: processes, signals, files, locks, threads, the terminal."""
