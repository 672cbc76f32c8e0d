"use strict";
(() => {
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];
  const viewer = document.querySelector(".viewer");

  addEventListener("beforeprint", () => all("details").forEach((d) => { d.open = true; }));
  if (!viewer) return;

  const stage = viewer.querySelector(".stage");
  const sheet = stage.querySelector(".sheet");
  const MAX = 16;
  const STEP = 1.4;
  const view = { k: 1, x: 0, y: 0 };

  // --- overlays ------------------------------------------------------------------------------
  const show = (id) => {
    all("[data-layer]", viewer).forEach((e) => { e.hidden = e.dataset.layer !== id; });
    all("input[name=layer]", viewer).forEach((e) => { e.checked = e.value === id; });
  };
  viewer.addEventListener("change", (event) => {
    if (event.target.name === "layer") show(event.target.value);
    if (event.target.name === "marks") stage.querySelector(".marks").toggleAttribute("hidden", !event.target.checked);
  });
  const opacity = viewer.querySelector("input[name=opacity]");
  const fade = () => all(".layer", stage).forEach((e) => { e.style.opacity = opacity.value / 100; });
  if (opacity) opacity.addEventListener("input", fade);

  // --- zoom and pan --------------------------------------------------------------------------
  const place = () => {
    const home = { x: sheet.offsetLeft, y: sheet.offsetTop };
    const room = { x: stage.clientWidth, y: stage.clientHeight };
    const size = { x: sheet.offsetWidth * view.k, y: sheet.offsetHeight * view.k };
    for (const a of ["x", "y"]) {
      const middle = (room[a] - size[a]) / 2 - home[a];
      view[a] = size[a] <= room[a] ? middle
        : Math.min(-home[a], Math.max(room[a] - size[a] - home[a], view[a]));
    }
    if (view.k === 1) { view.x = 0; view.y = 0; }
    sheet.style.transform = `translate(${view.x}px, ${view.y}px) scale(${view.k})`;
    sheet.style.setProperty("--zoom", view.k);
    stage.classList.toggle("zoomed", view.k > 1);
    stage.classList.toggle("near", view.k > 3);
  };
  const zoom = (factor, px, py) => {
    const box = stage.getBoundingClientRect();
    const at = {
      x: (px ?? box.left + box.width / 2) - box.left - sheet.offsetLeft,
      y: (py ?? box.top + box.height / 2) - box.top - sheet.offsetTop,
    };
    const k = Math.min(MAX, Math.max(1, view.k * factor));
    for (const a of ["x", "y"]) view[a] = at[a] - (at[a] - view[a]) * k / view.k;
    view.k = k;
    place();
  };
  const pan = (dx, dy) => { view.x += dx; view.y += dy; place(); };
  const fit = () => { view.k = 1; place(); };
  const focusOn = (mark) => {
    fit();
    const box = mark.querySelector(".edge").getBoundingClientRect();
    const room = stage.getBoundingClientRect();
    const k = Math.min(6, 0.45 * room.width / box.width, 0.45 * room.height / box.height);
    if (k > 1.2) {
      const x = box.left + box.width / 2, y = box.top + box.height / 2;
      zoom(k, x, y);
      pan(room.left + room.width / 2 - x, room.top + room.height / 2 - y);
    }
  };
  viewer.addEventListener("click", (event) => {
    const act = event.target.closest("button")?.dataset.zoom;
    if (act === "in") zoom(STEP);
    if (act === "out") zoom(1 / STEP);
    if (act === "fit") fit();
  });
  stage.addEventListener("keydown", (event) => {
    const keys = {
      "+": () => zoom(STEP), "=": () => zoom(STEP), "-": () => zoom(1 / STEP), "0": fit,
      ArrowLeft: () => pan(60, 0), ArrowRight: () => pan(-60, 0),
      ArrowUp: () => pan(0, 60), ArrowDown: () => pan(0, -60),
    };
    const act = keys[event.key];
    if (!act || event.ctrlKey || event.metaKey) return;
    if (event.key.startsWith("Arrow") && view.k === 1) return;
    event.preventDefault();
    act();
  });
  stage.addEventListener("wheel", (event) => {
    if (view.k === 1 && !event.ctrlKey) return;
    event.preventDefault();
    zoom(Math.exp(-event.deltaY * 0.0025), event.clientX, event.clientY);
  }, { passive: false });
  stage.addEventListener("dblclick", (event) => zoom(2, event.clientX, event.clientY));

  const held = new Map();
  const spread = () => {
    const [a, b] = [...held.values()];
    return { d: Math.hypot(a.x - b.x, a.y - b.y), x: (a.x + b.x) / 2, y: (a.y + b.y) / 2 };
  };
  let moved = 0;
  stage.addEventListener("pointerdown", (event) => {
    held.set(event.pointerId, { x: event.clientX, y: event.clientY });
    moved = 0;
    stage.classList.add("held");
  });
  stage.addEventListener("pointermove", (event) => {
    const last = held.get(event.pointerId);
    if (!last) return;
    const before = held.size === 2 ? spread() : null;
    held.set(event.pointerId, { x: event.clientX, y: event.clientY });
    if (before) {
      const now = spread();
      zoom(now.d / Math.max(before.d, 1), now.x, now.y);
      pan(now.x - before.x, now.y - before.y);
    } else if (view.k > 1) {
      pan(event.clientX - last.x, event.clientY - last.y);
    }
    moved += Math.abs(event.clientX - last.x) + Math.abs(event.clientY - last.y);
  });
  for (const name of ["pointerup", "pointercancel", "pointerleave"]) {
    stage.addEventListener(name, (event) => {
      held.delete(event.pointerId);
      if (!held.size) stage.classList.remove("held");
    });
  }
  addEventListener("resize", place);

  // --- findings ------------------------------------------------------------------------------
  const light = (id, on) =>
    all("[data-finding]").forEach((e) => { if (e.dataset.finding === id) e.classList.toggle("on", on); });
  const mark = (id) => all(".mark", stage).find((e) => e.dataset.finding === id);
  all("[data-finding]").forEach((element) => {
    const id = element.dataset.finding;
    element.addEventListener("pointerenter", () => light(id, true));
    element.addEventListener("pointerleave", () => light(id, false));
  });
  document.addEventListener("click", (event) => {
    const locate = event.target.closest("[data-locate]");
    const layer = event.target.closest("[data-show]");
    const hit = event.target.closest(".mark");
    if (locate) {
      const found = mark(locate.dataset.locate);
      if (found) { focusOn(found); light(locate.dataset.locate, true); }
    }
    if (layer) show(layer.dataset.show);
    if (locate || layer) {
      stage.scrollIntoView({ block: "nearest" });
      stage.focus({ preventScroll: true });
    }
    if (hit && moved < 6) {
      const item = document.querySelector(`.list [data-finding="${hit.dataset.finding}"]`);
      if (item) { item.scrollIntoView({ block: "nearest" }); light(hit.dataset.finding, true); }
    }
  });
})();
