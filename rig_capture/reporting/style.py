"""How a report looks, in light and dark; text has a contrast of at least 4.5, lines of 3 to 1 (WCAG 2.2, AA)."""

STYLE = """
:root {
  --back: #ffffff; --text: #1b1f24; --soft: #565d66; --edge: #c9ced6; --lane: #eef1f5; --fill: #2f6fbd; --gap: #c62828;
  --good: #16672f; --bad: #b3261e;
  --c0: #1f5fbf; --c1: #b34700; --c2: #1b7a3d; --c3: #7a2bd0; --c4: #a3134e; --c5: #5b5b00;
}
@media (prefers-color-scheme: dark) {
  :root {
    --back: #14171b; --text: #e6e9ed; --soft: #a8b0ba; --edge: #3b424b; --lane: #22272e; --fill: #5b9bea; --gap: #ff8078;
    --good: #7ddf9c; --bad: #ff9a93;
    --c0: #7ab8ff; --c1: #ffb070; --c2: #7ddf9c; --c3: #c9a5ff; --c4: #ff8fb1; --c5: #d9d36b;
  }
}
* { box-sizing: border-box; }
body { margin: 0; background: var(--back); color: var(--text); font: 16px/1.5 system-ui, sans-serif; }
main, footer { max-width: 1100px; margin: 0 auto; padding: 0 1rem; }
h1 { font-size: 1.5rem; margin: 1.5rem 0 0.5rem; overflow-wrap: anywhere; }
h2 { font-size: 1.2rem; margin: 2rem 0 0.5rem; border-bottom: 1px solid var(--edge); }
h3 { font-size: 1rem; margin: 1rem 0 0.25rem; overflow-wrap: anywhere; }
p { margin: 0.5rem 0; }
.good { color: var(--good); font-weight: 600; }
.bad { color: var(--bad); font-weight: 600; }
li { overflow-wrap: anywhere; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: 0.15rem 1rem; margin: 0.5rem 0; }
dt { color: var(--soft); }
dd { margin: 0; overflow-wrap: anywhere; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; margin: 0.5rem 0; font-size: 0.9rem; }
caption { text-align: left; color: var(--soft); padding: 0.25rem 0; }
th, td { text-align: left; vertical-align: top; padding: 0.2rem 0.6rem 0.2rem 0; border-bottom: 1px solid var(--edge); }
tbody th { font-weight: 500; }
.short, .number, tbody th { white-space: nowrap; }
.long { min-width: 16rem; overflow-wrap: anywhere; }
.number { text-align: right; font-variant-numeric: tabular-nums; }
figure { margin: 0.75rem 0; min-width: 0; }
figcaption { color: var(--soft); font-size: 0.85rem; overflow-wrap: anywhere; }
.grid { display: grid; grid-template-columns: repeat(auto-fill, minmax(280px, 1fr)); gap: 0 1.5rem; }
.sheet { display: grid; grid-template-columns: repeat(auto-fill, minmax(160px, 1fr)); gap: 0 0.75rem; }
.sheet img { display: block; width: 100%; height: auto; }
svg { display: block; width: 100%; height: auto; }
.wide > svg { min-width: 640px; }
svg text { fill: var(--text); font-size: 12px; }
.lane { fill: var(--lane); }
.rate, .bar { fill: var(--fill); }
.gap { fill: var(--gap); }
.tick { stroke: var(--edge); stroke-width: 1; }
.line { fill: none; stroke-width: 2; }
.dot { stroke: none; }
.line.c0 { stroke: var(--c0); } .dot.c0 { fill: var(--c0); }
.line.c1 { stroke: var(--c1); stroke-dasharray: 8 3; } .dot.c1 { fill: var(--c1); }
.line.c2 { stroke: var(--c2); stroke-dasharray: 2 3; } .dot.c2 { fill: var(--c2); }
.line.c3 { stroke: var(--c3); stroke-dasharray: 10 3 2 3; } .dot.c3 { fill: var(--c3); }
.line.c4 { stroke: var(--c4); stroke-dasharray: 5 5; } .dot.c4 { fill: var(--c4); }
.line.c5 { stroke: var(--c5); stroke-dasharray: 12 4; } .dot.c5 { fill: var(--c5); }
footer { color: var(--soft); font-size: 0.85rem; margin-top: 2rem; padding-bottom: 2rem; }
"""
