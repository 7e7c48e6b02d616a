// Heavy parts (map, charts) that are fetched when first needed. One that cannot be fetched says so in its own place
// and leaves the rest of the screen alone.
import { defineAsyncComponent, type AsyncComponentLoader, type Component } from "vue";
import LoadFailed from "@/components/LoadFailed.vue";

export class LazyError extends Error {}

export function lazy<T extends Component>(load: AsyncComponentLoader<T>): T {
  return defineAsyncComponent({
    loader: () =>
      load().catch((cause: unknown) => {
        throw new LazyError("a part of the screen could not be fetched", { cause });
      }),
    errorComponent: LoadFailed,
  });
}
