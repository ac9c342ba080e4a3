/*
 * Tocsin's page: open alerts and those ended today, live.
 *
 * State is one map of alerts by id, filled by two fetches and kept fresh by server-sent events; everything on
 * the page is drawn from it. After a lost connection all is fetched anew, so that nothing that happened in
 * between is missed. Alerts hold what attackers wrote: text goes in by textContent only, never as markup.
 */
"use strict";

const byId = (id) => document.getElementById(id);
let secret = document.querySelector('meta[name="tocsin-secret"]').content;
const alerts = new Map();
let selected = null; // id of the alert whose details are shown, possibly a prefix until it is loaded
let loaded = false;

/* --- small things ---------------------------------------------------------------------------------------- */

function make(name, options = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(options)) {
    if (key === "text") element.textContent = value;
    else if (key === "class") element.className = value;
    else if (key === "data") Object.assign(element.dataset, value);
    else if (key === "on") for (const [event, call] of Object.entries(value)) element.addEventListener(event, call);
    else element.setAttribute(key, value);
  }
  element.append(...children);
  return element;
}

const isOpen = (alert) => alert.state !== "resolved" && alert.state !== "closed";
const time = (text) => (text ? Date.parse(text) : NaN);

/* A string that the file's colours and words can be chosen by; anything else than P1 to P4 is no severity. */
const severity = (alert) => (/^P[1-4]$/.test(alert.severity) ? alert.severity : "?");

function span(ms) {
  const minutes = Math.floor(Math.max(0, ms) / 60000);
  if (!Number.isFinite(minutes)) return "";
  if (minutes < 1) return "now";
  if (minutes < 60) return `${minutes} min`;
  if (minutes < 48 * 60) return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
  return `${Math.floor(minutes / 1440)} days`;
}

function clockTime(text) {
  const at = new Date(time(text));
  return Number.isNaN(at.getTime()) ? "" : at.toLocaleString();
}

/* What the alert is about: the labels that are not the rule's own. */
function entity(alert) {
  const own = new Set(["alertname", "severity", "rule_id"]);
  return Object.entries(alert.labels || {}).filter(([name]) => !own.has(name)).map(([name, value]) => `${name} ${value}`).join(" · ");
}

function startOfDay() {
  const day = new Date();
  day.setHours(0, 0, 0, 0);
  return day;
}

function say(text) {
  byId("said").textContent = text;
}

function showProblem(text) {
  byId("problem").textContent = text;
  byId("problem").hidden = !text;
}

/* --- talking to the server ------------------------------------------------------------------------------- */

async function ask(path, options = {}) {
  const response = await fetch(path, { cache: "no-store", ...options });
  const body = await response.json().catch(() => ({}));
  if (!response.ok) {
    const error = new Error(body.error || `the server answered ${response.status}`);
    error.status = response.status;
    throw error;
  }
  return body;
}

/* Since a restore, say: alerts are raised, and nobody is told. */
async function showHeld() {
  const delivery = await ask("/api/v1/delivery").catch(() => null);
  if (!delivery) return;
  byId("held").textContent = delivery.held
    ? `Delivery is held (${delivery.note || delivery.by}): ${delivery.pending} notifications wait. Look at them with "tocsin release --list", send them with "tocsin release".`
    : "";
  byId("held").hidden = !delivery.held;
}

const promises = {
  confirmed: "confirmed: kept once acknowledged", positioned: "positioned: each line once", best_effort: "best effort, with back-pressure",
  fire_and_forget: "fire and forget: drops are counted", internal: "Tocsin's own",
};

/* Names come from senders: text only. */
async function showSources() {
  const sources = await ask("/v1/sources").catch(() => []);
  byId("sources-section").hidden = sources.length === 0;
  byId("sources").tBodies[0].replaceChildren(...sources.map((s) => make("tr", {},
    make("td", { text: s.name }), make("td", { text: promises[s.class] || s.class }), make("td", { class: "number", text: s.events.toLocaleString() }),
    make("td", { text: clockTime(s.last_event) }), make("td", { text: s.silent ? "silent" : s.watched ? "watched" : "" }))));
}

async function fetchAll() {
  showHeld();
  showSources();
  const [open, ended] = await Promise.all([
    ask("/v1/alerts?state=open"),
    ask(`/v1/alerts?state=ended&since=${encodeURIComponent(startOfDay().toISOString())}`),
  ]);
  const wanted = selected && alerts.get(selected);
  alerts.clear();
  for (const alert of [...ended, ...open]) alerts.set(alert.id, alert);
  if (wanted && !alerts.has(wanted.id)) alerts.set(wanted.id, wanted);
  loaded = true;
  draw();
  if (selected) await showDetail(selected, false);
}

function post(path, body) {
  return ask(path, {
    method: "POST",
    headers: { "Content-Type": "application/json", "X-Tocsin-Secret": secret },
    body: JSON.stringify(body),
  });
}

/* The secret is new at every start of Tocsin; a page that stayed open takes the new one from the new page. */
async function takeSecret() {
  const page = new DOMParser().parseFromString(await (await fetch("/", { cache: "no-store" })).text(), "text/html");
  secret = page.querySelector('meta[name="tocsin-secret"]').content;
}

async function command(alert, verb, extra = {}) {
  const path = `/v1/alerts/${encodeURIComponent(alert.id)}/${verb}`;
  const body = { by: byId("name").value.trim() || "web", ...extra };
  try {
    const after = await post(path, body).catch(async (error) => {
      if (error.status !== 403) throw error;
      await takeSecret();
      return post(path, body);
    });
    showProblem("");
    if (after.id) take(after);
    say(`${alert.title}: ${verb} done`);
  } catch (error) {
    showProblem(`${alert.title} was not changed: ${error.message}`);
    fetchAll().catch(() => {});
  }
}

/* --- the dialog before resolve and close ----------------------------------------------------------------- */

function askBefore(alert, verb) {
  const dialog = byId("ask");
  const [note, disposition] = [dialog.querySelector("textarea"), dialog.querySelector("select")];
  byId("ask-title").textContent = verb === "close" ? "Close this alert" : "Resolve this alert";
  byId("ask-what").textContent = `${severity(alert)} ${alert.title}: ${entity(alert)}`;
  byId("ask-go").textContent = verb === "close" ? "Close" : "Resolve";
  byId("ask-disposition").hidden = verb !== "close";
  note.value = "";
  dialog.returnValue = "";
  dialog.addEventListener("close", () => {
    if (dialog.returnValue !== "go") return;
    const extra = {};
    if (note.value.trim()) extra.note = note.value.trim();
    if (verb === "close") extra.disposition = disposition.value;
    command(alert, verb, extra);
  }, { once: true });
  dialog.showModal();
}

function buttons(alert) {
  const box = make("div", { class: "buttons" });
  const add = (text, kind, call) =>
    box.append(make("button", { type: "button", class: kind, on: { click: call } }, text, make("span", { class: "unseen", text: ` ${alert.title}` })));
  if (alert.state === "firing") add("Acknowledge", "main", (event) => { event.currentTarget.disabled = true; command(alert, "ack"); });
  if (isOpen(alert)) {
    add("Resolve", "", () => askBefore(alert, "resolve"));
    add("Close", "quiet", () => askBefore(alert, "close"));
  }
  return box;
}

/* --- drawing --------------------------------------------------------------------------------------------- */

function titleLink(alert) {
  return make("a", {
    class: "title", href: `/alerts/${encodeURIComponent(alert.id)}`, text: alert.title || "(no title)",
    on: { click: (event) => { if (!event.ctrlKey && !event.metaKey && !event.shiftKey) { event.preventDefault(); select(alert.id); } } },
  });
}

function badge(alert) {
  return make("span", { class: "severity", data: { severity: severity(alert) }, text: severity(alert) });
}

function stateCell(alert) {
  const cell = make("td", { class: "state", text: alert.state === "closed" && alert.disposition ? alert.disposition.replaceAll("_", " ") : alert.state });
  if (alert.state === "acknowledged") cell.append(make("small", { text: `by ${alert.acknowledged_by}` }));
  return cell;
}

function row(alert, isNew) {
  const open = isOpen(alert);
  const what = make("td", { class: "what" }, titleLink(alert), make("span", { class: "entity", text: entity(alert) }));
  const ageText = open ? span(Date.now() - time(alert.first_seen)) : new Date(time(alert.ended_at)).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
  const cells = [
    make("td", {}, badge(alert)), what,
    make("td", { class: "number count", text: String(alert.count) }),
    make("td", { class: "age", text: ageText, title: open ? `first seen ${clockTime(alert.first_seen)}` : clockTime(alert.ended_at) }),
    make("td", { class: "owner", text: (open ? alert.owner : alert.ended_by) || "" }),
    stateCell(alert),
  ];
  if (open) cells.push(make("td", { class: "act" }, buttons(alert)));
  const options = { data: { id: alert.id, state: alert.state }, class: isNew ? "new" : "" };
  if (alert.id === selected) options["aria-current"] = "true";
  return make("tr", options, ...cells);
}

/* Redrawing takes the focus from a button; the same button of the same alert gets it back. */
function focused() {
  const at = document.activeElement, line = at && at.closest("tr[data-id]");
  return line && { id: line.dataset.id, text: at.textContent, tag: at.tagName };
}

function focusAgain(what) {
  if (!what) return;
  const line = document.querySelector(`tr[data-id="${CSS.escape(what.id)}"]`);
  const same = line && [...line.querySelectorAll(what.tag)].find((one) => one.textContent === what.text);
  if (same) same.focus();
}

function fill(table, list, newId) {
  const body = table.querySelector("tbody");
  body.replaceChildren(...list.map((alert) => row(alert, alert.id === newId)));
  table.hidden = list.length === 0 || !loaded;
  byId(`${table.id}-empty`).hidden = list.length > 0 || !loaded;
}

function draw(newId) {
  const focus = focused(), all = [...alerts.values()];
  const open = all.filter(isOpen).sort((a, b) =>
    (a.state === "firing" ? 0 : 1) - (b.state === "firing" ? 0 : 1) || severity(a).localeCompare(severity(b)) || time(b.first_seen) - time(a.first_seen));
  const ended = all.filter((alert) => !isOpen(alert) && time(alert.ended_at) >= startOfDay().getTime())
    .sort((a, b) => time(b.ended_at) - time(a.ended_at));
  fill(byId("active"), open, newId);
  fill(byId("ended"), ended);
  const firing = open.filter((alert) => alert.state === "firing").length;
  byId("counts").textContent = loaded ? `${firing} firing · ${open.length - firing} acknowledged · ${ended.length} resolved today` : "";
  document.title = firing > 0 ? `(${firing}) Tocsin` : "Tocsin";
  focusAgain(focus);
}

/* --- details --------------------------------------------------------------------------------------------- */

/* Runbooks of shipped packs are served by Tocsin; others are links where they are web addresses, else text. */
function runbook(text) {
  const line = byId("detail-runbook");
  line.replaceChildren();
  if (!text) return;
  const href = /^https?:\/\//.test(text) ? text : /^packs\/[\w./-]+\.md$/.test(text) ? `/${text}` : null;
  line.append("Runbook: ", href ? make("a", { href, target: "_blank", rel: "noopener noreferrer", text }) : make("code", { text }));
}

function drawHistory(list) {
  const line = (event) => {
    const what = [event.what, event.by && `by ${event.by}`, event.note && `: ${event.note}`].filter(Boolean).join(" ").replace(" : ", ": ");
    return make("li", {}, make("time", { datetime: event.time || "", text: clockTime(event.time) }), what);
  };
  byId("detail-history").replaceChildren(...(list || []).slice().reverse().map(line));
}

/* What became of the alert's notifications. They come apart from the alert, and their absence is no trouble. */
async function drawDeliveries(id) {
  const list = await ask(`/v1/alerts/${encodeURIComponent(id)}/deliveries`).catch(() => []);
  if (selected !== id) return;
  const line = (d) => {
    const tried = `${d.attempts} attempt${d.attempts === 1 ? "" : "s"}`;
    const what = [d.channel, d.status, d.attempts > 0 && tried, d.detail || d.error, d.provider_id && `as ${d.provider_id}`].filter(Boolean).join(" · ");
    return make("li", {}, make("time", { datetime: d.at || "", text: d.at ? clockTime(d.at) : "waits" }), what);
  };
  byId("detail-deliveries").hidden = !list.length;
  byId("detail-deliveries").querySelector("ol").replaceChildren(...list.slice().reverse().map(line));
}

function drawDetail(alert) {
  const facts = [severity(alert), alert.disposition ? `${alert.state} as ${alert.disposition.replaceAll("_", " ")}` : alert.state, `${alert.count} occurrence${alert.count === 1 ? "" : "s"}`,
    `first ${clockTime(alert.first_seen)}`, `last ${clockTime(alert.last_seen)}`, alert.owner && `owner ${alert.owner}`];
  byId("detail-title").textContent = alert.title;
  byId("detail-facts").textContent = facts.filter(Boolean).join(" · ");
  byId("detail-message").textContent = alert.message || "";
  byId("detail-description").textContent = alert.description || "";
  byId("detail-buttons").replaceChildren(buttons(alert));
  byId("detail-actions").hidden = !(alert.actions || []).length && !alert.runbook;
  byId("detail-actions").querySelector("ol").replaceChildren(...(alert.actions || []).map((text) => make("li", { text })));
  runbook(alert.runbook);
  byId("detail-labels").replaceChildren(...Object.entries(alert.labels || {}).flatMap(([name, value]) => [make("dt", { text: name }), make("dd", { text: value })]));
  drawHistory(alert.history);
  drawDeliveries(alert.id);
  byId("detail").hidden = false;
}

async function showDetail(id, moveFocus = true) {
  try {
    const alert = await ask(`/v1/alerts/${encodeURIComponent(id)}`);
    selected = alert.id;
    alerts.set(alert.id, alert);
    draw();
    drawDetail(alert);
    if (moveFocus) {
      byId("detail").focus({ preventScroll: true });
      byId("detail").scrollIntoView({ block: "start" });
    }
  } catch (error) {
    if (error.status === 404) hideDetail();
    if (error.status) showProblem(`The alert ${id} cannot be shown: ${error.message}`);
  }
}

function hideDetail() {
  selected = null;
  byId("detail").hidden = true;
  draw();
}

function select(id) {
  pushPath(`/alerts/${encodeURIComponent(id)}`);
  showDetail(id);
}

function pushPath(path) {
  if (location.pathname !== path) window.history.pushState(null, "", path);
}

function idOfPath() {
  const found = /^\/alerts\/([^/]+)$/.exec(location.pathname);
  try { return found && decodeURIComponent(found[1]); } catch { return null; }
}

function followPath() {
  const id = idOfPath();
  if (id) showDetail(id); else hideDetail();
}

/* --- live ------------------------------------------------------------------------------------------------ */

function take(alert) {
  const isNew = !alerts.has(alert.id) && isOpen(alert);
  alerts.set(alert.id, alert);
  draw(isNew ? alert.id : undefined);
  if (isNew) say(`New alert ${severity(alert)} ${alert.title}, ${entity(alert)}`);
  if (alert.id === selected) drawDetail(alert);
}

let source = null, retry = null, waitMs = 1000;

function setLink(state, text) {
  byId("link").dataset.state = state;
  byId("link").textContent = text;
  byId("lost").hidden = state !== "lost";
}

function lost() {
  if (source) source.close();
  source = null;
  setLink("lost", "Connection lost");
  byId("lost").textContent = `Connection to Tocsin lost. What you see is of ${new Date().toLocaleTimeString()}; trying again …`;
  clearTimeout(retry);
  retry = setTimeout(connect, waitMs);
  waitMs = Math.min(waitMs * 2, 15000);
}

function connect() {
  clearTimeout(retry);
  if (source) source.close();
  source = new EventSource("/v1/stream");
  source.addEventListener("open", () => {
    waitMs = 1000;
    fetchAll().then(() => { setLink("live", "Live"); showProblem(""); }, (error) => {
      if (error.status) { setLink("live", "Live"); showProblem(`The alerts cannot be read: ${error.message}`); setTimeout(() => fetchAll().then(() => showProblem(""), () => {}), 2000); } else lost();
    });
  });
  source.addEventListener("alert", (event) => {
    try { take(JSON.parse(event.data)); } catch { fetchAll().catch(lost); }
  });
  source.addEventListener("refetch", () => fetchAll().catch(lost));
  source.addEventListener("error", lost);
}

/* --- start ----------------------------------------------------------------------------------------------- */

function sample() {
  return `for n in 1 2 3 4 5 6; do\n  curl -s -H 'Content-Type: application/json' ${location.origin}/v1/events \\\n    -d '{"event_type":"login_failed","source.ip":"203.0.113.9","user.name":"alice"}'\ndone`;
}

function start() {
  const name = byId("name");
  try { name.value = localStorage.getItem("tocsin-name") || ""; } catch { /* private window: not remembered */ }
  name.addEventListener("change", () => { try { localStorage.setItem("tocsin-name", name.value.trim()); } catch { /* same */ } });
  byId("sample").textContent = sample();
  byId("copy").addEventListener("click", async () => {
    try { await navigator.clipboard.writeText(sample()); say("Copied"); byId("copy").textContent = "Copied"; } catch { byId("copy").hidden = true; }
  });
  byId("detail-close").addEventListener("click", (event) => { event.preventDefault(); pushPath("/"); hideDetail(); byId("active-title").focus(); });
  document.addEventListener("keydown", (event) => { if (event.key === "Escape" && selected && !byId("ask").open) byId("detail-close").click(); });
  window.addEventListener("popstate", followPath);
  window.addEventListener("online", connect);
  setInterval(() => { if (loaded) { draw(); showSources(); } }, 30000);
  selected = idOfPath();
  fetchAll().catch(() => {}); /* the stream's opening tells of trouble */
  connect();
}

start();
