// Who is signed in and which city this is. Both are read once, before the first screen.
import { defineStore } from "pinia";
import { computed, ref } from "vue";
import { ApiError, api } from "@/api/client";
import type { City, Permission, User } from "@/api/types";

export const useSession = defineStore("session", () => {
  const user = ref<User | null>(null);
  const city = ref<City | null>(null);
  const known = ref(false);

  async function loadCity(): Promise<void> {
    if (!city.value) city.value = await api.get<City>("/city");
  }

  /** Asks the server once whether the cookie still names a session. */
  async function restore(): Promise<void> {
    if (known.value) return;
    try {
      user.value = (await api.probe<{ user: User }>("/session")).user;
    } catch (error) {
      if (!(error instanceof ApiError) || error.status !== 401) throw error;
      user.value = null;
    }
    known.value = true;
  }

  async function signIn(name: string, password: string): Promise<void> {
    user.value = (await api.post<{ user: User }>("/session", { name, password }, true)).user;
    known.value = true;
  }

  async function signOut(): Promise<void> {
    await api.delete("/session");
    user.value = null;
  }

  function forget(): void {
    user.value = null;
  }

  const permissions = computed(() => new Set<Permission>(user.value?.permissions ?? []));
  const can = (permission: Permission): boolean => permissions.value.has(permission);
  const timeZone = computed(() => city.value?.time_zone ?? "Asia/Shanghai");

  return { user, city, known, loadCity, restore, signIn, signOut, forget, can, timeZone };
});
