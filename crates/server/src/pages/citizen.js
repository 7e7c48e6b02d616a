// Adds to the citizens' pages what needs a script: the map to choose a place, the phone's own position,
// and a search box for kinds. Without it the pages work all the same.
"use strict";
(() => {
  const map = document.getElementById("map");
  const [lat, long] = [document.getElementById("lat"), document.getElementById("long")];
  if (map && lat && long) {
    const NS = "http://www.w3.org/2000/svg";
    const make = (name, attributes) => {
      const element = document.createElementNS(NS, name);
      for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
      return element;
    };
    const way = [];
    let view = null;
    const svg = make("svg", { class: "map", role: "img", "aria-label": map.dataset.label });
    const button = (text, act) => {
      const element = document.createElement("button");
      element.type = "button";
      element.className = "second";
      element.textContent = text;
      element.addEventListener("click", act);
      return element;
    };
    const back = button(map.dataset.back, () => {
      way.pop();
      show(way.pop());
    });
    const said = document.createElement("p");
    said.className = "small";
    said.setAttribute("role", "status");
    const choose = (x, y) => {
      long.value = x.toFixed(6);
      lat.value = y.toFixed(6);
      said.textContent = `${lat.value}, ${long.value}`;
      mark();
    };
    const mark = () => {
      svg.querySelector(".here")?.remove();
      if (!view || !lat.value) return;
      const [x, y] = view.place([Number(long.value), Number(lat.value)]);
      svg.append(make("circle", { class: "here", cx: x, cy: y, r: 9 }));
    };
    const show = async (code) => {
      const answer = await fetch(`/public/areas/${encodeURIComponent(code)}`);
      if (!answer.ok) return;
      const { features } = await answer.json();
      const points = features.flatMap((f) => f.geometry.coordinates.flat(2));
      if (points.length === 0) return;
      const xs = points.map((p) => p[0]);
      const ys = points.map((p) => p[1]);
      const least = (list) => list.reduce((a, b) => Math.min(a, b));
      const most = (list) => list.reduce((a, b) => Math.max(a, b));
      const [west, east, south, north] = [least(xs), most(xs), least(ys), most(ys)];
      const wide = Math.cos((((south + north) / 2) * Math.PI) / 180);
      const scale = 600 / ((east - west) * wide || 1);
      view = {
        place: ([x, y]) => [(x - west) * wide * scale, (north - y) * scale],
        back: ([x, y]) => [x / (wide * scale) + west, north - y / scale],
      };
      way.push(code);
      back.hidden = way.length < 2;
      svg.replaceChildren();
      svg.setAttribute("viewBox", `0 0 600 ${Math.max(1, (north - south) * scale).toFixed(0)}`);
      const parts = features.filter((f) => f.properties.role === "child");
      for (const feature of features) {
        const d = feature.geometry.coordinates
          .flat()
          .map((ring) => `M${ring.map((p) => view.place(p).map((n) => n.toFixed(1)).join(" ")).join("L")}Z`)
          .join("");
        const path = make("path", { d });
        if (feature.properties.role === "child") {
          path.setAttribute("class", "part");
          path.dataset.code = feature.properties.code;
          path.dataset.tier = feature.properties.tier;
          const title = make("title", {});
          title.textContent = feature.properties.name;
          path.append(title);
        }
        svg.append(path);
      }
      if (parts.length <= 60) {
        for (const { properties } of parts) {
          if (!properties.center) continue;
          const [x, y] = view.place(properties.center);
          const text = make("text", { x, y });
          text.textContent = properties.name;
          svg.append(text);
        }
      }
      mark();
    };
    svg.addEventListener("click", (event) => {
      if (!view) return;
      const matrix = svg.getScreenCTM();
      if (!matrix) return;
      const at = new DOMPoint(event.clientX, event.clientY).matrixTransform(matrix.inverse());
      const [x, y] = view.back([at.x, at.y]);
      choose(x, y);
      const part = event.target.closest("path.part");
      if (part && part.dataset.tier !== "grid") void show(part.dataset.code);
    });
    const locate = button(map.dataset.locate, () => {
      navigator.geolocation?.getCurrentPosition(
        ({ coords }) => choose(coords.longitude, coords.latitude),
        (error) => (said.textContent = error.message),
        { enableHighAccuracy: true, timeout: 20000 },
      );
    });
    map.append(locate, svg, back, said);
    void show(map.dataset.root);
  }

  const kinds = document.getElementById("type");
  if (kinds?.dataset.search) {
    const box = document.createElement("input");
    box.type = "search";
    box.placeholder = kinds.dataset.search;
    box.setAttribute("aria-label", kinds.dataset.search);
    box.addEventListener("input", () => {
      const words = box.value.trim().toLowerCase();
      for (const option of kinds.querySelectorAll("optgroup option")) {
        option.hidden = words !== "" && !option.textContent.toLowerCase().includes(words);
      }
      const found = [...kinds.querySelectorAll("optgroup option")].find((option) => !option.hidden);
      if (words !== "" && found) kinds.value = found.value;
    });
    kinds.before(box);
  }

  // What it may be, while it is written: kinds to touch, and reports that may be the same.
  const words = document.getElementById("words");
  const advice = document.getElementById("advice");
  if (words && advice && kinds) {
    let typing = 0;
    let asked = "";
    const line = (tag, text) => {
      const element = document.createElement(tag);
      element.textContent = text;
      return element;
    };
    const show = ({ types, near }) => {
      advice.replaceChildren();
      if (types.length > 0 && kinds.value === "") {
        advice.append(line("p", advice.dataset.types));
        for (const { id, name, percent } of types) {
          const element = line("button", `${name} ${percent} %`);
          element.type = "button";
          element.className = "second";
          element.addEventListener("click", () => {
            kinds.value = id;
            void ask();
          });
          advice.append(element);
        }
      }
      if (near.length > 0) {
        advice.append(line("p", advice.dataset.near));
        const list = document.createElement("ul");
        for (const { id, name, words: said, state } of near) list.append(line("li", `${name} · ${said} · ${state} · ${id}`));
        advice.append(list);
      }
    };
    const ask = async () => {
      const body = new URLSearchParams({
        words: words.value.slice(0, 1500),
        lat: lat?.value ?? "",
        long: long?.value ?? "",
        type: kinds.value,
        lang: document.documentElement.lang,
      });
      if (body.toString() === asked) return;
      asked = body.toString();
      const answer = await fetch("/report/proposal", { method: "POST", body });
      if (answer.ok) show(await answer.json());
    };
    const later = () => {
      window.clearTimeout(typing);
      typing = window.setTimeout(() => void ask(), 900);
    };
    words.addEventListener("input", later);
    kinds.addEventListener("change", later);
    map?.addEventListener("click", later);
  }

  // The receipt, checked here: the chain of steps, the way of each to the head of the city's log, and the
  // head's signature. Whatever does not add up is said.
  const receipt = document.getElementById("receipt");
  if (receipt && window.crypto?.subtle) {
    const text = (words) => new TextEncoder().encode(words);
    const hex = (bytes) => Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
    const unhex = (words) => Uint8Array.from(words.match(/../g) ?? [], (pair) => parseInt(pair, 16));
    const base64 = (bytes) => btoa(String.fromCharCode(...bytes));
    const unbase64 = (words) => Uint8Array.from(atob(words), (letter) => letter.charCodeAt(0));
    const join = (...parts) => Uint8Array.from(parts.flatMap((part) => [...part]));
    const sha256 = async (bytes) => new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
    const node = (left, right) => sha256(join([1], left, right));
    const half = (number) => Math.floor(number / 2);

    // As RFC 9162 says it. Numbers of leaves are below 2 to the power of 53.
    const head = async (leaf, index, size, path) => {
      let [hash, place, last] = [leaf, index, size - 1];
      for (const other of path.map(unbase64)) {
        if (last === 0) return null;
        if (place % 2 === 1 || place === last) {
          hash = await node(other, hash);
          while (place % 2 === 0 && place !== 0) [place, last] = [half(place), half(last)];
        } else {
          hash = await node(hash, other);
        }
        [place, last] = [half(place), half(last)];
      }
      return last === 0 && index < size ? base64(hash) : null;
    };

    // True, false, or null when this browser does not know the signature.
    const signed = async (note, key) => {
      const [name, , public64] = key.split("+", 2).concat(key.split("+").slice(2).join("+"));
      const [words, lines] = [note.slice(0, note.lastIndexOf("\n\n") + 1), note.slice(note.lastIndexOf("\n\n") + 2)];
      const line = lines.split("\n").find((one) => one.startsWith(`— ${name} `));
      if (!line) return false;
      const raw = unbase64(public64).slice(1);
      let known;
      try {
        known = await crypto.subtle.importKey("raw", raw, { name: "Ed25519" }, false, ["verify"]);
      } catch {
        return null;
      }
      const signature = unbase64(line.split(" ").pop()).slice(4);
      return crypto.subtle.verify({ name: "Ed25519" }, known, signature, text(words));
    };

    const check = async ({ case: id, events, log }) => {
      let chain = hex(await sha256(text(id)));
      for (const event of events) {
        chain = hex(await sha256(text(chain + event.digest)));
        if (chain !== event.chain) return "wrong";
      }
      if (!log) return "waiting";
      const [origin, size, root] = log.checkpoint.split("\n");
      if (!log.key.startsWith(`${origin}+`)) return "wrong";
      for (const { seq, path } of log.proofs) {
        const event = events.find((one) => one.seq === seq);
        if (!event) return "wrong";
        const commitment = base64(await sha256(join(unhex(event.salt), unhex(event.digest))));
        const entry = text(`chengmai/1\ncase_event\n${id}/${seq}\n${commitment}\n`);
        if ((await head(await sha256(join([0], entry)), event.leaf, Number(size), path)) !== root) return "wrong";
      }
      const is = await signed(log.checkpoint, log.key);
      if (is === false) return "wrong";
      if (log.proofs.length < events.length) return "waiting";
      return is === null ? "unsigned" : "right";
    };

    const button = document.createElement("button");
    button.type = "button";
    button.className = "second";
    button.textContent = receipt.dataset.check;
    const said = document.createElement("p");
    said.setAttribute("role", "status");
    button.addEventListener("click", async () => {
      button.disabled = true;
      try {
        const answer = await fetch(`${location.pathname.replace(/\/$/, "")}/receipt`);
        const whole = await answer.json();
        const found = answer.ok ? await check(whole) : "waiting";
        receipt.dataset.found = found;
        const many = found === "right" || found === "unsigned" ? whole.events.length : "";
        said.textContent = receipt.dataset[found] + many;
      } finally {
        button.disabled = false;
      }
    });
    receipt.append(button, said);
  }
})();
