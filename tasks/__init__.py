"""The graph, in the order of its flow.

    catalogue/*.yaml ─▶ configuration.catalogue ─▶ Catalogue ─▶ configuration.selection ─▶ [Image] ─┐  no network,
    command line, environment, instance.properties ─▶ configuration.settings ─▶ Settings ───────────┤  no clock, no
                                                                                                    ▼  subprocess
                                  session (what one run shares) ◀── dodo.py: task creators ──▶ task dicts ──▶ doit
                                                                                                    │ up to date?
    inputs.gather ─▶ fingerprint   what each image is made of ──┐                                   │
    registry.presence              what the registry holds ─────┴▶ decisions: one an image ◀────────┤
                                                                                                    ▼ what is not
    stage ──────▶ ┐
    repository ─▶ push ─▶ engine.buildx, by digest ─▶ inputs unchanged? ─▶ registry.proof ─▶ inputs tag ─▶ version tag
    builder ────▶ ┤
    login ──────▶ ┘

Rooms: `configuration` what people say; `inputs` what images are made of; `registry` what registries hold; `engine` what
builds; `report` what is shown of a run; `commands` doit commands of our own.

Verbs, one module each, an image to a task dict and its action: stage, repository, builder, login, push, build.

What our commands tell of: plan (what a run would do, and why), by records (what images in the registry were made of);
standing (what is deployed), handover (digests.json), picture (the graph), tables (the document's).

How the graph meets doit: session, actions, checker, ledger, report. How it meets the world: run (subprocesses),
registry.http (HTTP), registry.ecr (AWS); what else touches it only reads files.
"""
