// A part of the build: fills in sw.js which files the grid worker's page needs, so that it opens without a network.
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import type { Plugin } from "vite";

const here = (name: string): string => fileURLToPath(new URL(name, import.meta.url));
/** The screens that must open; all that they load at once comes along. */
const SCREENS = ["/src/main.ts", "/src/pages/Grid.vue"];
const PUBLIC = ["/theme.js", "/icon.svg", "/icon-192.png", "/manifest.webmanifest"];

export function serviceWorker(): Plugin {
  return {
    name: "service-worker",
    apply: "build",
    enforce: "post",
    generateBundle(_options, bundle) {
      const files = new Set<string>();
      const add = (name: string): void => {
        const part = bundle[name];
        if (!part || files.has(name)) return;
        files.add(name);
        if (part.type !== "chunk") return;
        part.imports.forEach(add);
        part.viteMetadata?.importedCss.forEach(add);
        part.viteMetadata?.importedAssets.forEach(add);
      };
      const found = Object.values(bundle).filter(
        (part) => part.type === "chunk" && (part.isEntry || SCREENS.some((screen) => part.facadeModuleId?.endsWith(screen))),
      );
      if (found.length < SCREENS.length) this.error(`the service worker knows of ${SCREENS.join(", ")}, the build does not`);
      found.forEach((part) => add(part.fileName));
      const list = ["/index.html", ...PUBLIC, ...[...files].sort().map((name) => `/${name}`)];
      const hash = createHash("sha256").update(list.join("\n"));
      for (const name of PUBLIC) hash.update(readFileSync(here(`public${name}`)));
      const source = readFileSync(here("sw.js"), "utf8");
      const version = hash.update(source).update(readFileSync(here("index.html"))).digest("hex").slice(0, 16);
      this.emitFile({
        type: "asset",
        fileName: "sw.js",
        source: source.replace("__VERSION__", version).replace("__FILES__", JSON.stringify(list)),
      });
    },
  };
}
