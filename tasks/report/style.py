"""How report.html looks: one sheet, two schemes, no pictures and no fonts of its own."""

CSS = """
:root {
  --ground: #ffffff; --raised: #f5f6f8; --line: #d8dce2; --text: #1b1f24; --quiet: #58616d; --link: #0a58ca;
  --built: #1a7f4b; --retagged: #7a3fc4; --failed: #c42b1c; --preparation: #66717f; --idle: #66717f; --current: #58616d;
  --on: #ffffff;
}
@media (prefers-color-scheme: dark) {
  :root {
    --ground: #14171b; --raised: #1e2329; --line: #353c45; --text: #e6e9ed; --quiet: #a2acb8; --link: #7db2ff;
    --built: #56c98b; --retagged: #bf99f5; --failed: #ff8577; --preparation: #8a95a3; --idle: #8a95a3;
    --current: #a2acb8; --on: #101317;
  }
}
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 1.5rem; max-width: 76rem; background: var(--ground); color: var(--text);
  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", "DejaVu Sans", sans-serif; }
header p { margin: 0; color: var(--quiet); }
h1 { margin: 0 0 .75rem; font-size: 1.6rem; line-height: 1.25; }
h2 { margin: 2rem 0 .6rem; font-size: 1.15rem; }
h3 { margin: 1rem 0 .3rem; font-size: .9rem; color: var(--quiet); font-weight: 600; }
a { color: var(--link); }
dl { display: flex; flex-wrap: wrap; gap: .4rem 2rem; margin: 0; }
dt { color: var(--quiet); font-size: .8rem; }
dd { margin: 0; overflow-wrap: anywhere; white-space: pre-line; }
code, pre { font: 13px/1.45 ui-monospace, "SF Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace; }
pre { margin: .3rem 0; padding: .75rem; background: var(--raised); border: 1px solid var(--line); border-radius: 6px;
  overflow-x: auto; }
pre.error { border-left: 4px solid var(--failed); white-space: pre-wrap; overflow-wrap: anywhere; }
.scroll { overflow-x: auto; }
table { width: 100%; border-collapse: collapse; font-size: .93rem; }
th { text-align: left; color: var(--quiet); font-size: .8rem; font-weight: 600; }
td:first-child { white-space: nowrap; }
td.why { min-width: 16rem; overflow-wrap: anywhere; }
details td:first-child { white-space: normal; overflow-wrap: anywhere; }
li { white-space: pre-line; }
th, td { padding: .3rem 1.25rem .3rem 0; border-bottom: 1px solid var(--line); vertical-align: top; }
.n { text-align: right; white-space: nowrap; font-variant-numeric: tabular-nums; }
.mark { font-weight: 600; white-space: nowrap; }
.mark.built { color: var(--built); } .mark.retagged { color: var(--retagged); } .mark.failed { color: var(--failed); }
.mark.idle { color: var(--idle); } .mark.current { color: var(--current); font-weight: 400; }
details { margin: .4rem 0; padding: .5rem .9rem; border: 1px solid var(--line); border-radius: 6px; }
details:has(:target) { border-color: var(--link); }
summary { cursor: pointer; }
details dl { margin-top: .6rem; }
.timeline { min-width: 40rem; padding-right: 2.5rem; }
.lane { display: flex; align-items: center; margin: 4px 0; }
.who { flex: 0 0 5.5rem; color: var(--quiet); font-size: .85rem; }
.bars { position: relative; flex: 1; height: 28px; background: var(--raised); border-radius: 4px; }
.bar { position: absolute; top: 2px; bottom: 2px; min-width: 2px; text-indent: 4px; overflow: hidden;
  border-radius: 3px; border-right: 1px solid var(--ground); color: var(--on); font-size: 12px; line-height: 24px;
  white-space: nowrap; text-decoration: none; background: var(--idle); }
a.bar:hover, a.bar:focus { outline: 2px solid var(--text); z-index: 1; }
.bar.built { background: var(--built); } .bar.retagged { background: var(--retagged); }
.bar.failed { background: var(--failed); } .bar.preparation { background: var(--preparation); }
.axis .bars { height: 1.2rem; background: none; }
.axis .bars span { position: absolute; color: var(--quiet); font-size: 12px; white-space: nowrap;
  border-left: 1px solid var(--line); padding-left: 3px; }
.key { display: flex; flex-wrap: wrap; gap: .3rem 1.2rem; color: var(--quiet); font-size: .85rem; }
.key i.bar { position: static; display: inline-block; width: .9rem; height: .9rem; margin-right: .4rem; padding: 0;
  vertical-align: -2px; }
@media print { details { break-inside: avoid; } }
"""
