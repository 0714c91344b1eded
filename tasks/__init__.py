"""The graph, in the order of its flow.

    catalogue/*.yaml ─▶ configuration.catalogue ─▶ Catalogue ─▶ configuration.selection ─▶ [Image] ─┐  no network,
    command line, environment, instance.properties ─▶ configuration.settings ─▶ Settings ───────────┤  no clock, no
                                                                                                    ▼  subprocess
                                  session (what one run shares) ◀── dodo.py: task creators ──▶ task dicts ──▶ doit
                                                                                                    │ up to date?
    inputs.collect ─▶ fingerprint   what each image is made of ──┐                                   │
    registry.images                what the registry holds ─────┴▶ decisions: one an image ◀────────┤
                                                                                                    ▼ what is not
    stage ──────▶ ┐
    repository ─▶ push ─▶ engine.buildx, by digest ─▶ inputs unchanged? ─▶ registry.proof ─▶ inputs tag ─▶ version tag
    builder ────▶ ┤
    login ──────▶ ┘

Packages: `configuration` what people say; `inputs` what images are made of; `registry` what registries hold; `engine`
what builds; `report` what a run shows as it goes; `commands` doit commands of our own.

Verbs, one module each, an image to a task dict and its action: stage, repository, builder, login, push, build; before
the first build, `preflight` finds all that stands in the way. Tasks of no image: sandbox, checks.

Questions, which change nothing: plan, explanation (of one image), status, digests_file.

How the graph meets doit: composition, closure, actions, checker, ledger, signals. How it meets the world: run
(subprocesses), registry.http (HTTP), registry.ecr (AWS); what else touches it only reads files.
"""
