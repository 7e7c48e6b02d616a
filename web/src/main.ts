// Starts the screens: one query cache, one session, one live stream.
import { VueQueryPlugin, QueryClient } from "@tanstack/vue-query";
import { createPinia } from "pinia";
import { createApp } from "vue";
import App from "./App.vue";
import { ApiError, whenSignedOut } from "./api/client";
import { i18n } from "./i18n";
import { router } from "./router";
import { useSession } from "./stores/session";
import "./styles/tokens.css";
import "./styles/base.css";

const queryClient = new QueryClient({
  defaultOptions: {
    queries: {
      staleTime: 10_000,
      refetchOnWindowFocus: false,
      retry: (count, error) => !(error instanceof ApiError && error.status >= 400 && error.status < 500) && count < 2,
    },
  },
});

const app = createApp(App);
app.use(createPinia());
app.use(i18n);
app.use(VueQueryPlugin, { queryClient });
app.use(router);

whenSignedOut(() => {
  const session = useSession();
  if (!session.user) return;
  session.forget();
  queryClient.clear();
  void router.push({ name: "signin", query: { next: router.currentRoute.value.fullPath } });
});

app.mount("#app");
