// A photo from the camera, small enough for a phone's disk and a weak network, and where it was taken. The server keeps
// pictures of this size; nothing that it would keep is lost here.
import type { Position } from "@/api/types";

const SIDE_MAX = 1_600;
const QUALITY = 0.82;
const PLACE_MS_MAX = 10_000;
const PLACE_MS_OLD = 15_000;

/** The picture upright and at most so large; as it came when the browser cannot draw it. */
export async function shrunk(file: Blob): Promise<Blob> {
  try {
    const bitmap = await createImageBitmap(file, { imageOrientation: "from-image" });
    const scale = Math.min(1, SIDE_MAX / Math.max(bitmap.width, bitmap.height));
    const canvas = document.createElement("canvas");
    canvas.width = Math.max(1, Math.round(bitmap.width * scale));
    canvas.height = Math.max(1, Math.round(bitmap.height * scale));
    canvas.getContext("2d")?.drawImage(bitmap, 0, 0, canvas.width, canvas.height);
    bitmap.close();
    const small = await new Promise<Blob | null>((resolve) => canvas.toBlob(resolve, "image/jpeg", QUALITY));
    return small ?? file;
  } catch {
    return file;
  }
}

/** Where this device is now; null when it may not or cannot say. */
export const whereNow = (): Promise<Position | null> =>
  new Promise((resolve) => {
    if (!("geolocation" in navigator)) return resolve(null);
    navigator.geolocation.getCurrentPosition(
      ({ coords }) => resolve([coords.longitude, coords.latitude]),
      () => resolve(null),
      { enableHighAccuracy: true, timeout: PLACE_MS_MAX, maximumAge: PLACE_MS_OLD },
    );
  });
