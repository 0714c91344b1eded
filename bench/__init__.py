"""The figures in the documentation, each beside what it is compared with."""
