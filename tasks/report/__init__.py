"""What people and programs see of a run.

    doit ────▶ Reporter ─▶ events ─▶ a display: lines (`plain`), a live board (`board`), JSON (`jsonl`)
    buildx ──────┘            └────▶ RunState ─▶ the summary, and report.html (`html`)

A reporter is a module with a display and a subclass of `reporter.Reporter` that returns it, and an entry point of the
group `doit.REPORTER` in pyproject.toml.
"""
