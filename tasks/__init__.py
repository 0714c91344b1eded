"""The graph, in the order of its flow.

    catalogue/*.yaml ─▶ configuration.catalogue ─▶ Catalogue ─▶ configuration.selection ─▶ [Image] ─┐  no network,
    command line, environment, instance.properties ─▶ configuration.settings ─▶ Settings ───────────┤  no clock, no
                                                                                                    ▼  subprocess
                                RunContext (what one run shares) ◀── dodo.py: task creators ──▶ task dicts ──▶ doit
                                                                                                    │ up to date?
    image.collect ─▶ Collected     what each image is made of ──┐                                   │
    registry.images                what the registry holds ─────┴▶ decisions: Decided, one an image ◀─┤
                                                                                                    ▼ what is not
    stage ──────▶ ┐
    repository ─▶ push ─▶ Built, by digest ─▶ inputs unchanged? ─▶ Proved ─▶ record ─▶ inputs tag ─▶ version tag
    builder ────▶ ┤
    login ──────▶ ┘

Verbs, one module each, from an image to a task dict and its action: `stage`, `repository`, `builder`, `login`, `push`,
`build`; before the first build, `preflight` finds every problem. Tasks without an image: `sandbox`, `checks`.

Values and parts that verbs share: `model`, `reference`, `errors`; `run_context`, `decision` (pure), `decisions`,
`records`, `repositories`, `refresh` (base images).

Packages: `configuration`, what users say; `image`, what images are made of; `registry`, what registries hold; `engine`,
what builds; `report`, what a run shows; `commands`, doit's commands and ours; `graph`, how the graph meets doit;
`system`, processes, signals, files, threads, text.
"""
