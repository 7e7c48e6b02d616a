// Who is signed in and which city this is. Both are read once, before the first screen.
import { defineStore } from "pinia";
import { computed, ref } from "vue";
import { ApiError, api } from "@/api/client";
import * as phone from "@/grid/db";
import type { City, Permission, User } from "@/api/types";

/** What is kept on a device for the time without a network. */
interface Kept {
  user: User;
  city: City;
}

export const useSession = defineStore("session", () => {
  const user = ref<User | null>(null);
  const city = ref<City | null>(null);
  const known = ref(false);

  /** What this device keeps for a grid worker, when the server cannot be reached; otherwise the error. */
  async function withoutNetwork(error: unknown): Promise<Kept> {
    const kept = error instanceof ApiError && error.status === 0 ? await phone.kept<Kept>("session").catch(() => undefined) : undefined;
    if (!kept) throw error;
    return kept;
  }

  async function loadCity(): Promise<void> {
    if (!city.value) city.value = await api.get<City>("/city").catch(async (error: unknown) => (await withoutNetwork(error)).city);
  }

  /** Keeps on this device who is signed in, so that the grid worker's page opens without a network. */
  async function keepHere(): Promise<void> {
    if (known.value && user.value && city.value) await phone.keep("session", { user: user.value, city: city.value });
  }

  /** Asks the server once whether the cookie still names a session. */
  async function restore(): Promise<void> {
    if (known.value) return;
    try {
      user.value = (await api.probe<{ user: User }>("/session")).user;
    } catch (error) {
      if (!(error instanceof ApiError) || error.status !== 401) {
        // Not known for sure: asked again with the next screen.
        user.value = (await withoutNetwork(error)).user;
        return;
      }
      user.value = null;
      await forgetHere();
    }
    known.value = true;
  }

  const forgetHere = (): Promise<void> => phone.forget().catch(() => undefined);

  async function signIn(name: string, password: string, code = ""): Promise<void> {
    user.value = (await api.post<{ user: User }>("/session", { name, password, code: code || null }, true)).user;
    known.value = true;
  }

  /** Asks again what the signed-in person may do: a second factor was set up, an emergency began or ended. */
  async function renew(): Promise<void> {
    user.value = (await api.get<{ user: User }>("/session")).user;
  }

  async function signOut(): Promise<void> {
    await api.delete("/session");
    user.value = null;
    await forgetHere();
  }

  function forget(): void {
    user.value = null;
    void forgetHere();
  }

  const permissions = computed(() => new Set<Permission>(user.value?.permissions ?? []));
  const can = (permission: Permission): boolean => permissions.value.has(permission);
  const timeZone = computed(() => city.value?.time_zone ?? "Asia/Shanghai");

  return { user, city, known, loadCity, keepHere, restore, renew, signIn, signOut, forget, can, timeZone };
});
