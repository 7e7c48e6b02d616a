// One short message at a time about what was just done.
import { defineStore } from "pinia";
import { ref } from "vue";

export const useToast = defineStore("toast", () => {
  const text = ref("");
  let timer = 0;
  function say(message: string): void {
    text.value = message;
    window.clearTimeout(timer);
    timer = window.setTimeout(() => (text.value = ""), 4_000);
  }
  return { text, say };
});
