"""What people say: the catalogue, the settings and the selection, parsed once and checked.

    catalogue/*.yaml ─▶ catalogue ─▶ Catalogue ─────────────────────────────────▶ selection ─▶ [Image]
    command line, environment, instance.properties ─▶ sources ─▶ settings ─▶ Settings ──┘

`rules`, `platforms` and `variables` say what a value may be; `faults` and `suggest` how a fault is told; `yaml_nodes`
is what YAML says, `version_file` what Sleeper's build wrote down.
"""
