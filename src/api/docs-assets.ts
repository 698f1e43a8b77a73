// The style and the script of the documentation pages, inline in them.
export const pageStyle = `
:root { color-scheme: light dark; --line: color-mix(in srgb, currentColor 18%, transparent); }
* { box-sizing: border-box; }
body { margin: 0; font: 15px/1.5 system-ui, sans-serif; }
nav { position: fixed; inset: 0 auto 0 0; width: 22rem; overflow-y: auto; padding: 1rem; border-right: 1px solid var(--line); }
nav a { display: block; padding: 1px 0; color: inherit; text-decoration: none; white-space: nowrap; overflow: hidden; text-overflow: ellipsis; }
nav a:hover, nav a:focus { text-decoration: underline; }
nav h2 { font-size: 12px; text-transform: uppercase; letter-spacing: .08em; margin: 1rem 0 .2rem; opacity: .7; }
main { margin-left: 22rem; padding: 1rem 2rem 50vh; max-width: 64rem; }
main.wide { margin: 0 auto; max-width: 76rem; }
section { border-top: 1px solid var(--line); padding: 1rem 0; }
h3 { font: 600 16px ui-monospace, monospace; } h4 { margin: 1rem 0 .3rem; }
b[class] { display: inline-block; min-width: 3.6rem; font: 600 12px ui-monospace, monospace; text-transform: uppercase; }
.get { color: #2a7de1; } .post { color: #16895a; } .patch { color: #b7791f; } .delete { color: #c53030; }
code, pre, textarea { font: 13px ui-monospace, monospace; }
table { border-collapse: collapse; width: 100%; margin: .3rem 0; }
td, th { border-bottom: 1px solid var(--line); padding: .25rem .5rem .25rem 0; text-align: left; vertical-align: top; }
.below { padding: 0 0 .5rem 1.5rem; }
tr:target { background: color-mix(in srgb, gold 25%, transparent); }
summary { cursor: pointer; padding: .15rem 0; }
input, textarea, button { font: inherit; padding: .25rem .4rem; } textarea, pre { width: 100%; }
label { display: block; margin: .3rem 0; } nav input { width: 100%; }
pre { overflow-x: auto; padding: .6rem; border: 1px solid var(--line); white-space: pre-wrap; }
@media (max-width: 56rem) { nav { position: static; width: auto; } main { margin: 0; padding: 1rem; } }
`;

// The key stays in the page's memory: it is gone with the tab.
export const pageScript = `
const filter = document.getElementById('filter');
const links = document.querySelectorAll('nav a[href^="#"]');
filter.addEventListener('input', () => {
  const word = filter.value.toLowerCase();
  for (const section of document.querySelectorAll('section')) section.hidden = !section.dataset.search.includes(word);
  for (const link of links) link.hidden = document.querySelector(link.getAttribute('href')).hidden;
});
for (const form of document.querySelectorAll('form')) form.addEventListener('submit', async (event) => {
  event.preventDefault();
  const headers = {};
  const query = new URLSearchParams();
  let path = form.dataset.path;
  for (const input of form.querySelectorAll('input')) {
    if (input.dataset.in === 'path') path = path.replace('{' + input.name + '}', encodeURIComponent(input.value));
    else if (input.value === '') continue;
    else if (input.dataset.in === 'query') query.set(input.name, input.value);
    else headers[input.name] = input.value;
  }
  const key = document.getElementById('key').value.trim();
  if (key !== '') headers.authorization = 'Bearer ' + key;
  const body = form.elements.body ? form.elements.body.value : undefined;
  if (body !== undefined) headers['content-type'] = 'application/json';
  const shown = form.querySelector('pre');
  shown.hidden = false;
  shown.textContent = '…';
  try {
    const search = query.toString();
    const init = { method: form.dataset.method.toUpperCase(), headers, body };
    const response = await fetch(path + (search && '?' + search), init);
    const text = await response.text();
    let pretty = text;
    try { pretty = JSON.stringify(JSON.parse(text), null, 2); } catch {}
    shown.textContent = response.status + ' ' + response.headers.get('x-request-id') + '\\n' + pretty;
  } catch (error) {
    shown.textContent = String(error);
  }
});
`;
