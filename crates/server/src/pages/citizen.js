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
})();
