// A flame chart as one HTML file that loads nothing: who called whom, as wide as it took; a click looks closer.
import type { Call } from './read-profile.ts';

/** Narrower ones are not seen. */
const shareLeast = 0.0005;

type Bar = [name: string, owner: string, totalUs: number, selfUs: number, calls: Bar[]];

export function flamePage(title: string, root: Call): string {
  const toBar = ({ name, owner, totalUs, selfUs, calls }: Call): Bar => [
    name,
    owner,
    Math.round(totalUs),
    Math.round(selfUs),
    calls.filter((call) => call.totalUs >= root.totalUs * shareLeast).map(toBar),
  ];
  // In a script no text of ours may end it.
  const bars = JSON.stringify(toBar(root)).replaceAll('<', '\\u003c');
  return `<!doctype html>
<meta charset="utf-8">
<title>${title}</title>
<style>
  body { font: 12px system-ui, sans-serif; margin: 1rem; }
  #chart { position: relative; }
  #chart div { position: absolute; box-sizing: border-box; height: 17px; overflow: hidden; white-space: nowrap;
    border: 1px solid #fff; border-radius: 3px; padding: 0 3px; cursor: pointer; color: #000; }
  #told { height: 1.5rem; }
</style>
<h1>${title}</h1>
<p>As wide as it took, callees below their callers. A click looks closer; a click on the top bar goes back. Colors are packages and folders.</p>
<p id="told"></p>
<div id="chart"></div>
<script>
  const all = ${bars};
  const rowPx = 18, chart = document.getElementById('chart'), told = document.getElementById('told');
  const color = (owner) => {
    let hash = 0;
    for (const c of owner) hash = (hash * 31 + c.charCodeAt(0)) >>> 0;
    return 'hsl(' + hash % 360 + ' 65% 75%)';
  };
  function show(root) {
    chart.replaceChildren();
    let depth = 0;
    const add = (bar, left, row) => {
      const [name, owner, total, self, calls] = bar;
      const share = total / root[2];
      if (share < 0.001) return;
      const div = document.createElement('div');
      div.textContent = name;
      div.style.cssText = 'left:' + left * 100 + '%;width:' + share * 100 + '%;top:' + row * rowPx + 'px;background:' + color(owner);
      const percent = (us) => (us / all[2] * 100).toFixed(1) + ' %';
      div.onmouseenter = () => { told.textContent = name + ' (' + owner + '): ' + percent(total) + ', itself ' + percent(self); };
      div.onclick = () => show(bar === root ? all : bar);
      chart.append(div);
      depth = Math.max(depth, row + 1);
      for (const call of calls) { add(call, left, row + 1); left += call[2] / root[2]; }
    };
    add(root, 0, 0);
    chart.style.height = depth * rowPx + 'px';
  }
  show(all);
</script>
`;
}
