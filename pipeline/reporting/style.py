"""The report's style sheet: for a screen, a phone and paper, in light and dark."""

STYLE = """
:root { color-scheme: light dark; --ink: #1c2024; --soft: #5b6470; --paper: #ffffff; --card: #f5f6f8; --line:
  #d9dde3; --accent: #0b5cad; --good: #0a7a4b; --mixed: #9a6200; --bad: #b3261e; --open: #4d5866; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e6e8eb; --soft: #a0a8b2; --paper: #15181c; --card: #1f2329; --line: #373e47; --accent: #7db7f5;
    --good: #4cc38a; --mixed: #f0b440; --bad: #ff7b72; --open: #a8b3c0; }
  figure.plot img { filter: invert(0.91) hue-rotate(180deg); }
}
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink); line-height: 1.5; font: 1rem/1.5 system-ui,
  -apple-system, "Segoe UI", Roboto, "DejaVu Sans", sans-serif; }
main { max-width: 66rem; margin: 0 auto; padding: 1.25rem; }
h1 { font-size: 1.05rem; font-weight: 600; color: var(--soft); margin: 0 0 .75rem; overflow-wrap: anywhere; }
h2 { font-size: 1.3rem; margin: 2.75rem 0 .75rem; padding-bottom: .3rem; border-bottom: 1px solid var(--line); }
h3 { font-size: 1.02rem; margin: 1.5rem 0 .5rem; }
p, li { max-width: 46rem; overflow-wrap: anywhere; }
ul { padding-left: 1.25rem; }
li { margin: .2rem 0; }
.soft { color: var(--soft); font-size: .9rem; }
.verdict { border: 1px solid var(--line); border-left: .5rem solid var(--tone); border-radius: .5rem; background:
  var(--card); padding: 1rem 1.25rem; }
.verdict .headline { font-size: 1.5rem; line-height: 1.25; font-weight: 700; color: var(--tone); margin: 0 0 .5rem;
  max-width: none; }
.good { --tone: var(--good); }
.mixed { --tone: var(--mixed); }
.bad { --tone: var(--bad); }
.open { --tone: var(--open); }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(13rem, 1fr)); gap: .75rem; margin: 1rem 0; }
.tile { border: 1px solid var(--line); border-radius: .5rem; padding: .75rem 1rem; }
.tile .title, .tile .note { color: var(--soft); font-size: .85rem; display: block; }
.tile .value { font-size: 1.8rem; font-weight: 700; display: block; font-variant-numeric: tabular-nums; }
nav { margin: 1.25rem 0 0; font-size: .92rem; }
nav a { margin-right: 1rem; display: inline-block; padding: .15rem 0; }
a { color: var(--accent); }
.scroll { overflow-x: auto; margin: .75rem 0; }
table { border-collapse: collapse; width: 100%; font-size: .9rem; font-variant-numeric: tabular-nums; }
caption { text-align: left; color: var(--soft); padding: .25rem 0 .5rem; }
th, td { text-align: left; vertical-align: top; padding: .4rem .75rem .4rem 0; border-bottom: 1px solid var(--line);
  }
thead th { color: var(--soft); font-weight: 600; border-bottom-width: 2px; white-space: nowrap; }
tbody th { font-weight: 500; overflow-wrap: anywhere; min-width: 7rem; }
th.number, td.number { text-align: right; padding-right: 1rem; white-space: nowrap; }
tr.group th div { position: sticky; left: .6rem; display: inline-block; max-width: calc(100vw - 4rem); }
.beside { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 26rem), 1fr)); gap: 0 2rem; }
tr.group th { background: var(--card); font-weight: 700; padding: .55rem .6rem; }
.rate { display: block; min-width: 7.5rem; }
.rate b { font-size: 1.02rem; }
.rate small { color: var(--soft); display: block; white-space: nowrap; }
.bar { display: block; height: .3rem; border-radius: .15rem; background: var(--line); margin: .2rem 0; overflow:
  hidden; max-width: 9rem; }
.bar i { display: block; height: 100%; background: var(--accent); }
.pictures { display: grid; grid-template-columns: repeat(auto-fill, minmax(13.5rem, 1fr)); gap: .75rem; }
.picture { margin: 0; border: 1px solid var(--line); border-radius: .5rem; padding: .6rem; background: var(--card);
  font-size: .84rem; break-inside: avoid; overflow-wrap: anywhere; }
.picture img { display: block; height: 9rem; max-width: 100%; object-fit: contain; margin: 0 auto .5rem;
  image-rendering: pixelated; }
.picture dl, .facts dl { margin: 0; }
.picture dl { display: grid; grid-template-columns: auto 1fr; gap: .05rem .6rem; }
.picture dt { color: var(--soft); }
.picture dd { margin: 0; text-align: right; }
.right { color: var(--good); font-weight: 600; }
.fell { color: var(--bad); font-weight: 600; }
.wrong { color: var(--mixed); font-weight: 600; }
.flag { color: var(--accent); font-weight: 600; }
figure.plot { margin: 1rem 0 1.5rem; max-width: 48rem; break-inside: avoid; }
figure.plot img { width: 100%; height: auto; border-radius: .4rem; }
figure.plot figcaption { color: var(--soft); font-size: .88rem; }
dl { display: grid; grid-template-columns: minmax(9rem, auto) 1fr; gap: .25rem 1rem; font-size: .9rem; margin: .5rem
  0; }
dt { color: var(--soft); overflow-wrap: anywhere; }
dd { margin: 0; overflow-wrap: anywhere; }
.changed td, .changed th { font-weight: 700; }
footer { margin: 3rem 0 1rem; color: var(--soft); font-size: .85rem; }
@media (max-width: 36rem) {
  main { padding: .9rem; }
  .verdict .headline { font-size: 1.25rem; }
  .pictures { grid-template-columns: repeat(2, 1fr); }
  dl { grid-template-columns: 1fr; }
  dd { margin-bottom: .4rem; }
  tbody th { position: sticky; left: 0; background: var(--paper); min-width: 5.5rem; }
  .picture dl { grid-template-columns: auto 1fr; }
  .picture dd { margin: 0; }
}
@media print {
  :root { color-scheme: light; --ink: #000; --soft: #444; --paper: #fff; --card: #fff; --line: #bbb; --accent:
    #0b5cad; --good: #0a7a4b; --mixed: #9a6200; --bad: #b3261e; --open: #4d5866; }
  nav { display: none; }
  main { max-width: none; padding: 0; }
  body { font-size: 10pt; }
  h2 { break-after: avoid; }
  tr, .tile { break-inside: avoid; }
  .scroll { overflow: visible; }
  figure.plot img { filter: none; }
  .bar, .bar i { print-color-adjust: exact; }
}
"""
