// Where something is, seen from where the reader stands: the next two steps down from the area on screen.
// "第一网格" alone names thousands of places; the whole path is too long for a line.
import { computed } from "vue";
import { useArea } from "@/api/queries";
import { useScope } from "./use";

const STEP = " / ";

/** The two steps of `path` below the first `depth` ones; the last step when there are none left. */
export function shortPath(path: string, depth: number): string {
  const steps = path.split(STEP);
  const below = steps.slice(depth, depth + 2);
  return (below.length > 0 ? below : steps.slice(-1)).join(STEP);
}

/** The last two steps: of a grid also the community, because "第一网格" names thousands of places. */
export const lastSteps = (path: string): string => path.split(STEP).slice(-2).join(STEP);

export function usePlace(): (path: string) => string {
  const scope = useScope();
  const area = useArea(scope.area);
  const depth = computed(() => (area.data.value?.ancestors?.length ?? 0) + 1);
  return (path) => shortPath(path, depth.value);
}
