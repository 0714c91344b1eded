"""What people write: the catalogue, the settings and the selection, parsed once and checked.

    catalogue/*.yaml ─▶ catalogue ─▶ Catalogue ─────────────────────────────────▶ selection ─▶ [Image]
    command line, environment, instance.properties ─▶ sources ─▶ settings ─▶ Settings ──┘

A setting is a row in `settings`, a key of the catalogue a row in `catalogue`; the documentation and the JSON Schema
follow from them (`documents`). `values` says what a value may be, `faults` how a fault is reported.
"""
