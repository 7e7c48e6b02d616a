// Builds the screens into dist/, which the server embeds. Nothing here may name an outside host.
import { fileURLToPath } from "node:url";
import vue from "@vitejs/plugin-vue";
import { defineConfig } from "vitest/config";
import { serviceWorker } from "./service-worker.ts";

const server = process.env.CHENGMAI_URL ?? "http://127.0.0.1:8080";

export default defineConfig({
  base: "/",
  plugins: [vue(), serviceWorker()],
  resolve: { alias: { "@": fileURLToPath(new URL("./src", import.meta.url)) } },
  define: {
    __VUE_I18N_FULL_INSTALL__: false,
    __VUE_I18N_LEGACY_API__: false,
    __INTLIFY_PROD_DEVTOOLS__: false,
    __VUE_PROD_DEVTOOLS__: false,
  },
  // MapLibre finds its worker beside its own module; pre-bundling would separate the two.
  optimizeDeps: { exclude: ["maplibre-gl"] },
  worker: { format: "es" },
  test: { include: ["src/**/*.test.ts"] },
  build: {
    target: "es2022",
    assetsInlineLimit: 0,
    chunkSizeWarningLimit: 1200,
    modulePreload: { polyfill: false },
  },
  server: { proxy: { "/api": { target: server }, "/healthz": { target: server } } },
});
