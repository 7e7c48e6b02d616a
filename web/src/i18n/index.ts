// Words of the screens. Chinese is written first and is the shape that English must fill completely.
import { createI18n } from "vue-i18n";
import en from "./en";
import zh from "./zh";

export type Messages = typeof zh;

export const i18n = createI18n({
  legacy: false,
  locale: "zh",
  fallbackLocale: "zh",
  missingWarn: true,
  fallbackWarn: false,
  messages: { zh, en },
});
