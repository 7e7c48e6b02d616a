// What one person chose on one browser: language, theme, sound. Kept on the device; the server is not told.
import { defineStore } from "pinia";
import { ref, watch } from "vue";
import type { Lang } from "@/lib/format";
import type { Theme } from "@/lib/colour";

function stored(key: string): string | null {
  try {
    return localStorage.getItem(`chengmai.${key}`);
  } catch {
    // Storage may be forbidden; the choice then lasts as long as the page.
    return null;
  }
}

function keep(key: string, value: string): void {
  try {
    localStorage.setItem(`chengmai.${key}`, value);
  } catch {
    // As above.
  }
}

export const useSettings = defineStore("settings", () => {
  const lang = ref<Lang>(stored("lang") === "en" ? "en" : "zh");
  const theme = ref<Theme>(document.documentElement.classList.contains("dark") ? "dark" : "light");
  const muted = ref(stored("muted") === "yes");

  watch(
    lang,
    (value) => {
      document.documentElement.lang = value === "zh" ? "zh-CN" : "en";
      keep("lang", value);
    },
    { immediate: true },
  );
  watch(theme, (value) => {
    document.documentElement.classList.remove("light", "dark");
    document.documentElement.classList.add(value);
    keep("theme", value);
  });
  watch(muted, (value) => keep("muted", value ? "yes" : "no"));

  return { lang, theme, muted };
});
